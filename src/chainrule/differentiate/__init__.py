"""Gradients of functions, define by run, and machines chosen by name."""
