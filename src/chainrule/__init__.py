"""chainrule: write the forward pass, read the backward pass, run both.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data as data
    from .debugging.check import check_gradients
    from .differentiate.compiled import compile
    from .differentiate.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
    from .differentiate.variable import Variable
    from .errors import ChainruleError
    from .face import TracedCircuit as Circuit
    from .face import trace
    from .functions import (
        elu,
        erf,
        erfc,
        gelu,
        leaky_relu,
        log_sigmoid,
        log_softmax,
        logsumexp,
        one_hot,
        relu,
        sigmoid,
        silu,
        softmax,
        softplus,
        tanh,
    )
    from .networks.activation import Activation
    from .networks.batch_norm import BatchNorm
    from .networks.class_metrics import confusion_matrix
    from .networks.convolution import Conv2D, conv2d
    from .networks.costs import huber
    from .networks.dense import Dense
    from .networks.dropout import Dropout
    from .networks.embedding import Embedding
    from .networks.flatten import Flatten, Reshape
    from .networks.layer import Layer
    from .networks.layer_norm import LayerNorm
    from .networks.network import Network
    from .networks.pooling import AveragePool2D, MaxPool2D
    from .random import random_key, random_split, random_uniform
    from .training.adaptive import Adadelta, Adagrad, Lion
    from .training.callbacks import Checkpoint, StopAfter
    from .training.checkpoint import load_fit, save_fit
    from .training.clipping import Clipped, MaxNorm
    from .training.early_stopping import EarlyStopping
    from .training.fit import fit
    from .training.history import History
    from .training.lbfgs import LBFGS
    from .training.logs import Log
    from .training.optimizers import SGD, Adam, AdamW, RMSprop
    from .training.schedules import (
        CosineDecay,
        ExponentialDecay,
        OneCycle,
        Plateau,
        StepDecay,
        WarmUp,
    )

__version__ = "0.1.0"

# Where each public name lives. Adding one: here, above for type checkers, and in docs/reference.md.
_HOMES = {
    "ChainruleError": "errors",
    "History": "training.history",
    "Variable": "differentiate.variable",
    "check_gradients": "debugging.check",
    "compile": "differentiate.compiled",
    "fit": "training.fit",
    "trace": "face",
    **dict.fromkeys(
        ("grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"),
        "differentiate.transforms",
    ),
    "Activation": "networks.activation",
    "BatchNorm": "networks.batch_norm",
    "Dense": "networks.dense",
    "Dropout": "networks.dropout",
    "EarlyStopping": "training.early_stopping",
    "Embedding": "networks.embedding",
    "LBFGS": "training.lbfgs",
    "Layer": "networks.layer",
    "LayerNorm": "networks.layer_norm",
    "Network": "networks.network",
    "Log": "training.logs",
    "confusion_matrix": "networks.class_metrics",
    "huber": "networks.costs",
    **dict.fromkeys(("random_key", "random_split", "random_uniform"), "random"),
    **dict.fromkeys(("Checkpoint", "StopAfter"), "training.callbacks"),
    **dict.fromkeys(("AveragePool2D", "MaxPool2D"), "networks.pooling"),
    **dict.fromkeys(("Conv2D", "conv2d"), "networks.convolution"),
    **dict.fromkeys(("Flatten", "Reshape"), "networks.flatten"),
    **dict.fromkeys(("Adadelta", "Adagrad", "Lion"), "training.adaptive"),
    **dict.fromkeys(("Clipped", "MaxNorm"), "training.clipping"),
    **dict.fromkeys(("load_fit", "save_fit"), "training.checkpoint"),
    **dict.fromkeys(
        ("CosineDecay", "ExponentialDecay", "OneCycle", "Plateau", "StepDecay", "WarmUp"),
        "training.schedules",
    ),
    **dict.fromkeys(("Adam", "AdamW", "RMSprop", "SGD"), "training.optimizers"),
    **dict.fromkeys(
        (
            "elu", "erf", "erfc", "gelu", "leaky_relu", "log_sigmoid", "log_softmax", "logsumexp",
            "one_hot", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh",
        ),
        "functions",
    ),
}  # fmt: skip

__all__ = [
    "LBFGS",
    "SGD",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "AveragePool2D",
    "BatchNorm",
    "ChainruleError",
    "Checkpoint",
    "Circuit",
    "Clipped",
    "Conv2D",
    "CosineDecay",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "ExponentialDecay",
    "Flatten",
    "History",
    "Layer",
    "LayerNorm",
    "Lion",
    "Log",
    "MaxNorm",
    "MaxPool2D",
    "Network",
    "OneCycle",
    "Plateau",
    "RMSprop",
    "Reshape",
    "StepDecay",
    "StopAfter",
    "Variable",
    "WarmUp",
    "__version__",
    "check_gradients",
    "compile",
    "confusion_matrix",
    "conv2d",
    "elu",
    "erf",
    "erfc",
    "fit",
    "gelu",
    "grad",
    "hessian",
    "huber",
    "hvp",
    "jacobian",
    "jvp",
    "leaky_relu",
    "load_fit",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "random_key",
    "random_split",
    "random_uniform",
    "relu",
    "save_fit",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "trace",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> Any:
    if name == "Circuit":
        value = importlib.import_module(".face", __name__).TracedCircuit
    elif name in ("data", "nielsen", "sklearn"):  # rooms of their own: cr.data.mnist()
        value = importlib.import_module("." + name, __name__)
    elif name in _HOMES:
        value = getattr(importlib.import_module("." + _HOMES[name], __name__), name)
    else:
        from .errors import did_you_mean

        raise AttributeError(
            f"module 'chainrule' has no attribute {name!r}.{did_you_mean(name, __all__)}"
        )
    globals()[name] = value  # the next look-up is an ordinary one
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "data"])
