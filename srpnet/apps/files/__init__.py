"""Files: which photographs are segmented, and what is written of each; masks that come back corrected."""
