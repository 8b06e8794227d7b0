"""What people hold in their hands: a circuit at a point, and all that can be read off it."""

from .circuit import TracedCircuit, trace
from .point import Wire

__all__ = ["TracedCircuit", "Wire", "trace"]
