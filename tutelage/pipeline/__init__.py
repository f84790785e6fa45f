"""The loop as a list of stages: prompts, labels, models, evaluation, release. Run again, it goes on where it stopped."""
