"""Statistics of grouped values: arrays in, values out."""
