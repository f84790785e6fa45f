"""Tasks with known answers: academic benchmarks, and the tax tasks that tell what alignment costs.

A task asks questions of a model and scores its answers. Each published one is a file here: the form of its rows, its
prompts as in the paper, and how it is scored. A new one is such a file, a line in `catalogue`, and a row in the
contract test. Answers are kept as records (`cache`, `identity`), and every figure is computed from them.
"""
