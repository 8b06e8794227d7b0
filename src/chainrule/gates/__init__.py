"""The gate tables, joined: everything above reads them from here."""

from __future__ import annotations

import numpy as np

from .activation import ACTIVATION
from .arithmetic import ARITHMETIC
from .comparison import COMPARISON
from .convolution import CONVOLUTION
from .exponential import EXPONENTIAL
from .gate import Example, Gate, inputs_of, settings_of
from .indexing import INDEXING
from .linear_algebra import LINEAR_ALGEBRA
from .pooling import POOLING
from .random import RANDOM
from .reduction import REDUCTION
from .shape import SHAPE
from .steps import STEPS
from .trigonometric import TRIGONOMETRIC

TABLES: dict[str, tuple[Gate, ...]] = {
    "arithmetic": ARITHMETIC,
    "exponential": EXPONENTIAL,
    "trigonometric": TRIGONOMETRIC,
    "comparison": COMPARISON,
    "steps": STEPS,
    "activation": ACTIVATION,
    "reduction": REDUCTION,
    "shape": SHAPE,
    "indexing": INDEXING,
    "linear_algebra": LINEAR_ALGEBRA,
    "pooling": POOLING,
    "random": RANDOM,
    "convolution": CONVOLUTION,
}

GATES: dict[str, Gate] = {gate.name: gate for table in TABLES.values() for gate in table}
"""Every gate by its name."""

UFUNCS: dict[np.ufunc, Gate] = {
    gate.forward: gate for gate in GATES.values() if isinstance(gate.forward, np.ufunc)
}
"""The gate that a NumPy ufunc draws."""

__all__ = ["GATES", "TABLES", "UFUNCS", "Example", "Gate", "inputs_of", "settings_of"]
