"""What `import avbench` offers: data sets, evaluation, scores and comparisons as Python objects."""
