"""Loaders of the built-in data sets that are generated, or come with scikit-learn and scikit-image."""
