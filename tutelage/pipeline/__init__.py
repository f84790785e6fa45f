"""The loop as a list of stages: prompts, labels, models, evaluation, release."""
