"""Simulated rooms and motion: geometry, furniture, textures, rigs."""
