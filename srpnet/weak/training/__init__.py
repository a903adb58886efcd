"""How DuPL's students are trained: items, batches, kept features, pseudo-labels, losses, and a run from end to end."""
