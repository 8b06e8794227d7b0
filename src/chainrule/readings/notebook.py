"""What a notebook is given to show: the picture, the LaTeX, the text.

No script is needed. JupyterLab and the classic notebook prefer LaTeX to SVG, so the picture goes as
HTML too: an image that holds the SVG, which an untrusted notebook shows as well, and whose ids and
style cannot meet those of another picture on the page.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Collection, Mapping

from .numbers import plain


def bundle(
    kinds: Mapping[str, Callable[[], str]],
    include: Collection[str] | None = None,
    exclude: Collection[str] | None = None,
) -> dict[str, str]:
    """Return the kinds that a notebook wants, and write no others.

    Parameters
    ----------
    kinds : dict of str to callable
        What writes each kind, by its MIME type.
    include, exclude : collection of str, optional
        As IPython passes them.

    Examples
    --------
    >>> bundle({"text/plain": lambda: "x", "text/latex": lambda: "$x$"}, exclude={"text/latex"})
    {'text/plain': 'x'}
    """
    return {
        kind: write()
        for kind, write in kinds.items()
        if (not include or kind in include) and kind not in (exclude or ())
    }


def image(svg: str, told: str) -> str:
    """Return an SVG as an image in HTML, with its text alternative."""
    data = base64.b64encode(svg.encode()).decode()
    alternative = html.escape(plain(told, 1000), quote=True)
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img alt="{alternative}" style="max-width: 100%" src="{source}">'
