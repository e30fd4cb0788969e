"""Predictions and labels to scores, intervals, breakdowns and comparisons; no model and no picture is needed."""
