"""What an episode is, and how episodes are drawn."""
