"""Initialisers: where parameters begin, drawn from a seeded generator.

Most draw weights whose variance fits the layer: the `fans`, how many numbers a neuron hears
(fan in) and how many hear it (fan out). Where a layer takes an initialiser, it takes a name of
`INITIALISERS`; a name with settings, as a dict; or a function `(generator, shape)`. Numbers are
drawn as float64 and rounded, so that a network begins alike in float32 and float64.

To add one: a function `(generator, shape, fans, **settings)`, and its name in the table.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError, did_you_mean
from ..tracing.sites import here

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Fans = tuple[int, int]


def fans_of(shape: Shape) -> Fans:
    """Return fan in and fan out of weights.

    Parameters
    ----------
    shape : tuple of int
        (n_in, n_out) of a dense layer; (n_out, n_in, height, width) of a convolution.

    Examples
    --------
    >>> fans_of((784, 30)), fans_of((16, 3, 5, 5))
    ((784, 30), (75, 400))
    """
    if len(shape) < 3:
        return shape[0], shape[-1]
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def glorot_uniform(generator: np.random.Generator, shape: Shape, fans: Fans) -> Array:
    """Draw from ±√(6 / (fan in + fan out)), so that signals keep their size both ways."""
    return _uniform(generator, shape, 2.0 / sum(fans))


def glorot_normal(generator: np.random.Generator, shape: Shape, fans: Fans) -> Array:
    """Draw normally with variance 2 / (fan in + fan out)."""
    return _normal(generator, shape, 2.0 / sum(fans))


def he_uniform(
    generator: np.random.Generator, shape: Shape, fans: Fans, *, negative_slope: float = 0.0
) -> Array:
    """Draw from ±√(6 / fan in), which makes up for the half that relu cuts off."""
    return _uniform(generator, shape, 2.0 / ((1.0 + negative_slope**2) * fans[0]))


def he_normal(
    generator: np.random.Generator, shape: Shape, fans: Fans, *, negative_slope: float = 0.0
) -> Array:
    """Draw normally with variance 2 / fan in; less for a relu that leaks."""
    return _normal(generator, shape, 2.0 / ((1.0 + negative_slope**2) * fans[0]))


def lecun_uniform(generator: np.random.Generator, shape: Shape, fans: Fans) -> Array:
    """Draw from ±√(3 / fan in), so that signals keep their size on the way forward."""
    return _uniform(generator, shape, 1.0 / fans[0])


def lecun_normal(generator: np.random.Generator, shape: Shape, fans: Fans) -> Array:
    """Draw normally with variance 1 / fan in."""
    return _normal(generator, shape, 1.0 / fans[0])


def normal(
    generator: np.random.Generator,
    shape: Shape,
    fans: Fans,
    *,
    deviation: float = 1.0,
    mean: float = 0.0,
) -> Array:
    """Draw normally with this standard deviation."""
    return generator.normal(mean, deviation, shape)


def uniform(
    generator: np.random.Generator,
    shape: Shape,
    fans: Fans,
    *,
    low: float = -0.05,
    high: float = 0.05,
) -> Array:
    """Draw evenly from between two numbers."""
    return generator.uniform(low, high, shape)


def zeros(generator: np.random.Generator, shape: Shape, fans: Fans) -> Array:
    """Return zeros: for biases; weights that all begin alike stay alike."""
    return np.zeros(shape)


def ones(generator: np.random.Generator, shape: Shape, fans: Fans) -> Array:
    """Return ones."""
    return np.ones(shape)


def constant(
    generator: np.random.Generator, shape: Shape, fans: Fans, *, value: float = 0.0
) -> Array:
    """Return the same number everywhere."""
    return np.full(shape, float(value))


def orthogonal(
    generator: np.random.Generator, shape: Shape, fans: Fans, *, gain: float = 1.0
) -> Array:
    """Return a matrix that turns and mirrors but does not stretch, times `gain`.

    Filters are its rows. Where one side is longer, the vectors of the shorter are orthogonal.
    """
    flat = (shape[0], math.prod(shape[1:]))
    tall = generator.normal(size=(max(flat), min(flat)))
    q, r = np.linalg.qr(tall)
    # The factorisation chooses the signs of columns: with r's diagonal positive every rotation is
    # as likely (Mezzadri, "How to generate random matrices from the classical compact groups").
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return gain * (q if flat[0] >= flat[1] else q.T).reshape(shape)


def _uniform(generator: np.random.Generator, shape: Shape, variance: float) -> Array:
    limit = math.sqrt(3.0 * variance)
    return generator.uniform(-limit, limit, shape)


def _normal(generator: np.random.Generator, shape: Shape, variance: float) -> Array:
    # Not truncated at two deviations, as some libraries do: the papers are not.
    return generator.normal(0.0, math.sqrt(variance), shape)


INITIALISERS: dict[str, Callable[..., Array]] = {
    function.__name__: function
    for function in (
        # Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
        # networks" (2010), eqs. 12 and 16.
        glorot_uniform,
        glorot_normal,
        # He et al., "Delving deep into rectifiers" (2015), eqs. 10 and 15.
        he_uniform,
        he_normal,
        # LeCun, Bottou, Orr & Müller, "Efficient backprop" (1998), eq. 16.
        lecun_uniform,
        lecun_normal,
        normal,
        uniform,
        zeros,
        ones,
        constant,
        # Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
        # linear neural networks" (2014).
        orthogonal,
    )
}
"""The initialisers that have a name."""


def initialiser_of(how: Any) -> Any:
    """Return an initialiser as a layer keeps it, with its settings checked.

    Parameters
    ----------
    how : str, dict or callable
        A name in `INITIALISERS`; a name with settings, `{"name": "normal", "deviation": 0.01}`; or
        a function `(generator, shape)` that gives an array.

    Returns
    -------
    str, dict or callable
        JSON's kinds, but for a function of the user's own.

    Raises
    ------
    ValueError
        For a name or a setting that is not known.
    TypeError
        For anything else.
    """
    if isinstance(how, str):
        if how in INITIALISERS:
            return how
        raise ValueError(
            f"{here()}there is no initialiser {how!r}.{did_you_mean(how.lower(), INITIALISERS)} "
            f"There are {', '.join(INITIALISERS)}; or give a function of a generator and a shape."
        )
    if isinstance(how, Mapping) and "name" in how:
        name = initialiser_of(how["name"])
        asked = inspect.signature(INITIALISERS[name]).parameters.values()
        known = [one.name for one in asked if one.kind is one.KEYWORD_ONLY]
        settings = {key: value for key, value in how.items() if key != "name"}
        for key, value in settings.items():
            if key not in known:
                raise ValueError(
                    f"{here()}the initialiser {name} has no setting {key!r}."
                    f"{did_you_mean(key, known)} It has {', '.join(known) or 'none'}."
                )
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise TypeError(f"{here()}{name}: {key} must be a number, not {value!r}")
            settings[key] = float(value)
        if settings.get("deviation", 1.0) < 0:
            raise ValueError(f"{here()}{name}: deviation must be 0 or more")
        return {"name": name, **settings} if settings else name
    if callable(how) and not isinstance(how, type):
        return next((name for name, known in INITIALISERS.items() if known is how), how)
    raise TypeError(
        f"{here()}an initialiser must be one of {', '.join(INITIALISERS)}, a dict with such a name "
        f"and its settings, or a function of a generator and a shape, not {how!r}"
    )


def initial(
    how: Any, generator: np.random.Generator, shape: Shape, dtype: Any, fans: Fans | None = None
) -> Array:
    """Return new parameters of this shape.

    Parameters
    ----------
    how : str, dict or callable
        What `initialiser_of` takes.
    generator : numpy.random.Generator
        What draws.
    shape : tuple of int
        Of the parameters.
    dtype : dtype
        Of the parameters.
    fans : pair of int, optional
        Fan in and fan out; by default those of weights of this shape. Biases have their layer's.

    Raises
    ------
    ShapeError
        If a function of the user's gives another shape.

    Examples
    --------
    >>> initial({"name": "constant", "value": 0.1}, np.random.default_rng(0), (2,), np.float64)
    array([0.1, 0.1])
    """
    how = initialiser_of(how)
    if callable(how):
        array = np.asarray(how(generator, shape))
        if array.shape != shape:
            name = getattr(how, "__name__", repr(how))
            raise ShapeError(
                f"{here()}the initialiser {name} gave shape {array.shape} where {shape} was asked"
            )
        return array.astype(dtype)
    settings = dict(how) if isinstance(how, dict) else {"name": how}
    draw = INITIALISERS[settings.pop("name")]
    return draw(generator, shape, fans or fans_of(shape), **settings).astype(dtype)
