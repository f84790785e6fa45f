"""Prompts: what users sent becomes data by the paper's rules (3.2, A.2), with a report that proves each."""
