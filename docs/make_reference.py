"""Write docs/gates.md from the gate tables and docs/reference.md from the docstrings.

    python docs/make_reference.py          # writes both
    python docs/make_reference.py --check  # says whether they are current

Both are committed, so that they can be read on any forge; a test holds them current.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
import chainrule.nielsen.network2
import chainrule.sklearn
from chainrule import errors
from chainrule.debugging.step import Added, Step
from chainrule.debugging.steps import Steps
from chainrule.face import Wire
from chainrule.gates import TABLES, Gate, inputs_of, settings_of
from chainrule.networks.activations import ACTIVATIONS
from chainrule.networks.costs import COSTS
from chainrule.networks.initialisers import INITIALISERS
from chainrule.networks.layer import Layer
from chainrule.networks.metrics import METRICS
from chainrule.readings.entries import Entry, Ledger
from chainrule.readings.picture.picture import Picture
from chainrule.tracing.composed import COMPOSED
from chainrule.training.early_stopping import Best
from chainrule.training.result import FitResult, FitState

HERE = Path(__file__).parent

# ---------------------------------------------------------------------- gates.md

INTERNAL = {  # drawn by rules, in backward passes; nobody calls them by name
    "share", "softshare", "sech_squared", "bessel_ratio", "slope_if_reached", "scatter",
    "last_written", "add_along_axis", "place_diagonal", "cofactor", "share_of_max",
    "share_of_min",
}  # fmt: skip

GATES_HEAD = """\
# The gates

<!-- Written by docs/make_reference.py from the tables in src/chainrule/gates. -->

All that chainrule knows of a gate stands in one record of one table. This page is written from
those tables.

- **Gate** is NumPy's name, where NumPy has one. Those with `cr.` are ours.
- **Code** is what emitted modules say for it.
- **Why the gradient is what it is**: the record's own sentence. A gate with no gradient says why.
- **Domain** is an interval where the gate is real, and from which the tests draw; blank means any
  number.
- **Kinks** are the points where the slope jumps. There the gradient is a valid subgradient:
  half to each side at a tie of `maximum`, 0 for `relu` and `absolute` at 0.
