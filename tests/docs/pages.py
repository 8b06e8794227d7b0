"""The code blocks of a Markdown page as tests.

What a page says is run, from top to bottom, in one namespace and one empty folder:

- ```` ```python ```` blocks are executed; those with `>>>` are doctests. A block that starts with
  the comment `# name.py` is saved under that name too, for the commands and imports that follow.
- A ```` ```text ```` block that follows a Python block, with no words between, is its output;
  `...` stands for anything.
- In ```` ```console ```` blocks the lines `$ chainrule ...` are run, and what stands below each is
  its output; with nothing below, it must only succeed. Other commands are for the reader.

To show code that is not to be run, give its block another language, such as `pycon` or `toml`.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import linecache
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli.main import main

FLAGS = doctest.ELLIPSIS
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<name>\w+\.py)\n")
_OTHERS = {"eval", "git", "make", "pip", "pytest", "python"}


class Page(pytest.File):
    """A Markdown page."""

    def collect(self) -> Iterator[pytest.Item]:
        text = self.path.read_text(encoding="utf-8")
        blocks = list(BLOCK.finditer(text))
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        for k, block in enumerate(blocks):
            if block["language"] not in ("python", "console"):
                continue
            output = output_of(text, blocks, k)
            line = text.count("\n", 0, block.start()) + 1
            yield Block.from_parent(
                self,
                name=f"line {line}",
                line=line,
                language=block["language"],
                text=block["text"],
                output=output,
            )

    def setup(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="chainrule-")
        self.folder = Path(self._folder.name).resolve()

    def teardown(self) -> None:
        self._folder.cleanup()


class Block(pytest.Item):
    """One block of a page, to be run after those above it."""

    def __init__(
        self, *, line: int, language: str, text: str, output: str | None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.line = line
        self.language = language
        self.text = text
        self.output = output

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line, f"{self.path.name}:{self.line}"

    def runtest(self) -> None:
        page = self.parent
        assert isinstance(page, Page)
        with in_folder(page.folder):
            if self.language == "console":
                for command, expected in commands(self.text):
                    printed, code = run_command(command)
                    if expected.strip():
                        compare(printed, expected)
                    elif code:
                        raise AssertionError(f"$ {command}\nended with {code}:\n{printed}")
            elif self.text.startswith(">>> "):
                run_session(self.text, page.namespace, self.name)
            else:
                printed = run_python(self.text, page.namespace, page.folder)
                compare(printed, self.output or "")

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if isinstance(excinfo.value, AssertionError):
            return f"{self.path.name}:{self.line}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)


def output_of(text: str, blocks: list[re.Match[str]], k: int) -> str | None:
    """Return what the page says that block k prints, if a block with that follows at once."""
    if k + 1 == len(blocks) or blocks[k + 1]["language"] != "text":
        return None
    between = text[blocks[k].end() : blocks[k + 1].start()]
    return None if between.strip() else blocks[k + 1]["text"]


def compare(got: str, expected: str) -> None:
    """Hold what was printed against the page, blanks at the ends of lines aside."""
    got, expected = (
        "\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n"
        for text in (got, expected)
    )
    checker = doctest.OutputChecker()
    if not checker.check_output(expected, got, FLAGS):
        raise AssertionError(f"the page says\n{expected}\nbut it was\n{got}")


def run_session(text: str, namespace: dict[str, Any], name: str) -> None:
    """Run a `>>>` session."""
    test = doctest.DocTestParser().get_doctest(text, namespace, name, name, 0)
    test.globs = namespace  # get_doctest copied it: what a session binds stays bound
    said: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
    if said:
        raise AssertionError("".join(said))


def run_python(text: str, namespace: dict[str, Any], folder: Path) -> str:
    """Run a block as a file and return what it printed."""
    named = _FILE.match(text)
    name = named["name"] if named else "example.py"
    if named:
        (folder / name).write_text(text, encoding="utf-8")
    # Messages show the user's line: without a file it is found here.
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, name, "exec"), namespace)
    return printed.getvalue()


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield (command, what the page says it prints) for the chainrule commands of a block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = command[:-1] + more.removeprefix(">").lstrip()
        program = shlex.split(command, comments=True)[0]
        if program == "chainrule":
            yield command, output
        elif program not in _OTHERS:
            raise AssertionError(f"{program} is no command that this page can run or leave")


def run_command(command: str) -> tuple[str, int]:
    """Run `chainrule ...`, with `> file` at its end if need be; return its output and exit code."""
    words = shlex.split(command, comments=True)[1:]
    target = None
    if len(words) > 1 and words[-2] == ">":
        target, words = words[-1], words[:-2]
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(io.StringIO() if target else printed),
    ):
        code = main(words)
    if target is not None:
        Path(target).write_text(printed.getvalue(), encoding="utf-8")
        return "", code
    return printed.getvalue(), code


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Work in a folder, where imports look first; forget what was imported from there."""
    before, path, modules = Path.cwd(), sys.path[:], set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == folder:
                del sys.modules[name]
