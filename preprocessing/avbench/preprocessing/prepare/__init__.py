"""The pipeline from recordings to a published data set."""
