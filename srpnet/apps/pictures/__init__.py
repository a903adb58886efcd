"""A person's photographs and masks, read."""
