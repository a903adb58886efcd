"""Annotations in COCO's layout: the source, and how its large files are read, kept and drawn."""
