"""Runs on disk: folder, lock and record of a run, packs of many, and all records as one frame."""
