"""The training loop, its settings and its log."""
