"""Picture files of any kind and depth: opened, and read as photographs or label maps."""
