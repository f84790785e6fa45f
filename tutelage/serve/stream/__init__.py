"""From an engine's news to the text that a client reads."""
