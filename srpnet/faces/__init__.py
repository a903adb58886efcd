"""STN-iCNN: face parsing, end to end."""
