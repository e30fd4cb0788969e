"""What every room may use: errors, atomic files, geometry."""
