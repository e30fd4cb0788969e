"""Sound by its own clock: sound files, and the sound of containers."""
