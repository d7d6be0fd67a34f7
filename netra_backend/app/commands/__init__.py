"""The commands of `netra`, one file each. `cli.py` says how they are called."""
