"""Work out what names and expressions stand for, across files."""
