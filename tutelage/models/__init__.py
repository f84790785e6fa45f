"""Hugging Face, wrapped once: load and save, tokens, policies, scalar models, fetching."""
