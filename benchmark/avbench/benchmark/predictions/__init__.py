"""What models answered: the predictions file, and the saved run around it."""
