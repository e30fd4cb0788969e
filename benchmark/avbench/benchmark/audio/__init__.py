"""Spatial audio features: where sound comes from, computed from sound alone.

`features.direction_spectrum` is the entry point; `grid` states the one azimuth convention all of them use.
"""
