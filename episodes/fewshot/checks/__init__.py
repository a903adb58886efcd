"""Checks of data: files that are wrong, and what training would see of what is tested."""
