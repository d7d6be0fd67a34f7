"""Finds where the two sides of an async interface disagree about how it is called."""
