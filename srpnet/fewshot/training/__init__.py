"""How SRPNet is trained: settings, batches of episodes, losses, features that are reused, and a run from end to end."""
