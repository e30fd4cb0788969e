"""What every room of the benchmark may use: background reading, side-by-side processes, provenance, progress."""
