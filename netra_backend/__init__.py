"""Netra, an agent server."""
