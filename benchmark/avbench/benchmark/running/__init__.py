"""Run a model over a split: batches, the model's own process, parts that survive a kill."""
