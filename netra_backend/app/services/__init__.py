"""Rooms whose import paths the mission fixes; each file is a room of its own."""
