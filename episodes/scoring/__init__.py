"""Count, then reduce: by whose rules a method is scored."""
