"""The harness: what it compares, times, skips and reports. No test asserts a time."""

import json
import math

import numpy as np
import pytest

from benchmarks.workloads import bench, harness, report
from benchmarks.workloads.case import distance, leaves

TABLE = "tests.benchmarks.planted"


@pytest.fixture(scope="module")
def planted():
    tables = []
    found = bench.run(["P all"], rounds=2, quick=True, table=TABLE, show=tables.append)
    (case,) = found["cases"]
    return found, case, {c["name"]: c for c in case["contenders"]}, tables[0]


def test_who_agrees_is_timed(planted):
    _, _, contenders, _ = planted
    for name in ("chainrule", "right", "limit"):
        assert len(contenders[name]["rounds"]) == 2
        assert contenders[name]["median"] > 0.0
    assert 0.0 < contenders["chainrule"]["distance"] < 1e-11
    assert contenders["right"]["distance"] == 0.0
    assert contenders["limit"]["distance"] is None


@pytest.mark.parametrize("name", ["wrong", "nan", "other shape"])
def test_a_planted_wrong_contender_is_caught(planted, name):
    found, _, contenders, text = planted
    assert contenders[name]["median"] is None and contenders[name]["rounds"] == []
    assert "differs from right by" in contenders[name]["failure"]
    assert f"NOT TIMED: {name}: differs from right" in text
    assert not bench.is_sound(found)


def test_what_is_not_there_is_skipped_and_said(planted):
    _, _, contenders, text = planted
    assert contenders["skipped"]["skipped"] == "not today"
    assert contenders["absent"]["skipped"] == "no_such_module not installed"
    assert "skipped: absent (no_such_module not installed)" in text


def test_what_breaks_is_said_in_its_own_words(planted):
    _, _, contenders, _ = planted
    assert contenders["broken"]["failure"] == "RuntimeError: cannot do that"
    assert contenders["leaves"]["failure"] == "ended with code 3"


def test_aims(planted):
    _, case, contenders, text = planted
    of_right, of_best, of_absent, first = case["aims"]
    ratio = contenders["chainrule"]["median"] / contenders["right"]["median"]
    assert case["best"] == "right" and of_right["found"] == of_best["found"] == ratio
    assert of_right["reached"] and not of_best["reached"] and first["reached"]
    assert of_absent["found"] is None and of_absent["reached"] is None
    assert f"at most 0.0 × the best: {ratio:.2f} ×, NOT REACHED" in text
    assert "at most 1.0 × absent: not measured" in text


def test_versions_and_the_docs_table(planted):
    found, _, _, _ = planted
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["no_such_module"] == "not installed"
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    page = report.markdown(found)
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    assert len(rows) == 1 and rows[0].count("|") == 6
    assert f"numpy {np.__version__}" in page and "- **P**: a planted workload." in page


def test_steps_cores_and_starts():
    found = bench.run(["S"], rounds=2, quick=True, table=TABLE)
    assert bench.is_sound(found)
    steps, start, pinned = found["cases"]
    (ours, _) = steps["contenders"]
    # Not a speed: the planted work sleeps 4 ms each time, twice in a call.
    assert min(ours["rounds"]) >= 0.004 and steps["best"] == "right"
    assert [len(c["rounds"]) for c in start["contenders"]] == [2, 2]
    assert start["aims"][0]["reached"]
    assert pinned["contenders"][0]["distance"] == 0.0


def test_only_takes_the_reference_too():
    found = bench.run(["P all"], rounds=1, quick=True, only=["chain"], table=TABLE)
    assert [c["name"] for c in found["cases"][0]["contenders"]] == ["chainrule", "right"]
    assert bench.is_sound(found)


def test_two_threads_need_two_cores(monkeypatch):
    monkeypatch.setattr(harness, "cores", lambda: [0])
    (_, case) = bench.chosen(["W4 two threads"])[0]
    assert {o.skipped for o in harness.measure(case)} == {"needs 2 cores"}


def test_names():
    assert [case.name for _, case in bench.chosen(["w2 1e5 FLOAT32"])] == ["W2 1e5 float32"]
    assert len(bench.chosen(["W2"])) == 6
    assert len(bench.chosen([])) > 10
    with pytest.raises(bench.UnknownWorkload, match=r"no workload 'W9'\. Did you mean 'W\d'\?"):
        bench.chosen(["W9"])


def test_distance():
    expected = [np.array([1.0, -4.0]), np.array(2.0)]
    assert distance([np.array([1.0, -4.0]), np.array(2.0)], expected) == 0.0
    assert distance([np.array([1.5, -4.0]), np.array(2.0)], expected) == 0.125
    assert distance([np.array([1.0, -4.0])], expected) == math.inf
    assert distance([np.array([1.0, np.inf]), np.array(2.0)], expected) == math.inf
    assert distance([np.array([])], [np.array([])]) == 0.0


def test_leaves():
    found = leaves({"a": (1.0, [np.ones(2)]), "b": 3})
    assert [array.tolist() for array in found] == [1.0, [1.0, 1.0], 3]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (9.4e-8, "94 ns"),
        (9.999e-7, "1 µs"),
        (0.0421, "42.1 ms"),
        (1.5, "1.5 s"),
        (1234.0, "1234 s"),
        (0.0, "0"),
        (3e-10, "0.3 ns"),
    ],
)
def test_duration(seconds, words):
    assert report.duration(seconds) == words
