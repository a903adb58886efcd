"""From names to tensors: photographs of an episode are loaded, augmented, and composed of several."""
