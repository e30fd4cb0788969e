"""Prepared data sets as the benchmark reads them: inputs for models, labels for scoring."""
