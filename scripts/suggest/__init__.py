"""The parts of `scripts/suggest_curves.py`."""
