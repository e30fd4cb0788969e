"""Pictures and sound of recordings, found by time: containers through PyAV, sound files through soundfile."""
