"""Progress is told where somebody sees it, fits its line, flickers never, and costs no time."""

from __future__ import annotations

import io
import math
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.training import progress
from chainrule.training.progress import Bar, Drawn, Lines, NotebookLine, Silent, shown


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "JUPYTER_COLUMNS", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def take():  # within the test: pytest sets stderr after the fixtures
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return take


def train(telling, epochs, seconds, clock, done=0, say=None):
    """Tell as the loop does, with epochs that take so many seconds."""
    with telling:
        for k in range(1, epochs + 1):
            for part in (0.5, 1.0):
                clock.now += seconds / 2
                telling.at(k - 1 + part, 1 / k)
            if say is not None and k > 10:
                say()
            numbers = {"cost": 1 / k, "val_accuracy": 0.97, "seconds": seconds}
            telling.epoch(done + k, numbers)


# ---------------------------------------------------------------------- who is told what


def test_a_terminal_gets_a_bar_and_a_pipe_nothing(terminal, monkeypatch):
    terminal = terminal()
    assert type(shown(None, 3)) is Bar and type(shown(True, 3)) is Bar
    assert type(shown(False, 3)) is Silent and type(shown(None, 0)) is Silent
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert type(shown(None, 3)) is Silent and type(shown(True, 3)) is Lines
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(shown(None, 3)) is Silent and type(shown(True, 3)) is Lines
    monkeypatch.setattr(sys, "stderr", None)  # a program without a console
    assert type(shown(True, 3)) is Silent


def test_a_line_for_each_epoch(capsys, clock):
    train(Lines(2), 2, 0.25, clock)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "epoch 1/2: cost 1, val_accuracy 0.97, 250 ms",
        "epoch 2/2: cost 0.5, val_accuracy 0.97, 250 ms",
    ]


def test_many_short_epochs_get_ten_lines_a_second_and_the_last(capsys, clock):
    train(Lines(1003, done=5), 1003, 0.001, clock, done=5)
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 13
    assert lines[0].startswith("epoch 6/1008:") and lines[-1].startswith("epoch 1008/1008:")
    train(Lines(101), 101, 5.0, clock)  # many, but long: each has its line
    assert len(capsys.readouterr().err.splitlines()) == 101


def test_who_waits_for_the_end_of_a_long_epoch_is_told_once(capsys, clock):
    with Lines(5) as lines:
        lines.ending()
        clock.now += 0.4
        lines.at(0.5, 1.0)
        assert capsys.readouterr().err == ""  # short: it would be over soon
        for part in (0.6, 0.7, 0.8):
            clock.now += 0.4
            lines.at(part, 1.0)
    assert capsys.readouterr().err == "ends after this epoch; Ctrl-C: now\n"


# ---------------------------------------------------------------------- the bar


def test_the_bar_and_the_summary(terminal, clock):
    terminal = terminal()
    train(Bar(30), 30, 0.1, clock)
    text = terminal.getvalue()
    assert "epoch  4/30" in text and "epoch 30/30" in text
    assert "cost 0.25" in text and "val_accuracy 0.97" in text
    assert "100 ms/epoch" in text and "0:02 left" in text
    assert text.endswith("30 epochs in 3 s: cost 0.03333, val_accuracy 0.97\n")
    assert "\x1b[?25h" in text  # the cursor is there again


def test_a_training_that_goes_on_counts_from_where_it_was(terminal, clock):
    terminal = terminal()
    train(Bar(10, done=10), 10, 1.0, clock, done=10)
    assert "epoch 11/20" in terminal.getvalue() and "epoch 20/20" in terminal.getvalue()
    assert "10 epochs in 10 s" in terminal.getvalue()


@pytest.mark.parametrize(("epochs", "seconds"), [(1, 0.1), (13, 0.1), (1300, 0.001), (1, 20.0)])
def test_nothing_flickers_when_it_is_over_at_once(terminal, clock, epochs, seconds):
    terminal = terminal()
    with Bar(epochs) as bar:
        for k in range(epochs):
            clock.now += seconds
            bar.at(k + 1, 1.0)
            bar.epoch(k + 1, {"cost": 1.0})
    assert terminal.getvalue() == ""


def test_thousands_of_short_epochs_are_drawn_a_few_times(terminal, clock):
    terminal = terminal()
    train(Bar(5000), 5000, 0.001, clock)
    assert terminal.getvalue().count("left") <= 5 / progress.EVERY + 1


def test_a_slow_terminal_is_written_to_less_often(clock):
    drawn = []

    class Slow(Drawn):
        def _draw(self):
            clock.now += 0.05
            drawn.append(clock.now)

        def _close(self, summary):
            pass

    train(Slow(300), 300, 0.1, clock)
    assert len(drawn) == 3  # 50 ms each, so one in ten seconds, not one in 0.2


def test_the_bar_says_that_the_training_is_ending(terminal, clock):
    terminal = terminal()
    with Bar(30) as bar:
        for part in (0.2, 0.4, 0.6, 0.8):
            clock.now += 1.0
            bar.at(part, 0.5)
            if part == 0.4:
                before = terminal.getvalue()
                bar.ending()
                assert terminal.getvalue() == before  # in a handler of signals
    said = "cost 0.5  ends after this epoch; Ctrl-C: now"
    assert "left" in before and said not in before
    assert said in terminal.getvalue() and "left" not in terminal.getvalue()[len(before) :]


