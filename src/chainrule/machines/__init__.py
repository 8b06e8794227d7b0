"""Circuit in, callable out."""
