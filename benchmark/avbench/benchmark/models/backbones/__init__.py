"""Two-view visual backbones behind one interface."""
