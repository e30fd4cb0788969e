"""Models: a registry that names them without importing them, baselines, classical and learned ones."""
