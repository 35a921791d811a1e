"""Doing a run: in this process, in one of its own, or in several."""
