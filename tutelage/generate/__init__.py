"""Text generation: one engine for rollouts, evaluation and serving.

`request` (no torch) names what is asked and answered, `engine` computes it step by step, `runner` gives it a thread
and asyncio, `process` serves it on a private unix socket to programs that never load torch.
"""
