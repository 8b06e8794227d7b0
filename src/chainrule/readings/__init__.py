"""Circuit in, text out; no reading imports another or runs anything."""
