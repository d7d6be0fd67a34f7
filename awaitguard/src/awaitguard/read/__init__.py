"""Read source files: what is kept of each after one walk over its syntax tree."""
