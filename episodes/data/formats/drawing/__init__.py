"""From shapes to label maps and back: filled, outlined, as run lengths, object by object."""
