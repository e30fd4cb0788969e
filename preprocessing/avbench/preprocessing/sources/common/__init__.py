"""Files that several layouts have: the rig file, trajectory files."""
