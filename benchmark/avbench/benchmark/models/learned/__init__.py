"""The models with trained weights: networks, inputs, bundles and checkpoints."""
