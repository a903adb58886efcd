"""What all methods share: the backbone, its weights, the feature grid, similarity, device."""