- *Steep* means that the slope can be infinite at a finite input, or overflow.
"""


def gates_page() -> str:
    """Return docs/gates.md."""
    parts = [GATES_HEAD]
    for table, gates in TABLES.items():
        parts.append(f"## {table.replace('_', ' ').capitalize()}\n")
        parts.append("| Gate | Symbol | Code | Why the gradient is what it is | Domain | Kinks |")
        parts.append("|---|---|---|---|---|---|")
        parts += [_row(gate) for gate in gates if gate.name not in INTERNAL]
        parts.append("")
    parts.append("## NumPy functions made of these gates\n")
    names = sorted({_numpy_name(f) for f in COMPOSED} - _QUESTIONS)
    parts.append(", ".join(f"`{name}`" for name in names) + ".\n")
    parts.append("## Gates that only backward passes draw\n")
    parts.append("| Gate | Symbol | What it does |\n|---|---|---|")
    for gates in TABLES.values():
        for gate in gates:
            if gate.name in INTERNAL:
                said = re.sub(r"\{(\w+|\*)\}", _input_name(gate), gate.words)
                parts.append(f"| {gate.name} | {_cell(gate.symbol)} | {_cell(said)} |")
    return "\n".join(parts) + "\n"


# What COMPOSED answers about a traced value without drawing anything.
_QUESTIONS = {
    "np.shape", "np.ndim", "np.size", "np.iscomplexobj", "np.isrealobj", "np.result_type",
    "np.can_cast", "np.may_share_memory", "np.shares_memory", "np.array_repr", "np.array_str",
    "np.array2string", "np.allclose", "np.array_equal", "np.isclose", "np.nonzero",
}  # fmt: skip


def _numpy_name(function: Any) -> str:
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"


def _row(gate: Gate) -> str:
    code = _code(gate)
    own = {name for name in chainrule.__all__ if not hasattr(np, name)}
    cells = [
        f"`cr.{gate.name}`" if gate.name in own else f"`{gate.name}`",
        _cell(gate.symbol),
        f"`{_cell(code)}`",
        _cell(gate.why) + ("." if gate.has_gradient else ": *no gradient*."),
        _domain(gate),
        "; ".join(filter(None, [_kinks(gate), "*steep*" if gate.steep else ""])),
    ]
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _input_name(gate: Gate) -> Callable[[re.Match[str]], str]:
    names = [name.lstrip("*") for name in inputs_of(gate)]

    def name(match: re.Match[str]) -> str:
        key = match[1]
        if key == "out":
            return "the result"
        if key == "*":
            return ", ".join(names)
        return names[min(int(key), len(names) - 1)]

    return name


def _code(gate: Gate) -> str:
    """Return the code of a gate, on the settings of its first example."""
    settings = {k: v for k, v in settings_of(gate).items() if v is not inspect.Parameter.empty}
    if len(settings) < len(settings_of(gate)) and gate.examples:
        settings |= gate.examples[0].settings
    template = gate.expression(settings)
    return re.sub(r"\{(\w+|\*)\}", _input_name(gate), template)


def _domain(gate: Gate) -> str:
    said = []
    for name, (low, high) in zip(inputs_of(gate), gate.domain, strict=False):
        if (low, high) == (False, True) and isinstance(low, bool):
            said.append(f"{name} true or false")
        elif (low, high) != (-math.inf, math.inf) and gate.name != "clip":
            low_text = "" if low == -math.inf else f"{low:g} < "
            high_text = "" if high == math.inf else f" < {high:g}"
            said.append(f"{name} > {low:g}" if not high_text else f"{low_text}{name}{high_text}")
    return ", ".join(said)


def _kinks(gate: Gate) -> str:
    """Say where the slope jumps, by trying: the record's `kink` is 0 there."""
    if gate.kink is None:
        return ""
    if gate.vjp is not None or len(gate.domain) > 2:
        return "where a bound is met" if gate.name == "clip" else _STRUCTURAL.get(gate.name, "yes")

    def jumps(*at: float) -> bool:
        with np.errstate(all="ignore"):
            return bool(np.all(np.asarray(gate.kink(*at)) == 0))  # type: ignore[misc]

    if len(gate.domain) == 1:
        if jumps(0.5):
            return "halfway between whole numbers"
        if jumps(1.0):
            return "at whole numbers" + ("" if jumps(0.0) else " other than 0")
        return "at 0"
    if jumps(3.0, 1.5):
        return "where x / y is whole"
    if jumps(1.5, 1.5):
        return "where x = y"
    return "at x = 0" if jumps(0.0, 1.0) else "where all are 0"


_STRUCTURAL = {
    "max": "at ties",
    "min": "at ties",
    "sort": "at ties",
    "std": "where all are equal",
    "norm": "where all are 0",
}

# ---------------------------------------------------------------------- reference.md

REFERENCE_HEAD = """\
# Reference

<!-- Written by docs/make_reference.py from the docstrings. -->

The public names, by `import chainrule as cr`. The [gates](gates.md) have a page of their own, and
so have the [limits](limits.md). The examples are those of the docstrings and leave out the `cr.`
and `cr.data.`:

```python
import numpy as np
from chainrule import *
from chainrule.data import *
```
"""

