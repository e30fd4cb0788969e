"""Project Aria recordings."""
