"""Tutelage: align a language model with the people who use it, as one system."""

__version__ = "0.1.0"
