"""Run the code blocks of pages and write what they print below them.

    python docs/refresh.py README.md docs/tutorial.md

For writers: the tests only compare. Look at the difference before you commit it. Filled are
```` ```text ```` blocks behind Python, results in `>>>` sessions, and what stands below a command:
write `?` for a start. Blocks with a line of output that ends in `...` are left as they are.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.docs.pages import BLOCK, in_folder, run_command, run_python  # noqa: E402

_ELIDED = re.compile(r"\.\.\.$", re.MULTILINE)


def refreshed(text: str, folder: Path) -> str:
    """Return the text of a page with its outputs written anew."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    blocks = list(BLOCK.finditer(text))
    out, end = [], 0
    for k, block in enumerate(blocks):
        language, body = block["language"], block["text"]
        new = body
        with in_folder(folder):
            if language == "console":
                new = _console(body)
            elif language == "python" and body.startswith(">>> "):
                new = _session(body, namespace)
            elif language == "python":
                printed = run_python(body, namespace, folder)
                following = blocks[k + 1] if k + 1 < len(blocks) else None
                if (
                    following is not None
                    and following["language"] == "text"
                    and not text[block.end() : following.start()].strip()
                    and not _ELIDED.search(following["text"])
                ):
                    out += [text[end : following.start("text")], _trimmed(printed)]
                    end = following.end("text")
        if new != body:
            out += [text[end : block.start("text")], new]
            end = block.end("text")
    return "".join([*out, text[end:]])


def _trimmed(printed: str) -> str:
    lines = [line.rstrip() for line in printed.strip("\n").split("\n")]
    return "\n".join(lines) + "\n"


def _console(body: str) -> str:
    parts = re.split(r"^(?=\$ )", body, flags=re.MULTILINE)
    done = []
    for part in parts:
        command = re.match(r"\$ (?:.*\\\n)*.*\n", part)
        if command is None or not part.startswith("$ chainrule") or _ELIDED.search(part):
            done.append(part)
            continue
        asked = bool(part[command.end() :].strip())
        joined = re.sub(r"\\\n>?\s*", "", command[0][2:]).strip()
        printed, _ = run_command(joined)
        done.append(command[0] + (_trimmed(printed) if printed and asked else ""))
    return "".join(done)


def _session(body: str, namespace: dict[str, Any]) -> str:
    done = []
    for part in doctest.DocTestParser().parse(body):
        if not isinstance(part, doctest.Example):
            done.append(part)
            continue
        lines = part.source.rstrip("\n").split("\n")
        done.append(">>> " + "\n... ".join(lines) + "\n")
        if _ELIDED.search(part.want):
            exec(compile(part.source, "<session>", "single"), namespace)
            done.append(part.want)
            continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            try:
                exec(compile(part.source, "<session>", "single"), namespace)
            except Exception:
                print(traceback.format_exc())
        done.append(printed.getvalue())
    return "".join(done)


def main() -> None:
    """Refresh the pages named on the command line."""
    os.environ["NO_COLOR"] = "1"
    for name in sys.argv[1:]:
        path = Path(name).resolve()
        before = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            after = refreshed(before, Path(folder).resolve())
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"refreshed {name}")


if __name__ == "__main__":
    main()
