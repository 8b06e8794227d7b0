"""A history keeps what it was given and shows itself, whatever is in it."""

from __future__ import annotations

import copy
import json
import math
import pickle
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_whatever_takes_a_dict_of_lists_takes_it() -> None:
    assert json.loads(json.dumps(two())) == two() == two().copy()
    assert cr.History(json.loads(json.dumps(two()))) == two()
    assert "cost" in two() and two().get("gone") is None and len(two()) == 2
    with pytest.raises(KeyError, match=r"has cost, val_accuracy, no 'val_acuracy'. Did you mean"):
        two()["val_acuracy"]
    with pytest.raises(KeyError, match="this history has no entries"):
        cr.History()["cost"]


def test_pandas_takes_it() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(two())
    assert list(frame) == ["cost", "val_accuracy"] and list(frame["cost"]) == [0.5, 0.25]
    assert cr.History(frame) == two()


def test_notes_are_kept_by_copies() -> None:
    noted = cr.History(two(), notes=["output 3 is dead"])
    for made in (
        cr.History(noted), noted.copy(), copy.copy(noted), copy.deepcopy(noted),
        pickle.loads(pickle.dumps(noted)),
    ):  # fmt: skip
        assert type(made) is cr.History and made == noted and made.notes == noted.notes
        made.record(cost=0.1, val_accuracy=0.9)
        made.notes.append("and another")
        assert noted.entries == 2 and noted.notes == ["output 3 is dead"]
    assert cr.History().notes == [] and cr.History(two(), notes=["a"]) == two()


def test_notes_are_shown() -> None:
    long = "output 3 is dead: " + "it gives almost nothing " * 5
    history = cr.History(two(), notes=[long, "<b>&\x1b[31m"])
    assert repr(history).endswith(
        "0.62 to 0.81; notes: output 3 is dead: it gives almost nothing it gives almost...; "
        "<b>&[31m)"
    )
    lines = history.text(40).splitlines()
    assert "Note: <b>&[31m" in lines and max(map(len, lines)) <= 40
    texts = [node.text for node in ET.fromstring(history.svg()).iter(f"{NS}text")]
    assert "Note: <b>&[31m" in texts and any("output 3 is dead" in str(text) for text in texts)
    assert "; note: alone)" in repr(cr.History(two(), notes=["alone"]))


def test_the_best() -> None:
    nan = math.nan
    history = cr.History({
        "cost": [3.0, 1.0, 1.0, 2.0], "val_accuracy": [nan, 0.5, 0.9, 0.8],
        "f1": [nan] * 4,
    })  # fmt: skip
    assert history.best("cost") == (2, 1.0) and history.best("val_accuracy") == (3, 0.9)
    assert history.best("val_accuracy", larger_is_better=False) == (2, 0.5)
    assert history.best("val_accuracy", larger_is_better=True).value == 0.9
    with pytest.raises(ValueError, match="no number of 'f1' is finite"):
        history.best("f1")
    with pytest.raises(KeyError, match="no 'gone'"):
        history.best("gone")


def test_the_time_is_told_and_not_drawn() -> None:
    history = cr.History({"cost": [2.0, 1.0], "seconds": [1.25, 1.25]})
    assert repr(history) == "History(2 entries in 2.5 s: cost 2 to 1)"
    assert "seconds" not in history.text() and "seconds" not in history.svg()


def test_cost_and_validation_share_a_picture() -> None:
    history = cr.History({"cost": [4.0, 2.0, 1.0], "val_cost": [4.0, 3.0, 3.0]})
    text = history.text(55, ascii_only=True)
    # By hand: 45 columns, 15 for each entry; five rows of 0.8 each.
    assert text.splitlines() == [
        "      4 |***************",
        "        |               *.............................",
        "        |               ***************",
        "        |                              ***************",
        "        |",
        "      0 +---------------------------------------------",
        "         ** cost 1   .. val_cost 3           3 entries",
    ]
    assert "3 entries" not in history.text(41) and "val_cost 3" in history.text(41)
    assert history.text().count("val_cost") == 1
    root = ET.fromstring(history.svg())
    paths = [node.get("class") for node in root.iter(f"{NS}path")]
    assert paths == ["axis", "curve", "curve second"]
    assert [node.text for node in root.iter(f"{NS}tspan")] == ["cost", "val_cost"]


def test_numbers_below_zero_are_drawn_where_they_are() -> None:
    text = cr.History({"log_likelihood": [-4.0, -1.0]}).text(14, ascii_only=True)
    assert text.splitlines()[:6] == [
        "      0 |",
        "        |  **",
        "        |  *",
        "        |  *",
        "        |**",
        "     -4 +----",
    ]


def test_an_accuracy_is_drawn_near_to() -> None:
    history = cr.History({"accuracy": [0.93, 0.9712], "cost": [0.93, 0.9712]})
    root = ET.fromstring(history.svg())
    texts = [node.text for node in root.iter(f"{NS}text")]
    assert texts[1:3] == ["0.98", "0.93"] and texts[6:8] == ["0.98", "0"]


@given(st.lists(st.floats(), max_size=40), st.lists(st.floats(), max_size=40), st.booleans())
def test_whatever_the_numbers_it_can_be_drawn(
    cost: list[float], val: list[float], is_cost: bool
) -> None:
    n = min(len(cost), len(val))
    name = "cost" if is_cost else "accuracy"
    history = cr.History({name: cost[:n], f"val_{name}": val[:n]})
    text = history.text(60)
    assert all(len(line) <= 60 for line in text.splitlines())
    for path in ET.fromstring(history.svg()).iter(f"{NS}path"):
        d = path.get("d", "")
        assert "nan" not in d and "inf" not in d and "e" not in d


def test_it_shows_itself() -> None:
    bundle = two()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert "History(2 entries" in bundle["text/plain"]
    root = ET.fromstring(bundle["image/svg+xml"])
    texts = [node.text for node in root.iter(f"{NS}text")]
    assert texts[:5] == ["cost", "0.5", "0", "1", "2"]
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
