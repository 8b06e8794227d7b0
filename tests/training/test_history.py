"""A history keeps what it was given and shows itself, whatever is in it."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

import chainrule as cr

NS = "{http://www.w3.org/2000/svg}"


def two() -> cr.History:
    history = cr.History()
    history.record(cost=0.5, val_accuracy=0.62)
    history.record(cost=0.25, val_accuracy=0.81)
    return history


def test_it_is_a_mapping_of_lists() -> None:
    history = two()
    assert dict(history) == {"cost": [0.5, 0.25], "val_accuracy": [0.62, 0.81]}
    assert history.entries == 2 and list(history) == ["cost", "val_accuracy"]
    assert cr.History(history) == dict(history)


def test_entries_have_the_same_names() -> None:
    with pytest.raises(ValueError, match="every entry of this history has cost, val_accuracy"):
        two().record(cost=0.1)
    with pytest.raises(ValueError, match="of one length"):
        cr.History({"a": [1.0], "b": [1.0, 2.0]})
    history = two()
    with pytest.raises((TypeError, ValueError)):
        history.record(cost=0.1, val_accuracy="high")  # type: ignore[arg-type]
    assert history.entries == 2 and len(history["cost"]) == 2  # nothing half recorded


def test_it_shows_itself() -> None:
    bundle = two()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert "History(2 entries" in bundle["text/plain"]
    root = ET.fromstring(bundle["image/svg+xml"])
    texts = [node.text for node in root.iter(f"{NS}text")]
    assert texts[:4] == ["cost", "0.5", "0", "2"]
    # By hand: 0.5 is the top of its axis (y 26), 0.25 half way to the floor at 128.
    path = next(node for node in root.iter(f"{NS}path") if node.get("class") == "curve")
    assert path.get("d") == "M64.0 26.0L508.0 77.0"
    assert bundle["image/svg+xml"] == two().svg()


def test_gaps_and_hostile_names() -> None:
    history = cr.History({'"><script>\n\u202e': [1.0, math.nan, 2.0, math.inf], "e": [0.0] * 4})
    root = ET.fromstring(history.svg())
    assert not list(root.iter(f"{NS}script")) and "<script" not in history.svg()
    path = next(node for node in root.iter(f"{NS}path") if node.get("class") == "curve")
    assert path.get("d", "").count("M") == 2 and "nan" not in history.svg().split("</title>")[1]
    assert history.text().count("4 entries") == 2 and "\u202e" not in history.text()


def test_an_empty_one() -> None:
    assert repr(cr.History()) == "History(0 entries)" and cr.History().text() == ""
    ET.fromstring(cr.History().svg())
