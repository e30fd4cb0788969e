"""Plots of scores: numbers with their intervals in, a matplotlib figure out; for reports and for notebooks alike.

- `recall.recall_plot`: share of pairs below an error threshold.
- `severity.severity_plot`: a metric against the severity of a corruption.
- `forest.forest_plot`: one number of several runs, or under several conditions.
- `breakdown.breakdown_plot`: a metric by the bins of what a pair is like.
- `scatter.scatter_plot`: the error of every pair, run against run.

A figure belongs to nobody: no window, no pyplot, no state that two figures share. A notebook shows it after
`%matplotlib inline`, `figure.savefig` writes it, and `svg.inline_svg` makes it a part of a page that is light or dark.
matplotlib is imported when the first figure is drawn.
"""
