"""Netra beside its peers, on the same work. See `run_path.py`."""
