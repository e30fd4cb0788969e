"""The layout *record3d*: exports of the app Record3D."""
