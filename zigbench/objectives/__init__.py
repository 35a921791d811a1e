"""Objectives: what a network is trained for. The configs in ``config`` are read by planning; the rest needs torch."""
