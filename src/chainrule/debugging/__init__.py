"""Whether a gradient is right, and where it went wrong if it is not."""
