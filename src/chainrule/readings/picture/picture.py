"""What users hold: a picture of a circuit, to look at and to save."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import MissingExtraError
from ...tracing.sites import here
from ..notation import notation_of
from .bands import bands
from .graph import Graph, graph
from .scene import Scene, scene
from .svg import svg
from .text import Page, text
from .themes import theme as theme_of

_MOST_IN_TEXT = 60  # gates: more are grouped, as a terminal has no room for them
_PAGE = 1400.0  # pixels
_LOW, _LOWEST = 7.0, 500.0  # times as long as high, and how high at most
_ENDINGS = (".svg", ".png", ".html", ".txt")


class Picture:
    """A picture of a circuit at a point.

    Made by `TracedCircuit.picture`. In a notebook it shows itself.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    gradients : sequence
        The gradient of each row, None where there is none.
    theme : {"light", "dark", "safe"}
        The colours; those of "safe" the colour-blind can tell apart.
    sigmoid : {None, "gate", "parts"}
        None draws sigmoids as they were written, "gate" each as one gate, "parts" each taken
        apart.
    group : {"auto", None, "line", "name", "function", "layer"}
        How to draw several gates as one box; "auto" does so where there are more than `most`.
    most : int
        How many gates "auto" draws one by one.
    width : int
        Of the text in characters.
    wrap : {"auto", None} or float
        From which width in pixels on a drawing is broken into bands; None never breaks one, "auto"
        breaks those that are long and low, such as a loop.
    notation : {"dz", "df/dz", "nabla"}
        How gradients are called in the text that goes with the picture.
    page : callable, optional
        Makes the page of `html` from an SVG whose parts have ids.
    """

    def __init__(
        self,
        circuit: Any,
        gradients: Sequence[Any],
        *,
        theme: str = "light",
        sigmoid: str | None = None,
        group: str | None = "auto",
        most: int = 200,
        width: int = 100,
        wrap: float | str | None = "auto",
        notation: str = "dz",
        page: Callable[[str], str] | None = None,
    ) -> None:
        self.circuit = circuit
        self.gradients = gradients
        self.theme = theme_of(theme)
        self.width = width
        if not (wrap is None or wrap == "auto" or isinstance(wrap, (int, float))):
            raise ValueError(f"{here()}wrap must be 'auto', None or a width, not {wrap!r}")
        self.wrap: Any = wrap
        self._page = page
        self._notation = notation_of(notation)
        self._sigmoid, self._group, self._most = sigmoid, group, most
        self.graph: Graph = self._drawn(most)

    def _drawn(self, most: int) -> Graph:
        return graph(
            self.circuit,
            self.gradients,
            sigmoid=self._sigmoid,
            group=self._group,
            most=most,
            notation=self._notation,
        )

    def __repr__(self) -> str:
        boxes = sum(1 for box in self.graph.boxes if box.kind in ("gate", "group"))
        return f"Picture({boxes} boxes, {self.graph.gates} gates)"

    def __str__(self) -> str:
        return self.text

    @cached_property
    def scene(self) -> Scene:
        """Where everything stands, in pixels."""
        return scene(self.graph)

    @cached_property
    def scenes(self) -> list[Scene]:
        """The bands of the picture; one where it needs no more than one."""
        whole = self.scene.layout
        wrap = self.wrap
        if wrap == "auto":
            # Long and low, such as a loop: a page is wide enough for ten gates or so.
            is_low = whole.height < _LOWEST and whole.width > _LOW * whole.height
            wrap = _PAGE if is_low and whole.width > _PAGE else None
        if wrap is None or whole.width <= wrap:
            return [self.scene]
        return list(bands(self.graph, scene, lambda part: part.layout.width, float(wrap)))

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG document."""
        return svg(self.scenes, self.theme)

    @cached_property
    def text(self) -> str:
        """The picture in characters, no wider than `width`, without colours."""
        return self.page().plain

    def page(self, width: int | None = None) -> Page:
        """Return the picture in characters: its lines, and what is coloured in them."""
        fewer = min(self._most, _MOST_IN_TEXT)
        found = self.graph
        if self._group == "auto" and found.gates > fewer:
            found = self._drawn(fewer)
        return text(found, self.width if width is None else width)

    @property
    def html(self) -> str:
        """The picture as a page of its own that steps through both passes."""
        if self._page is None:
            raise ValueError(f"{here()}this picture was not told how to make a page")
        # One picture a page, so its parts may have ids by which the page finds them.
        return self._page(svg(self.scenes, self.theme, ids=True))

    @property
    def png(self) -> bytes:
        """The picture as a PNG image.

        Raises
        ------
        MissingExtraError
            If resvg-py is not installed.
        """
        try:
            import resvg_py  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError:
            raise MissingExtraError(
                f"{here()}a PNG needs resvg-py: pip install 'chainrule[png]'. Or save the picture "
                "as .svg, which every browser opens."
            ) from None
        return bytes(resvg_py.svg_to_bytes(svg_string=self.svg, zoom=2))

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Write the picture to a file; its ending says how: .svg, .png, .html or .txt.

        Parameters
        ----------
        file : str or path
            Where to.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            If the ending is none of these.
        MissingExtraError
            If .png needs a package that is not installed.
        """
        path = Path(file)
        ending = path.suffix.lower()
        if ending not in _ENDINGS:
            raise ValueError(
                f"{here()}a picture is saved as {', '.join(_ENDINGS)}, not {ending or 'that'!r}: "
                f"write {path.name + '.svg'!r}"
            )
        if ending == ".png":
            path.write_bytes(self.png)
            return path
        content = {".svg": lambda: self.svg, ".html": lambda: self.html, ".txt": self._lines}
        path.write_text(content[ending](), encoding="utf-8", newline="\n")
        return path

    def _lines(self) -> str:
        return self.text + "\n"

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"image/svg+xml": self.svg, "text/plain": self.text}
        if include:
            bundle = {kind: data for kind, data in bundle.items() if kind in include}
        return {kind: data for kind, data in bundle.items() if kind not in (exclude or ())}
