"""Data sets: typed configs that plan without torch, and loaders that give batches by index."""
