"""Which two moments become a pair, and one pair to one row."""
