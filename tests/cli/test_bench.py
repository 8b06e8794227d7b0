"""`chainrule bench`: what it lists, refuses, measures and writes; never how fast."""

import json

import pytest

from chainrule.cli import bench
from tests.cli.support import invoke


def test_list():
    done = invoke("bench", "--list")
    assert done.exit_code == 0
    for name in ("W1", "W2 1e7 float32", "W4 two threads", "W8", "start", "Numba by hand"):
        assert name in done.stdout


def test_unknown_workload():
    done = invoke("bench", "W44")
    assert done.exit_code == 2
    assert "there is no workload 'W44'. Did you mean 'W4'?" in done.stderr


def test_quick_run(tmp_path):
    """Ours and NumPy alone, on small inputs: seconds."""
    table, figures = tmp_path / "table.md", tmp_path / "figures.json"
    words = ["W1", "W2 1e3 float64", "--quick", "--rounds", 2, "--only", "NumPy", "--quiet"]
    done = invoke("bench", *words, "--json", figures, "--markdown", table)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    found = json.loads(figures.read_text())
    assert found["quick"] and found["rounds"] == 2
    assert {"date", "processor", "Python"} <= found["machine"].keys()
    assert {"numpy", "chainrule"} <= found["versions"].keys()
    names = [[c["name"] for c in case["contenders"]] for case in found["cases"]]
    assert names == [["chainrule", "Python by hand"], ["chainrule", "NumPy by hand"]]
    for case in found["cases"]:
        assert f"{case['case']}: {case['title']}; one thread\n" in done.stdout
        for contender in case["contenders"]:
            assert len(contender["rounds"]) == 2 and contender["median"] > 0
            assert contender["distance"] <= case["tolerance"]
    assert "| **W1** |" in table.read_text()


def test_json_to_stdout():
    done = invoke("bench", "W1", "--quick", "--rounds", 1, "--only", "chainrule", "--json", "-")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["cases"][0]["case"] == "W1"
    assert "W1: chainrule prepares" in done.stderr


def test_results_that_differ_end_in_failure(monkeypatch):
    program = bench._benchmarks()
    monkeypatch.setattr(program, "is_sound", lambda found: False)
    monkeypatch.setattr(program, "run", lambda names, **options: {"cases": []})
    assert invoke("bench", "W1").exit_code == 1


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Pretend that the package is installed from a wheel."""
    monkeypatch.setattr(bench, "_SOURCE", tmp_path / "site-packages")
    return tmp_path


def test_without_a_clone_it_says_where_the_benchmarks_are(elsewhere, monkeypatch):
    monkeypatch.chdir(elsewhere)
    done = invoke("bench", "--list")
    assert done.exit_code == 1
    assert "Clone it" in done.stderr and "pip install --editable ." in done.stderr


def test_in_a_clone_it_finds_them(elsewhere, monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    assert invoke("bench", "--list").exit_code == 0
