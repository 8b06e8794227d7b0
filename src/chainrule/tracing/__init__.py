"""Python function in, circuit out."""
