"""Frozen circuits: columns, names, containers."""
