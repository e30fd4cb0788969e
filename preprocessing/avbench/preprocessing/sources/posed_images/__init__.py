"""The layout *posed_images*: pictures with a matrix each."""
