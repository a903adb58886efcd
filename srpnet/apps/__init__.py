"""For people: segment photographs by example."""
