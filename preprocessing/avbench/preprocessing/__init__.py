"""Preprocessing: recordings in, shards of frame pairs out."""
