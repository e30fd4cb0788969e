"""Handing predictions in to a board."""
