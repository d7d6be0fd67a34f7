"""Finds where the two sides of an async interface disagree about how it is called."""

__version__ = "0.1.0"
