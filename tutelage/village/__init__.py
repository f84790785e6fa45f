"""The village: a small closed world in plain English where every statement can be checked exactly.

It exists so that the whole method runs offline in minutes and its claims are measured against ground truth. Nothing
outside the pipeline, the claims, the worker and the command line may know it.
"""
