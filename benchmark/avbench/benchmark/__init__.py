"""First floor: shards in, predictions and scores out."""
