"""An evaluation from end to end: what is run, how the result is written and read again, and corrupted sets on disk."""
