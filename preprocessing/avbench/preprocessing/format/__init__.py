"""The contract between the areas: schema, shards, manifest, card, pictures and clips as they are stored."""
