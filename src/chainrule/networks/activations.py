"""Activations by name: what the neurons of a layer do to their weighted input.

Where a layer takes an activation, it takes a name of `ACTIVATIONS`; a name with settings, as a
dict; or any function in plain NumPy. To add one, add it to the table.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from .. import functions
from ..errors import ShapeError, did_you_mean
from ..tracing.sites import here
from .layer import Layer

Function = Callable[[Any], Any]

# Klambauer et al., "Self-normalizing neural networks" (2017), eq. 14: mean 0 and variance 1 stay.
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def identity(x: Any) -> Any:
    """Return x as it is."""
    return x


def selu(x: Any) -> Any:
    """Return the elu whose scale and bend keep mean 0 and variance 1 from layer to layer."""
    return SELU_SCALE * functions.elu(x, SELU_ALPHA)


def gelu_tanh(x: Any) -> Any:
    """Return the gelu by its formula with tanh, which is faster and off by 5e-4 at most."""
    return functions.gelu(x, approximate=True)


def mish(x: Any) -> Any:
    """Return x times the tanh of its softplus (Misra, "Mish", 2019)."""
    return x * np.tanh(functions.softplus(x))


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|), which saturates more slowly than tanh (Glorot & Bengio, 2010)."""
    return x / (1.0 + abs(x))


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": identity,
    "linear": identity,
    "sigmoid": functions.sigmoid,
    "logistic": functions.sigmoid,
    "tanh": functions.tanh,
    "relu": functions.relu,
    "leaky_relu": functions.leaky_relu,
    "elu": functions.elu,
    "selu": selu,
    "gelu": functions.gelu,
    "gelu_tanh": gelu_tanh,
    "silu": functions.silu,
    "swish": functions.silu,
    "mish": mish,
    "softplus": functions.softplus,
    "softsign": softsign,
    "log_sigmoid": functions.log_sigmoid,
    "softmax": functions.softmax,
    "log_softmax": functions.log_softmax,
}
"""The activations that have a name; of several for the same, the first is the one that is kept."""

_NAMES: dict[Any, str] = {np.tanh: "tanh"}
for _name, _function in ACTIVATIONS.items():
    _NAMES.setdefault(_function, _name)


def checked_activation(activation: Any) -> Any:
    """Return an activation as a layer keeps it: by name, wherever it has one.

    Parameters
    ----------
    activation : str, callable, dict or None
        A name in `ACTIVATIONS`, a function in plain NumPy, or a name with settings:
        `{"name": "leaky_relu", "negative_slope": 0.2}`. None is the identity.

    Returns
    -------
    str, dict, callable or None
        JSON's kinds, but for a function of the user's own.

    Raises
    ------
    ValueError
        For a name or a setting that is not known.
    TypeError
        For anything else.

    Examples
    --------
    >>> checked_activation(np.tanh), checked_activation("swish"), checked_activation(None)
    ('tanh', 'silu', None)
    """
    if activation is None:
        return None
    if isinstance(activation, str):
        if activation in ACTIVATIONS:
            return _NAMES[ACTIVATIONS[activation]]
        raise ValueError(
            f"{here()}there is no activation {activation!r}."
            f"{did_you_mean(activation.lower(), ACTIVATIONS)} There are {', '.join(ACTIVATIONS)}; "
            "or give a function."
        )
    if isinstance(activation, Mapping) and "name" in activation:
        name = checked_activation(activation["name"])
        settings = {key: value for key, value in activation.items() if key != "name"}
        known = [key for key in inspect.signature(ACTIVATIONS[name]).parameters if key != "x"]
        for key, value in settings.items():
            if key not in known:
                raise ValueError(
                    f"{here()}the activation {name} has no setting {key!r}."
                    f"{did_you_mean(key, known)} It has {', '.join(known) or 'none'}."
                )
            if not isinstance(value, (bool, int, float, np.number)):
                raise TypeError(f"{here()}{name}: {key} must be a number, not {value!r}")
            if isinstance(value, np.generic):
                settings[key] = value.item()  # a Python number, which does not widen float32
        return {"name": name, **settings} if settings else name
    if callable(activation) and not isinstance(activation, (type, Layer)):
        try:
            return _NAMES.get(activation, activation)
        except TypeError:  # a callable that cannot be hashed
            return activation
    raise TypeError(
        f"{here()}an activation must be one of {', '.join(ACTIVATIONS)}, or a function, not "
        f"{activation!r}"
    )


def activation_of(activation: Any) -> Function:
    """Return the function of an activation given by name, with settings, or as a function.

    Raises
    ------
    ValueError
        For a name or a setting that is not known.
    TypeError
        For anything else.

    Examples
    --------
    >>> activation_of("relu")(-3.0), activation_of({"name": "elu", "alpha": 2.0})(1.0)
    (0.0, 1.0)
    """
    kept = checked_activation(activation)
    if kept is None:
        return identity
    if isinstance(kept, str):
        return ACTIVATIONS[kept]
    if isinstance(kept, dict):
        settings = {key: value for key, value in kept.items() if key != "name"}
        return partial(ACTIVATIONS[kept["name"]], **settings)
    return partial(_own, kept)


def _own(function: Function, x: Any) -> Any:
    """Return what a function of the user's gives, held to its shape."""
    found = function(x)
    if np.shape(found) != np.shape(x):
        name = getattr(function, "__name__", repr(function))
        raise ShapeError(
            f"{here()}the activation {name} gave shape {np.shape(found)} for {np.shape(x)}: it "
            "must keep the shape. What changes it is a layer of your own, cr.Layer."
        )
    return found
