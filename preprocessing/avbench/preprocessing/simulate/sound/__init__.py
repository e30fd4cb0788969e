"""Sound of a simulated room: sources, early reflections, tails, moving arrays."""
