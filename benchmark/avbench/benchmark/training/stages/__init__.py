"""The stages of training: encoders, binaural pre-training, heads."""
