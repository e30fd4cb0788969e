"""Training of the reference models on any prepared data set."""
