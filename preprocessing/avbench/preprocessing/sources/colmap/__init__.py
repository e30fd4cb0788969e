"""The layout *colmap*: sparse models of COLMAP beside a video or pictures."""
