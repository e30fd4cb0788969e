"""Training pairs: arrays, augmentation, depths, division into parts."""
