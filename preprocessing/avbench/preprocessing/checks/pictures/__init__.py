"""Poses against pictures: whether the labels of a recording are what its pictures show, and if not, what would be."""
