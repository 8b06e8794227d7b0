"""A history drawn with matplotlib: the numbers are on the axes, and nothing is shown."""

from __future__ import annotations

import math
import sys

import pytest

import chainrule as cr
from chainrule.errors import MissingExtraError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")  # no screen
from matplotlib import pyplot  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture
def history():
    return cr.History(
        {
            "cost": [2.0, 1.0, 0.5],
            "val_cost": [2.0, 1.5, math.nan],
            "val_accuracy": [0.7, 0.8, 0.9],
            "seconds": [0.1] * 3,
        },
        notes=["output 3 is dead; 10 $ each"],
    )


def lines(axes):
    return {line.get_label(): list(map(tuple, line.get_xydata())) for line in axes.get_lines()}


def test_costs_together_and_metrics_beside(history, monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("it must not be shown"))
    first = history.plot()
    assert first is first.figure.axes[0] and len(first.figure.axes) == 2
    assert lines(first)["cost"] == [(1, 2.0), (2, 1.0), (3, 0.5)]
    assert lines(first)["val_cost"][:2] == [(1, 2.0), (2, 1.5)]
    assert lines(first.figure.axes[1]) == {"val_accuracy": [(1, 0.7), (2, 0.8), (3, 0.9)]}
    assert first.get_legend() is not None and first.get_ylabel() == "cost"
    assert first.get_ylim()[0] <= 0  # costs are read against zero
    assert first.figure.get_supxlabel() == r"Note: output 3 is dead; 10 \$ each"
    first.figure.canvas.draw()


def test_names_and_axes_of_ones_own(history):
    only = history.plot("val_accuracy")
    assert list(lines(only)) == ["val_accuracy"] and len(only.figure.axes) == 1
    _, mine = pyplot.subplots()
    assert history.plot(ax=mine) is mine and list(lines(mine)) == ["cost", "val_cost"]
    _, mine = pyplot.subplots()
    history.plot("cost", "val_accuracy", ax=mine)
    assert list(lines(mine)) == ["cost", "val_accuracy"]
    assert list(lines(history.plot("seconds"))) == ["seconds"]


def test_many_panels_stand_in_rows():
    history = cr.History({f"metric_{k}": [1.0, 2.0] for k in range(7)})
    figure = history.plot().figure
    assert len(figure.axes) == 7 and figure.get_size_inches()[0] < 13


def test_one_epoch_is_a_dot():
    line = cr.History({"cost": [1.0]}).plot().get_lines()[0]
    assert line.get_marker() == "o"


def test_a_name_is_no_formula():
    axes = cr.History({"$\\frac$_cost\n": [1.0, 2.0]}).plot()
    axes.figure.canvas.draw()
    assert axes.get_ylabel() == r"\$\frac\$_cost"


def test_errors(history, monkeypatch):
    with pytest.raises(KeyError, match="no 'val_acc'"):
        history.plot("val_acc")
    with pytest.raises(ValueError, match=r"test_plot.py:[0-9]+: there is nothing to plot"):
        cr.History().plot()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"test_plot.py:.*pip install 'chainrule\[plot\]'"):
        history.plot()


def test_a_number_between_two_gaps_is_a_dot():
    nan, inf = math.nan, math.inf
    (line,) = cr.History({"cost": [1.0, nan, 2.0, inf, 3.0, 4.0, nan]}).plot().get_lines()
    assert line.get_marker() == "o" and line.get_markevery() == [0, 2]
    (line,) = cr.History({"cost": [1.0, 2.0]}).plot().get_lines()
    assert line.get_marker() == "None"
