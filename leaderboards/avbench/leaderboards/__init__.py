"""Top floor: predictions in, a public board out."""
