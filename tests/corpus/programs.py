"""All programs of the corpus."""

from __future__ import annotations

from .arrays import ARRAYS
from .models import MODELS
from .scalars import SCALARS

PROGRAMS = (*SCALARS, *ARRAYS, *MODELS)
