"""Which episodes are scored: manifests, plans made of settings, and how far a run of them is."""
