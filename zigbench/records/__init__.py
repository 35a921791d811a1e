"""What a run leaves behind: its folder, its lock, its record, and all records as one frame."""
