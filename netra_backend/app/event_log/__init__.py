"""The log: the truth about what happened to a user, and the only way to tell it."""
