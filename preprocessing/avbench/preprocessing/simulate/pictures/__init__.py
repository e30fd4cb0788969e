"""Pictures of a simulated room."""
