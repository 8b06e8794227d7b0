"""The HTML picture: one file that steps through both passes and works with no network.

The still picture, the data of the steps and the circuit as JavaScript go into one page with its
style and script; `html/` holds these as plain files, with no build step. The page may run only what
stands in it: its Content-Security-Policy names the hash of each block, and nothing can be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import Any

from ..circuit.circuit import Circuit
from .html_data import page_data
from .notation import DZ, Notation
from .numbers import plain

# In this order: each may use what those before it define.
_SCRIPTS = (
    "arithmetic.js",
    "numbers.js",
    "steps.js",
    "picture.js",
    "told.js",
    "inputs.js",
    "page.js",
)
_STYLE = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)
_PROLOGUE = re.compile(r"^\s*(?:<\?xml[^>]*\?>)?\s*(?:<!DOCTYPE[^>]*>)?\s*", re.IGNORECASE)


def html_page(
    circuit: Circuit, gradients: Sequence[Any], picture: Any, notation: Notation = DZ
) -> str:
    """Return the page of a circuit at its point.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none.
    picture : Picture or str
        The still picture, or its SVG: groups of class box and wire whose `data-row` is the
        circuit's row, with texts of class value and gradient. Its colours are the page's, which
        follow the reader's choice of light or dark.
    notation : Notation
        How gradients are called.

    Returns
    -------
    str
        A whole HTML document.
    """
    svg = _PROLOGUE.sub("", picture if isinstance(picture, str) else picture.svg)
    svg = _STYLE.sub("", svg)
    data, source = page_data(circuit, gradients, notation)
    style = _part("page.css")
    script = "\n".join(['"use strict";', source, *map(_part, _SCRIPTS)])
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    title = plain(data["title"], 80)
    return Template(_part("page.html")).substitute(
        policy=html.escape(policy),
        title=html.escape(title),
        style=style,
        picture=svg,
        data=_json(data),
        script=script,
    )


def _part(name: str) -> str:
    return resources.files(__package__).joinpath("html", name).read_text("utf-8")


def _hash(block: str) -> str:
    digest = hashlib.sha256(block.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
