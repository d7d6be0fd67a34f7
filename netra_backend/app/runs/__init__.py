"""A run from its message to its end: on record, told, supervised."""
