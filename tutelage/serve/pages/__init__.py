"""Pages on which people ask the models: the playground, and two answers side by side."""
