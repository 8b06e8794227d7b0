"""The examples run, and say what their text claims. Expected numbers: mpmath, 50 digits."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_example_runs(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed
    assert "FAILED" not in printed


def test_the_network_by_hand_gives_the_numbers_worked_out_elsewhere():
    module = runpy.run_path(str(EXAMPLES / "network_by_hand.py"))
    parameters, x, y = module["example"]()
    assert module["cost"](parameters, x, y) == pytest.approx(0.27458793076179083, rel=1e-15)
    dW1, db1, dW2, db2 = module["backprop"](parameters, x, y)
    np.testing.assert_allclose(
        dW1,
        [
            [-0.03705146701222055, -0.00929795347946894],
            [0.0407951704833014, 0.01163315222718888],
            [-0.04158398303821426, -0.01269531785932561],
        ],
        rtol=1e-13,
    )
    np.testing.assert_allclose(
        db1, [0.01479251742375717, -0.01517058050822974, 0.01479413553546807], rtol=1e-13
    )
    np.testing.assert_allclose(
        dW2, [[0.03205887659355019, 0.03069735471347533, 0.05738342994516801]], rtol=1e-13
    )
    np.testing.assert_allclose(db2, [0.08030656388095817], rtol=1e-13)


def test_your_own_function_finds_the_truth(capsys):
    runpy.run_path(str(EXAMPLES / "your_own_function.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    for line in lines[:4]:
        _, fitted, _, truth = line.split()
        assert float(fitted) == pytest.approx(float(truth.rstrip(")")), abs=0.05)
