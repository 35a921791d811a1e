"""Latents of a fixed autoencoder: encoded once into shards on disk, read as a data set, decoded for the metrics."""
