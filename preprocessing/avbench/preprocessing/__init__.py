"""Ground floor: recordings in, shards of frame pairs out."""
