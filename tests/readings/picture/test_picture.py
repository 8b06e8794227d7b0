"""What users hold: saving, notebooks, and the golden pictures that were looked at.

    python -m tests.readings.picture.test_picture

writes the golden files anew; look at each one before you keep it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule.face import trace
from chainrule.readings.picture.quality import overlaps

from .circuits import A, B, C, D, loop, network, small_network

GOLDEN = Path(__file__).parent / "golden"
PICTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "a": (A, {}),
    "b": (B, {}),
    "b_one_gate": (B, {"sigmoid": "gate"}),
    "c_dark": (C, {"theme": "dark"}),
    "c_safe": (C, {"theme": "safe"}),
    "d": (D, {}),
    "two_layers": (small_network(), {}),
    "network": (network(), {"group": "function"}),
    "loop_by_gates": (trace(loop, 1.0, 2.0), {}),
    "loop": (trace(loop, 1.0, 2.0), {"group": "layer", "width": 80}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_those_that_were_looked_at(name: str) -> None:
    circuit, options = PICTURES[name]
    picture = circuit.picture(**options)
    again = "made anew by: python -m tests.readings.picture.test_picture"
    for ending, text in ((".svg", picture.svg), (".txt", picture.text + "\n")):
        assert text == (GOLDEN / f"{name}{ending}").read_text("utf-8"), again


def test_save(tmp_path: Path) -> None:
    picture = C.picture()
    assert picture.save(tmp_path / "c.svg").read_text("utf-8") == picture.svg
    assert picture.save(str(tmp_path / "c.TXT")).read_text("utf-8") == picture.text + "\n"
    page = picture.save(tmp_path / "c.html").read_text("utf-8")
    assert "gate-3" in page and "<svg" in page


def test_save_png(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    data = A.picture().save(tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") > 600  # drawn at twice the size


def test_png_without_its_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ImportError, match=r"pip install 'chainrule\[png\]'.*as .svg"):
        A.picture().save("a.png")


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as .svg, .png, .html, .txt, not '.gif'"):
        A.picture().save(tmp_path / "a.gif")


def test_in_a_notebook_it_shows_itself() -> None:
    picture = A.picture()
    bundle = picture._repr_mimebundle_()
    assert bundle == {"image/svg+xml": picture.svg, "text/plain": picture.text}
    assert picture._repr_svg_() == picture.svg
    assert list(picture._repr_mimebundle_(include=["text/plain"])) == ["text/plain"]
    assert list(picture._repr_mimebundle_(exclude=["text/plain"])) == ["image/svg+xml"]


def test_long_and_low_pictures_are_broken_into_bands() -> None:
    circuit = trace(loop, 1.0, 2.0)
    assert len(A.picture().scenes) == 1 and len(circuit.picture(wrap=None).scenes) == 1
    for wrap in ("auto", 900):
        picture = circuit.picture(wrap=wrap)
        most = 1400 if wrap == "auto" else wrap
        assert all(found.layout.width <= most for found in picture.scenes)
        assert [list(overlaps(found)) for found in picture.scenes] == [[]] * len(picture.scenes)
        gates = [box.row for found in picture.scenes for box in found.graph.boxes if box.symbol]
        assert sorted(gates) == [b.row for b in picture.graph.boxes if b.symbol]
    with pytest.raises(ValueError, match="wrap must be 'auto', None or a width, not 'wide'"):
        A.picture(wrap="wide")


def test_it_says_what_it_is() -> None:
    assert repr(C.picture()) == "Picture(14 boxes, 14 gates)"
    assert str(A.picture()) == A.picture().text


def test_values_that_are_no_float_and_several_outputs() -> None:
    def several(x: float, n: int) -> tuple[Any, ...]:
        return x * n, x > 1, x, 3.0

    picture = trace(several, 2.0, 3).picture()
    ends = [box.name for box in picture.graph.boxes if box.kind == "output"]
    assert len(ends) == 4 and "True" in picture.svg and "True" in picture.text


def main() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for name, (circuit, options) in PICTURES.items():
        picture = circuit.picture(**options)
        picture.save(GOLDEN / f"{name}.svg")
        picture.save(GOLDEN / f"{name}.txt")


if __name__ == "__main__":
    main()


def test_notation_names_gradients_in_what_is_told() -> None:
    circuit = trace("q = x + y; q * z", x=-2.0, y=5.0, z=-4.0)
    assert "gradient -4.00" in circuit.picture().svg
    assert "df/dq -4.00" in circuit.picture(notation="df/dz").svg
    assert "∇q -4.00" in circuit.picture(notation="nabla").svg
    assert "df/dq" in circuit.picture(notation="df/dz").html