SECTIONS: dict[str, tuple[str, ...]] = {
    "Circuits": ("trace", "Circuit"),
    "Gradients of functions": (
        "grad", "value_and_grad", "vjp", "jvp", "jacobian", "hessian", "hvp",
    ),
    "Define by run": ("Variable",),
    "Networks": (
        "Network", "Layer", "Dense", "Activation", "Dropout", "BatchNorm", "LayerNorm", "Flatten",
        "Reshape", "Conv2D", "MaxPool2D", "AveragePool2D", "Embedding", "huber",
        "confusion_matrix",
    ),
    "Training anything": (
        "fit", "FitResult", "FitState", "Best", "EarlyStopping", "History", "Log", "Checkpoint",
        "StopAfter", "save_fit", "load_fit",
    ),
    "Optimizers": (
        "SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Lion", "LBFGS", "Clipped",
        "MaxNorm",
    ),
    "Learning rates that change": (
        "StepDecay", "ExponentialDecay", "CosineDecay", "OneCycle", "WarmUp", "Plateau",
    ),
    "Random numbers in compiled functions": ("random_key", "random_split", "random_uniform"),
    "scikit-learn": ("sklearn.BackpropClassifier", "sklearn.BackpropRegressor"),
    "Data": (
        "data.mnist", "data.fashion_mnist", "data.ImageSet", "data.LabelledImages",
        "data.load_digits", "data.Digits", "data.moons", "data.circles", "data.spirals",
        "data.xor", "data.read_csv", "data.read_npz", "data.read_npz_parts", "data.Table",
        "data.read_idx", "data.convert", "data.prefetch",
    ),
    "Nielsen's networks": (
        "nielsen.network.Network", "nielsen.network2.Network", "nielsen.network2.load",
    ),
    "What circuits give": (
        "Wire", "Picture", "Steps", "Step", "Added", "Ledger", "Entry",
    ),
    "Running": ("compile",),
    "Checking": ("check_gradients",),
}  # fmt: skip
"""The names that stand in a section of their own; all others of `chainrule` are functions."""

GIVEN = {
    thing.__name__: thing
    for thing in (Wire, Picture, Steps, Step, Added, Ledger, Entry, FitResult, FitState, Best)
}
"""Classes that nobody makes by hand: methods of a circuit return them, or `fit`."""

FOR_READINGS = {
    "gradient_of", "label", "row", "wire", "called", "gradient_text", "page", "scene", "scenes",
    "told",
}  # fmt: skip
"""Members for other parts of the package, most of which speak in numbers of rows."""


def reference_page() -> str:
    """Return docs/reference.md."""
    parts = [REFERENCE_HEAD]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            if name in GIVEN:
                parts += _entry(name, GIVEN[name], made_by_hand=False)
            else:
                parts += _entry(f"cr.{name}", attrgetter(name)(chainrule))
        if title == "Networks":
            parts += _names()
    listed = {name for names in SECTIONS.values() for name in names}
    rest = [n for n in chainrule.__all__ if n not in listed and not n.startswith("__")]
    parts.append("## Functions that NumPy lacks\n")
    parts.append("Each draws one gate on traced values and computes on plain ones.\n")
    parts.append("| Function | What it gives |\n|---|---|")
    for name in rest:
        thing = getattr(chainrule, name)
        if not inspect.isclass(thing):
            summary = _cell(_first_sentence(thing))
            parts.append(f"| `cr.{name}{_signature(thing)}` | {summary} |")
    parts.append("\n## Errors\n")
    parts.append(
        "Every error that chainrule raises on purpose is a `cr.ChainruleError`, and also the\n"
        "builtin that a caller would catch. They live in `chainrule.errors`.\n"
    )
    parts.append("| Error | Also a | Raised for |\n|---|---|---|")
    for thing in vars(errors).values():
        if inspect.isclass(thing) and thing.__module__ == errors.__name__:
            also = [c.__name__ for c in thing.__bases__ if c.__module__ == "builtins"]
            builtin = ", ".join(f"`{name}`" for name in also if name != "Exception")
            parts.append(f"| `{thing.__name__}` | {builtin} | {_first_sentence(thing)} |")
    return "\n".join(parts) + "\n"


def _names() -> Iterator[str]:
    """Yield the names that layers, costs and metrics go by."""
    for title, said, table in (
        ("Costs", "`cost=` of a network", {k: cost.each for k, cost in COSTS.items()}),
        ("Activations", "`activation=` of a layer", ACTIVATIONS),
        ("Initialisers", "`weights=` and `biases=` of a layer", INITIALISERS),
        (
            "Metrics",
            "`metrics=` of `fit` and `evaluate`",
            {k: m.function for k, m in METRICS.items()},
        ),
    ):
        yield f"### {title}, by name\n"
        yield f"What {said} may be.\n"
        yield "| Name | What it gives |\n|---|---|"
        for name, function in table.items():
            said = _SAID.get(name) or _first_sentence(getattr(function, "func", function))
            yield f"| `{name}` | {_cell(said)} |"
        yield ""


