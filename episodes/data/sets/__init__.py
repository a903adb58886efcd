"""Data sets, one file each: what lies in its folders, and its record."""
