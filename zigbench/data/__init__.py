"""Data sets: typed configs that plan without torch, and loaders of splits whose batches are taken by index."""