_SAID = {
    "huber": "Return the cost that is quadratic near the target and grows as a line beyond 1.",
    "binary_cross_entropy": "Return -y log s(z) - (1 - y) log(1 - s(z)), summed, from logits z.",
    "cross_entropy": "Return the same with a sigmoid for each class, of which one is wanted.",
}


def _first_sentence(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _signature(thing: Any) -> str:
    """Return the signature as its source has it, without annotations."""
    signature = inspect.signature(thing)
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    empty = inspect.Signature.empty
    return str(signature.replace(parameters=parameters, return_annotation=empty))


def _entry(name: str, thing: Any, *, made_by_hand: bool = True) -> Iterator[str]:
    """Yield the lines of one public name: signature and docstring, and its members' if a class."""
    if not inspect.isclass(thing):
        yield f"### `{name}{_signature(thing)}`\n"
        yield _as_markdown(inspect.getdoc(thing) or "")
        return
    yield f"### `{name}`\n"
    doc = inspect.getdoc(thing) or ""
    if not made_by_hand:
        doc = re.sub(r"Parameters\n-+\n(?:\S.*\n?|[ ]+.*\n?)*\n*", "", doc)
    yield _as_markdown(doc)
    for member in _members(thing):
        found = inspect.getattr_static(thing, member)
        is_function = inspect.isfunction(found)
        yield f"#### `.{member}{_signature(found) if is_function else ''}`\n"
        yield _as_markdown(inspect.getdoc(found) or "")


def _members(thing: type) -> list[str]:
    """Return the public members that the class defines, in the order of its source.

    So do its bases in the same package: a class may be cut into files.
    """
    if issubclass(thing, Layer) and thing is not Layer:
        return []  # what every layer has is said once
    package = thing.__module__.rpartition(".")[0]
    cuts = [c for c in reversed(thing.__mro__) if c.__module__.rpartition(".")[0] == package]
    names = dict.fromkeys(name for cut in cuts for name in vars(cut))
    fields = getattr(thing, "__dataclass_fields__", ())  # listed as attributes
    return [
        name
        for name in names
        if not name.startswith("_")
        and name not in FOR_READINGS
        and not name.endswith("_request")  # scikit-learn's own, the same in all estimators
        and name not in fields
        and inspect.getdoc(inspect.getattr_static(thing, name))
    ]


LISTS = ("Parameters", "Returns", "Raises", "Warns", "Attributes", "Yields")


def _as_markdown(docstring: str) -> str:
    """Return a numpydoc docstring as Markdown: sections in bold, parameters as a list."""
    heading = re.compile(r"^(\w+)\n-{3,}\n", re.MULTILINE)
    parts = heading.split(docstring.replace("TracedCircuit", "Circuit").replace("::\n", ":\n"))
    out = [parts[0].strip()]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        out.append(f"**{title}**")
        if title in LISTS:
            out.append("\n".join(_items(body)))
        elif title == "Examples":
            out += _examples(body)
        else:
            out.append(body.strip())
    return "\n\n".join(out) + "\n"


def _items(body: str) -> Iterator[str]:
    """Yield a list item for each entry of a numpydoc list, indented lines and all."""
    for entry in re.split(r"\n(?=\S)", body.strip()):
        head, _, text = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        said = inspect.cleandoc(text).replace("\n", "\n  ")
        yield f"- `{names}`" + (f" ({kind})" if kind else "") + (f": {said}" if said else "")


def _examples(body: str) -> Iterator[str]:
    """Yield the sessions in fences and the words between them as they are."""
    for part in re.split(r"\n\n+", body.strip()):
        yield f"```python\n{part}\n```" if part.startswith(">>>") else part


PAGES: dict[str, Callable[[], str]] = {"gates.md": gates_page, "reference.md": reference_page}


def main(check: bool) -> int:
    """Write the pages, or with `check` say which are not current; return the exit code."""
    stale = []
    for name, page in PAGES.items():
        file, text = HERE / name, page()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                file.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"not current: {', '.join(stale)}; run python docs/make_reference.py")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
