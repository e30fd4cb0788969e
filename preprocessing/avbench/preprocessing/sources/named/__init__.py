"""What layouts share whose poses belong to named pictures: scenes, statements, times, the recording."""
