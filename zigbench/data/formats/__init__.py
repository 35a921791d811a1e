"""Formats of pictures, clips, captions and classes on disk, each read into a list of samples."""
