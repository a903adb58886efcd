"""What is made of a run: figures with intervals, comparisons, pictures, pages."""
