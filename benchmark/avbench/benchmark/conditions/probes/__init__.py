"""Listening probes: sound replaced or changed to see what a model makes of it."""
