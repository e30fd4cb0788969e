"""The study of binaural pre-training."""
