"""Benchmark: shards in, predictions and scores out."""
