"""What a command works on: a formula, or a function in the user's own file, and its values.

`FILE.py:FUNCTION` imports that file by its path, as Python would run it from its own folder: the
file is the user's program and is executed. A formula is only ever read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from ..errors import did_you_mean
from . import values as values_of
from .failure import Failed, Refused

if TYPE_CHECKING:
    from ..face import TracedCircuit

MOST_CHARACTERS = 1_000_000  # of a formula on stdin; the parser's own limit is far below

_FUNCTION_IN_FILE = re.compile(r"(?P<file>.+\.py)(:(?P<function>[^:]*))?")


@dataclass(frozen=True)
class Target:
    """A formula or function that has been found.

    Parameters
    ----------
    text : str
        What the user typed.
    function : callable or str
        What `chainrule.trace` takes.
    kinds : mapping of str to object
        The annotation of each name that may have a value; None where there is none.
    required : tuple of str
        The names that must have one.
    takes_any : bool
        Whether other names may have values too (`**keywords`).
    """

    text: str
    function: Callable[..., Any] | str
    kinds: Mapping[str, Any]
    required: tuple[str, ...]
    takes_any: bool = False

    def trace(self, texts: Mapping[str, str]) -> TracedCircuit:
        """Return the circuit at a point given as texts by name.

        Raises
        ------
        Refused
            If a value is missing, has no argument, or cannot be read.
        """
        from ..circuit.tree import flatten
        from ..face import trace
        from ..tracing.record import is_traceable

        for name in texts:
            if name not in self.kinds and not self.takes_any:
                known = ", ".join(self.kinds) or "no values"
                near = did_you_mean(name, self.kinds)
                raise Refused(f"{self.text} takes no {name!r}; it takes {known}.{near}")
        missing = [name for name in self.required if name not in texts]
        if missing:
            raise Refused(self._missing(missing, texts))
        point = {k: values_of.read(k, text, self.kinds.get(k)) for k, text in texts.items()}
        if isinstance(self.function, str):
            return trace(self.function, **point)
        parameters = inspect.signature(self.function).parameters
        for name, parameter in parameters.items():
            # A default with floats in it is an input like any other: weights, data.
            if name not in point and any(map(is_traceable, flatten(parameter.default)[0])):
                point[name] = parameter.default
        positional = []
        for name, parameter in parameters.items():
            if name not in point or parameter.kind is parameter.KEYWORD_ONLY:
                break  # what follows an argument left to its default goes by name
            positional.append(point.pop(name))
        with _prints_to_stderr():
            return trace(self.function, *positional, **point)

    def _missing(self, missing: list[str], texts: Mapping[str, str]) -> str:
        context = click.get_current_context(silent=True)
        path = context.command_path if context else "chainrule show"
        given = [f"{name}={text}" for name, text in texts.items()]
        # Different numbers, so that no gradient is hidden by a tie.
        tried = [f"{name}={k + 1}" for k, name in enumerate(missing)]
        command = f"{path} {shlex.join([self.text, *given, *tried])}"
        noun = "a value" if len(missing) == 1 else "values"
        names = " and ".join([", ".join(missing[:-1]), missing[-1]][len(missing) == 1 :])
        return f"{self.text} needs {noun} for {names}. Try:\n  {command}"


class opened:  # noqa: N801 (reads as a statement: with opened(text) as target: ...)
    """Find a target; while the block runs, its file's folder is where imports look first.

    Parameters
    ----------
    text : str
        A formula, `-` for a formula on stdin, or `FILE.py:FUNCTION`.

    Raises
    ------
    Refused
        If there is no such file or function.
    FormulaError
        If a formula is not plain arithmetic.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.path = sys.path[:]

    def __enter__(self) -> Target:
        match = _FUNCTION_IN_FILE.fullmatch(self.text)
        if match is None:
            return _formula(self.text)
        file = Path(match["file"])
        if not file.is_file():
            near = did_you_mean(file.name, [p.name for p in file.parent.glob("*.py")])
            raise Refused(f"there is no file {str(file)!r}.{near}")
        sys.path.insert(0, str(file.parent.resolve()))
        try:
            return _function(self.text, file, match["function"])
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        sys.path[:] = self.path


def _formula(text: str) -> Target:
    from ..tracing.formula import parse

    if text == "-":
        text = sys.stdin.read(MOST_CHARACTERS).strip()
    formula = parse(text)
    kinds = dict.fromkeys(formula.loads)  # constants such as e may be given values too
    return Target(text, text, kinds, formula.names)


def _function(text: str, path: Path, name: str | None) -> Target:
    module = _imported(path)
    functions = {
        key: value
        for key, value in vars(module).items()
        if inspect.isroutine(value) and not key.startswith("_")
    }
    own = [k for k, f in functions.items() if getattr(f, "__module__", "") == module.__name__]
    there_are = f"It has {', '.join(own)}." if own else "It defines no functions."
    if not name:
        example = f" Write {path}:{own[0]}." if own else ""
        raise Refused(f"which function of {path}? {there_are}{example}")
    if not hasattr(module, name):
        raise Refused(f"{path} has no {name!r}.{did_you_mean(name, own)} {there_are}")
    function = getattr(module, name)
    if not callable(function) or inspect.isclass(function):
        what = type(function).__name__
        raise Refused(f"{name!r} in {path} is a {what}, not a function. {there_are}")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise Refused(f"{name!r} in {path} does not tell its arguments.") from None
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    fixed = [p for p in parameters if p.kind not in variable]
    empty = inspect.Parameter.empty
    return Target(
        text=text,
        function=function,
        kinds={p.name: None if p.annotation is empty else p.annotation for p in fixed},
        required=tuple(p.name for p in fixed if p.default is empty),
        takes_any=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters),
    )


def _imported(path: Path) -> ModuleType:
    """Return the user's file as a module, run once, under its own name where that is free."""
    name = path.stem if path.stem not in sys.modules else f"{path.stem} (yours)"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a module up by its name
    try:
        with _prints_to_stderr():
            spec.loader.exec_module(module)
    except SystemExit:
        del sys.modules[name]
        raise Failed(f"{path.name} ends the program while it is imported.") from None
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _prints_to_stderr() -> contextlib.redirect_stdout[Any]:
    """Send what the user's own code prints to stderr: stdout is for data alone."""
    return contextlib.redirect_stdout(sys.stderr)
