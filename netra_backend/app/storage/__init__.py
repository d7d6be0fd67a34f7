"""Rows: one module per noun, and every look-up of a user's rows through a scope bound to that user."""
