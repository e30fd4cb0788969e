"""A board on disk: configuration, entries, labels and scoring."""
