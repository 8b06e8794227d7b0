"""Every error chainrule raises, in one family.

Each is also the builtin that a caller would catch without knowing us::

    ChainruleError
    ├── FormulaError (ValueError)        a formula that is not plain arithmetic
    ├── ShapeError (ValueError)          shapes that do not fit
    ├── DtypeError (TypeError)           an integer where a gradient was asked, an object array
    ├── LostTraceError (TypeError)       a traced value turned into a plain number
    ├── MissingGateError (TypeError)     a NumPy function with no gate
    ├── MissingRuleError (TypeError)     a gate with no gradient, reached by one
    ├── NotScalarError (TypeError)       the gradient of something that is not one number
    ├── InPlaceError (ValueError)        a write that would make a gradient wrong
    ├── MixedTraceError (ValueError)     values of two recordings in one gate
    ├── GuardError (ValueError)          inputs for which the recorded branch is not the one taken
    ├── GradientError (AssertionError)   a gradient check that failed
    ├── NonFiniteCostError               a training whose cost became nan or infinite
    │       (FloatingPointError)
    ├── DataFileError (ValueError)       a data file or checkpoint that is damaged or missing
    ├── MissingExtraError (ImportError)  an optional package that is not installed
    └── UnknownWireError (KeyError)      no wire of that name

A message says what was met, where in the user's own file, and what to write instead.
To add an error: subclass `ChainruleError` and the builtin, and add it to the tree above.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ChainruleError(Exception):
    """The family: catch this to catch whatever chainrule raises on purpose."""


class FormulaError(ChainruleError, ValueError):
    """A formula that is not plain arithmetic over names, numbers and known functions."""


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit together."""


class DtypeError(ChainruleError, TypeError):
    """A dtype that has no gradient: integers, booleans, objects."""


class LostTraceError(ChainruleError, TypeError):
    """A traced value that would become a plain number, its gradient silently zero."""


class MissingGateError(ChainruleError, TypeError):
    """A function on a traced value for which no gate exists."""


class MissingRuleError(ChainruleError, TypeError):
    """A gradient that reached a gate which has none."""


class NotScalarError(ChainruleError, TypeError):
    """The gradient of an output that is not one number."""


class InPlaceError(ChainruleError, ValueError):
    """A write in place that would make a gradient wrong or ambiguous."""


class MixedTraceError(ChainruleError, ValueError):
    """Values of two different recordings that met in one gate."""


class GuardError(ChainruleError, ValueError):
    """Inputs for which the function branches otherwise than when it was recorded."""


class GradientError(ChainruleError, AssertionError):
    """A gradient that differs from the numeric one; an assertion, so that tests may raise it."""


class NonFiniteCostError(ChainruleError, FloatingPointError):
    """A training whose cost or parameters became nan or infinite.

    Attributes
    ----------
    result : FitResult
        The training as it stood when all was finite for the last time it was looked at.
    """

    result: Any = None


class DataFileError(ChainruleError, ValueError):
    """A data file or checkpoint that is damaged, is not what it should be, or cannot be had."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional package that is not installed."""


class UnknownWireError(ChainruleError, KeyError):
    """No wire of that name in the circuit."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument: quotes around a sentence.
        return str(self.args[0]) if self.args else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or "" when none is near.

    Examples
    --------
    >>> did_you_mean("sigx", ["sigy", "num"])
    " Did you mean 'sigy'?"
    >>> did_you_mean("q", ["alpha"])
    ''
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
