"""Simulated recordings: moving pictures and moving microphones in shoebox rooms, exactly as a user would have them.

What is made here goes through `avbench prepare` like any other recording of the folder layout, and is called simulated
in every table and card.

Axes: the world has z up, its origin in a lower corner of the room, and the room fills [0, x] x [0, y] x [0, z] metres.
Camera axes are OpenCV's. Times are seconds from the first frame inside this package and integer nanoseconds in files.
"""
