"""A recording in memory: frames, sound, rig, trajectory and pose conventions."""
