"""Text tables of scores, comparisons and probes."""