def test_stopped_before_the_end(terminal, clock):
    terminal = terminal()
    with Bar(30) as bar:
        for k in range(24):
            clock.now += 0.25
            bar.at((k + 1) / 2, 0.5)
            if k % 2:
                bar.epoch((k + 1) // 2, {"cost": 0.5, "seconds": 0.5})
    assert terminal.getvalue().endswith("12 of 30 epochs in 6 s: cost 0.5\n")


def test_after_an_error_the_terminal_is_free_again(terminal, clock):
    terminal = terminal()

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(Bar(30), 30, 0.1, clock, say=fail)
    assert "left" in terminal.getvalue() and "30 epochs" not in terminal.getvalue()
    train(Bar(30), 30, 0.1, clock)
    assert "30 epochs in 3 s" in terminal.getvalue()


def test_one_bar_at_a_time(terminal, clock):
    terminal = terminal()
    with Bar(30) as bar:
        clock.now += 1.0
        bar.at(1.0, 0.5)
        train(Bar(77), 77, 0.1, clock)  # a training within the callback of another
        bar.at(2.0, 0.5)
    assert "/77" not in terminal.getvalue() and "1 of 30" not in terminal.getvalue()
    assert "2 of 30 epochs" in terminal.getvalue()


def test_what_is_printed_meanwhile(terminal, clock, monkeypatch):
    terminal = terminal()
    out = io.StringIO()  # a file: what goes there must go there
    monkeypatch.setattr(sys, "stdout", out)
    train(Bar(30), 30, 0.1, clock, say=lambda: print("to a file"))
    assert out.getvalue() == "to a file\n" * 20 and "to a file" not in terminal.getvalue()
    monkeypatch.setattr(sys, "stdout", Terminal())
    train(Bar(30), 30, 0.1, clock, say=lambda: print("above the bar"))
    assert "above the bar" in terminal.getvalue()


# ---------------------------------------------------------------------- the line fits


class Kept(Drawn):
    def _draw(self):
        pass

    def _close(self, summary):
        pass


@given(
    st.integers(20, 200), st.integers(1, 10**6), st.integers(0, 10**4),
    st.dictionaries(st.text(max_size=60), st.floats(), max_size=6), st.floats(0, 1), st.floats(),
)  # fmt: skip
def test_no_line_is_wider_than_the_terminal_if_the_cost_fits(
    width, epochs, done, numbers, share, cost
):
    line = Kept(epochs, done)
    with line:
        line.at(share * epochs, cost)
        line.epoch(done + 1, numbers)
        count, full, empty, after = line._parts(width)
    assert str(done + epochs) in count and "cost" in after and "\n" not in after
    least = len(f"{done + epochs}/{done + epochs} ") + len("  cost -1.235e+308") + 60
    assert len(count + full + empty + after) <= max(width, least)


def test_the_bar_never_jumps(clock):
    line, lengths = Kept(1000), []
    with line:
        for k, cost in enumerate([0.123456, 0.5, 0.25, 0.3333333, 1e-5, 1.0]):
            clock.now += 1.0
            line.at(k + 1, cost)
            line.epoch(k + 1, {"cost": cost, "val_accuracy": cost})
            _, full, empty, _ = line._parts(80)
            lengths.append(len(full + empty))
    assert lengths == sorted(lengths, reverse=True) and lengths[-1] >= 6


def test_what_is_left_out_where_there_is_no_room(clock):
    line = Kept(30)
    with line:
        clock.now += 3.0
        line.at(3.0, 0.25)
        line.epoch(3, {"cost": 0.25, "val_cost": 0.5, "val_accuracy": 0.97, "seconds": 1.0})
        found = {width: "".join(line._parts(width, is_ascii=True)) for width in (90, 79, 70, 42)}
    assert found == {
        90: "epoch  4/30 #-----------  cost 0.25  val_cost 0.5  val_accuracy 0.97  0:27 left  "
        "1 s/epoch",
        79: "epoch  4/30 #-----------  cost 0.25  val_cost 0.5  val_accuracy 0.97  0:27 left",
        70: " 4/30 ---------  cost 0.25  val_cost 0.5  val_accuracy 0.97  0:27 left",
        42: " 4/30 #-------------  cost 0.25  0:27 left",
    }


# ---------------------------------------------------------------------- notebooks


def test_a_notebook_gets_one_output_that_changes(monkeypatch, clock):
    shows = []

    def display(data, raw, display_id):
        assert raw and display_id is True
        return SimpleNamespace(update=lambda data, raw: shows.append(data["text/plain"]))

    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    assert type(shown(None, 30)) is NotebookLine and type(shown(False, 30)) is Silent
    train(shown(None, 30), 30, 0.1, clock)
    assert "━" in shows[0] and "cost" in shows[0]
    assert shows[-1] == "30 epochs in 3 s: cost 0.03333, val_accuracy 0.97"
    monkeypatch.setattr(shell, "kernel", None)  # IPython in a terminal
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(shown(None, 30)) is Silent


def test_what_is_not_known_is_said():
    assert progress.clock(math.inf) == "?"
    assert progress.duration(0.9996) == "1 s" and progress.duration(3599.6) == "1:00:00 h"
