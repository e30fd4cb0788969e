"""Raw layouts, one folder each and independent of each other, and the choice between them."""
