"""Examples that a person shows: what is marked in photographs, and how good it is."""
