"""The folder layout: a video with its sound, trajectory and rig file."""
