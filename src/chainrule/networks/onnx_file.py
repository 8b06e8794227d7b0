"""Networks as ONNX files, which other runtimes evaluate: one translation for each kind of layer.

A translation takes the writer, the layer, its parameters, what it carries and the name of what
comes in, and returns the name of what goes out. To add a layer: a function and its line in
`_TRANSLATIONS`; an activation: a line in `_ACTIVATIONS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.whole_file import whole_file
from ..errors import DtypeError, MissingExtraError, ShapeError
from ..tracing.sites import here
from .activation import Activation
from .activations import ACTIVATIONS
from .batch_norm import BatchNorm
from .convolution import Conv2D
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .flatten import Flatten, Reshape
from .forward import shape_through
from .layer import Arrays, Layer, Shape
from .layer_norm import LayerNorm
from .pooling import AveragePool2D, MaxPool2D

if TYPE_CHECKING:
    from .network import Network

OPSET = 20  # the first with Gelu
IR_VERSION = 9
# What onnxruntime (1.32) has for float32 alone: it would not open such a file.
_ONLY_FLOAT32 = {
    "AveragePool", "Conv", "Elu", "LeakyRelu", "Mish", "Selu", "Softplus", "Softsign",
}  # fmt: skip


def export(net: Network, path: Any, shape: Shape | None = None) -> None:
    """Write a network to an ONNX file, whole or not at all.

    Parameters
    ----------
    net : Network
        Its outputs are those of `net.outputs`, as it answers when it is not trained.
    path : str or path
        The file; by custom it ends in `.onnx`.
    shape : tuple of int, optional
        Of one example. None: what a first dense layer takes.

    Raises
    ------
    MissingExtraError
        If the package onnx is not installed.
    TypeError
        If a layer or an activation is of the user's own making.
    DtypeError
        If the network is of float64 and has what onnxruntime computes in float32 only.
    ShapeError
        If the layers cannot take examples of this shape, or none is given and none is known.
    """
    try:
        import onnx  # 0.3 s, and in an extra
    except ImportError:
        raise MissingExtraError(
            f"{here()}writing ONNX files needs the package onnx: pip install 'chainrule[onnx]'"
        ) from None
    first = net.layers[0]
    if shape is None:
        if not isinstance(first, Dense):
            raise ShapeError(
                f"{here()}say the shape of one example, such as shape=(1, 28, 28): "
                f"{first!r} alone does not tell it."
            )
        shape = (first.n_in,)
    made = shape_through(net.layers, tuple(shape))
    kind = onnx.TensorProto.FLOAT if net.dtype == np.float32 else onnx.TensorProto.DOUBLE
    into = onnx.TensorProto.INT64 if net.reads.kind == "i" else kind
    writer = _Writer(onnx, net.dtype == np.float64)
    name = "inputs"
    for layer, p, carried in zip(net.layers, net.parameters, net.carried, strict=True):
        translate = _TRANSLATIONS.get(type(layer))
        if translate is None:
            raise TypeError(
                f"{here()}{type(layer).__name__} is a layer of your own, which ONNX has no word "
                "for: use the layers of chainrule."
            )
        name = translate(writer, layer, p, carried, name)
    writer.node("Identity", [name], output="outputs")
    helper = onnx.helper
    graph = helper.make_graph(
        writer.nodes,
        "network",
        [helper.make_tensor_value_info("inputs", into, ["batch", *shape])],
        [helper.make_tensor_value_info("outputs", kind, ["batch", *made])],
        writer.tensors,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="chainrule",
    )
    onnx.checker.check_model(model, full_check=True)
    with whole_file(path) as file:
        file.write(model.SerializeToString())


class _Writer:
    """The nodes and tensors of a file, with names that come once."""

    def __init__(self, onnx: Any, is_float64: bool) -> None:
        self._onnx, self._is_float64 = onnx, is_float64
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def tensor(self, array: Any, name: str) -> str:
        """Add an array and return its name."""
        name = f"{name}_{len(self.tensors)}"
        array = np.ascontiguousarray(array)
        self.tensors.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: list[str], *, output: str = "", **settings: Any) -> str:
        """Add a node and return the name of what it gives."""
        is_erf = kind == "Gelu" and "approximate" not in settings
        if self._is_float64 and (kind in _ONLY_FLOAT32 or is_erf):
            raise DtypeError(
                f"{here()}onnxruntime computes {kind} in float32 only, and this network is of "
                "float64. Make it again with dtype='float32', which is the default, and train it, "
                "or give it these parameters and carried arrays by .astype('float32')."
            )
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [output], **settings))
        return output


Translation = Callable[[_Writer, Any, Arrays, Arrays, str], str]


# ---------------------------------------------------------------------- layers


def _dense(w: _Writer, layer: Dense, p: Arrays, carried: Arrays, x: str) -> str:
    x = w.node("MatMul", [x, w.tensor(p["weights"], "weights")])
    if layer.biases is not None:
        x = w.node("Add", [x, w.tensor(p["biases"], "biases")])
    return _activated(w, layer.activation, x)


def _activation(w: _Writer, layer: Activation, p: Arrays, carried: Arrays, x: str) -> str:
    return _activated(w, layer.activation, x)


def _passes(w: _Writer, layer: Layer, p: Arrays, carried: Arrays, x: str) -> str:
    return x


def _batch_norm(w: _Writer, layer: BatchNorm, p: Arrays, carried: Arrays, x: str) -> str:
    inputs = [
        w.tensor(p["scale"], "scale"),
        w.tensor(p["shift"], "shift"),
        w.tensor(carried["mean"], "mean"),
        w.tensor(carried["variance"], "variance"),
    ]
    return w.node("BatchNormalization", [x, *inputs], epsilon=layer.epsilon)


def _layer_norm(w: _Writer, layer: LayerNorm, p: Arrays, carried: Arrays, x: str) -> str:
    inputs = [x, w.tensor(p["scale"], "scale"), w.tensor(p["shift"], "shift")]
    return w.node("LayerNormalization", inputs, axis=-1, epsilon=layer.epsilon)


def _flatten(w: _Writer, layer: Flatten, p: Arrays, carried: Arrays, x: str) -> str:
    return w.node("Flatten", [x], axis=1)


def _reshape(w: _Writer, layer: Reshape, p: Arrays, carried: Arrays, x: str) -> str:
    # 0 keeps the axis of the batch; one -1 is allowed beside it.
    return w.node("Reshape", [x, w.tensor(np.array([0, *layer.shape], np.int64), "shape")])


def _embedding(w: _Writer, layer: Embedding, p: Arrays, carried: Arrays, x: str) -> str:
    return w.node("Gather", [w.tensor(p["vectors"], "vectors"), x], axis=0)


def _convolution(w: _Writer, layer: Conv2D, p: Arrays, carried: Arrays, x: str) -> str:
    inputs = [x, w.tensor(p["weights"], "weights")]
    if "biases" in p:
        inputs.append(w.tensor(p["biases"], "biases"))
    (top, bottom), (left, right) = layer.pads
    x = w.node("Conv", inputs, strides=list(layer.strides), pads=[top, left, bottom, right])
    return _activated(w, layer.activation, x)


def _pooling(kind: str) -> Translation:
    def translate(w: _Writer, layer: Any, p: Arrays, carried: Arrays, x: str) -> str:
        return w.node(kind, [x], kernel_shape=list(layer.size), strides=list(layer.stride))

    return translate


_TRANSLATIONS: dict[type[Layer], Translation] = {
    Activation: _activation,
    AveragePool2D: _pooling("AveragePool"),
    BatchNorm: _batch_norm,
    Conv2D: _convolution,
    Dense: _dense,
    Dropout: _passes,
    Embedding: _embedding,
    Flatten: _flatten,
    LayerNorm: _layer_norm,
    MaxPool2D: _pooling("MaxPool"),
    Reshape: _reshape,
}


# ---------------------------------------------------------------------- activations


def _activated(w: _Writer, activation: Any, x: str) -> str:
    if activation is None:
        return x
    settings = {}
    if isinstance(activation, dict):
        settings = {key: value for key, value in activation.items() if key != "name"}
        activation = activation["name"]
    if activation not in _ACTIVATIONS:
        name = getattr(activation, "__name__", repr(activation))
        raise TypeError(
            f"{here()}ONNX has no word for the activation {name}. It has those of "
            f"{', '.join(_ACTIVATIONS)}."
        )
    for key, one in inspect.signature(ACTIVATIONS[activation]).parameters.items():
        if one.default is not one.empty:
            settings.setdefault(key, one.default)
    return _ACTIVATIONS[activation](w, x, settings)


def _is(kind: str, **settings: Any) -> Callable[[_Writer, str, dict[str, Any]], str]:
    return lambda w, x, own: w.node(kind, [x], **settings)


def _silu(w: _Writer, x: str, own: dict[str, Any]) -> str:
    return w.node("Mul", [x, w.node("Sigmoid", [x])])


def _log_sigmoid(w: _Writer, x: str, own: dict[str, Any]) -> str:
    return w.node("Neg", [w.node("Softplus", [w.node("Neg", [x])])])


_ACTIVATIONS: dict[str, Callable[[_Writer, str, dict[str, Any]], str]] = {
    "identity": _is("Identity"),
    "sigmoid": _is("Sigmoid"),
    "tanh": _is("Tanh"),
    "relu": _is("Relu"),
    "leaky_relu": lambda w, x, own: w.node("LeakyRelu", [x], alpha=own["negative_slope"]),
    "elu": lambda w, x, own: w.node("Elu", [x], alpha=own["alpha"]),
    "selu": _is("Selu"),
    "gelu": _is("Gelu"),
    "gelu_tanh": _is("Gelu", approximate="tanh"),
    "silu": _silu,
    "mish": _is("Mish"),
    "softplus": _is("Softplus"),
    "softsign": _is("Softsign"),
    "log_sigmoid": _log_sigmoid,
    "softmax": _is("Softmax", axis=-1),
    "log_softmax": _is("LogSoftmax", axis=-1),
}
