"""Steps: rounding, division with remainder, clipping.

A step is flat between its jumps, so it stops the gradient; a remainder is its first input moved
down by whole steps, so it hands the gradient on. To add a gate, add an entry to `STEPS`.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .arithmetic import share
from .gate import POSITIVE, REAL, Gate, example


def _flat(out: Any, *inputs: Any, **settings: Any) -> int:
    return 0


def _wave(x: Any) -> Any:
    """Return a triangle wave: exactly 0 at each whole number, of opposite sign on its two sides.

    Not x - rint(x), which would also change its sign, without being 0, halfway in between.
    """
    whole = np.rint(x)
    return np.where(whole % 2 == 0, x - whole, whole - x)


def _round(a: Any, *, decimals: int = 0) -> Any:
    return np.round(a, decimals)


def _clip(a: Any, a_min: Any, a_max: Any) -> Any:
    return np.clip(a, a_min, a_max)


def _scalar_clip(a: float, a_min: float, a_max: float) -> float:
    # NumPy's order of the two bounds; the NaN of any of the three is kept.
    low = a if a >= a_min or a != a else a_min
    return low if low <= a_max or low != low else a_max


STEPS: tuple[Gate, ...] = (
    Gate(
        name="floor",
        forward=np.floor,
        # copysign keeps the -0.0 that math's whole numbers lose.
        scalar=lambda x: math.copysign(math.floor(x), x),
        symbol="⌊x⌋",
        code="np.floor({0})",
        scalar_code="float(math.floor({0}))",
        latex=r"\left\lfloor #0 \right\rfloor",
        words="rounds {0} down",
        why="a staircase is flat between its steps",
        local=(_flat,),
        pattern="stops",
        kink=_wave,
        analytic=False,
    ),
    Gate(
        name="ceil",
        forward=np.ceil,
        scalar=lambda x: math.copysign(math.ceil(x), x),
        symbol="⌈x⌉",
        code="np.ceil({0})",
        scalar_code="float(math.ceil({0}))",
        latex=r"\left\lceil #0 \right\rceil",
        words="rounds {0} up",
        why="a staircase is flat between its steps",
        local=(_flat,),
        pattern="stops",
        kink=_wave,
        analytic=False,
    ),
    Gate(
        name="rint",
        forward=np.rint,
        scalar=lambda x: math.copysign(round(x), x),
        symbol="rint",
        code="np.rint({0})",
        scalar_code="float(round({0}))",
        words="rounds {0} to the nearest whole number, halves to the even one",
        why="a staircase is flat between its steps",
        local=(_flat,),
        pattern="stops",
        kink=lambda x: _wave(x - 0.5),
        analytic=False,
    ),
    Gate(
        name="trunc",
        forward=np.trunc,
        scalar=lambda x: math.copysign(math.trunc(x), x),
        symbol="trunc",
        code="np.trunc({0})",
        scalar_code="float(math.trunc({0}))",
        words="cuts {0} off at its whole number, towards 0",
        why="a staircase is flat between its steps",
        local=(_flat,),
        pattern="stops",
        kink=lambda x: _wave(np.maximum(np.abs(x), 0.5)),  # no step at 0
        analytic=False,
    ),
    Gate(
        name="round",
        forward=_round,
        numpy=np.round,
        symbol="round",
        code=lambda decimals=0: f"np.round({{0}}, {decimals!r})",
        words="rounds {0}, halves to the even digit",
        why="a staircase is flat between its steps",
        local=(_flat,),
        pattern="stops",
        kink=lambda a, *, decimals=0: _wave(a * 10.0**decimals - 0.5),
        analytic=False,
        examples=(example((), decimals=1),),
    ),
    Gate(
        name="floor_divide",
        forward=np.floor_divide,
        scalar=operator.floordiv,
        symbol="//",
        code="{0} // {1}",
        words="divides {0} by {1} and rounds down",
        why="a staircase is flat between its steps",
        local=(_flat, _flat),
        pattern="stops",
        domain=(REAL, POSITIVE),
        kink=lambda x, y: _wave(x / y),
        analytic=False,
    ),
    Gate(
        name="mod",
        forward=np.remainder,
        scalar=operator.mod,
        symbol="%",
        code="{0} % {1}",
        words="takes the remainder of {0} divided by {1}, with the sign of {1}",
        why="the remainder follows x, and loses as many y as were taken out",
        local=(lambda out, x, y: 1, lambda out, x, y: -(x // y)),
        domain=(REAL, POSITIVE),
        kink=lambda x, y: _wave(x / y),
        steep=True,
        analytic=False,
    ),
    Gate(
        name="fmod",
        forward=np.fmod,
        scalar=math.fmod,
        symbol="fmod",
        code="np.fmod({0}, {1})",
        scalar_code="math.fmod({0}, {1})",
        words="takes the remainder of {0} divided by {1}, with the sign of {0}",
        why="the remainder follows x, and loses as many y as were taken out",
        # Not -trunc(x / y): the quotient may be rounded up to a y that was not taken out.
        local=(lambda out, x, y: 1, lambda out, x, y: np.rint((out - x) / y)),
        domain=(REAL, POSITIVE),
        kink=lambda x, y: _wave(np.maximum(np.abs(x / y), 0.5)),
        steep=True,
        analytic=False,
    ),
    Gate(
        name="clip",
        forward=_clip,
        numpy=np.clip,
        scalar=_scalar_clip,
        symbol="clip",
        code="np.clip({0}, {1}, {2})",
        scalar_code="clip({0}, {1}, {2})",
        words="keeps {0} between {1} and {2}",
        why="between the bounds the input decides alone, elsewhere a bound; a tie is halved",
        # Also right where a_min > a_max, for which NumPy gives a_max.
        local=(
            lambda out, a, a_min, a_max: share(a, a_min) * share(a_max, a),
            lambda out, a, a_min, a_max: share(a_min, a) * share(a_max, a_min),
            lambda out, a, a_min, a_max: share(np.maximum(a, a_min), a_max),
        ),
        pattern="routes",
        because=lambda out, a, a_min, a_max: (
            "{0} > {2}" if a > a_max else "{0} < {1}" if a < a_min else "{1} <= {0} <= {2}"
        ),
        domain=(REAL, (-2.0, -0.5), (0.5, 2.0)),
        kink=lambda a, a_min, a_max: np.stack(np.broadcast_arrays(a - a_min, a - a_max)),
        selects=True,
        analytic=False,
    ),
)
