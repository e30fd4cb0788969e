"""Leaderboards: predictions in, a public board out."""
