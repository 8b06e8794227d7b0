"""The scripts of the recipes run, and their parts are what they say."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DataFileError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "recipes"
QUICK = {
    "adversarial_digits": ["--small", "--epochs", "1", "--seeds", "1"],
    "book_experiments": ["--small", "--part", "0.01", "--seeds", "1"],
    "char_rnn": ["--epochs", "1", "--seeds", "1", "--hidden", "8", "--length", "5"],
    "conv_net": ["--small", "--epochs", "1", "--seeds", "1"],
    "intervals": ["--seeds", "1", "--epochs", "2"],
}


def recipe(name):
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_all_are_tried():
    assert {file.stem for file in FOLDER.glob("*.py")} == set(QUICK)


@pytest.mark.parametrize("name", QUICK)
def test_a_script_prints_a_table(name, capsys):
    recipe(name).main(QUICK[name])
    printed = capsys.readouterr().out
    assert "|---|" in printed
    assert "nan" not in printed and "NO" not in printed


def test_an_experiment_that_is_not_there_is_a_usage_error(capsys):
    with pytest.raises(SystemExit):
        recipe("book_experiments").main(["--small", "cost"])
    assert "there is no experiment cost: choose of neuron, costs" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["adversarial_digits", "book_experiments", "conv_net"])
def test_without_mnist_it_says_what_to_do(name, monkeypatch, capsys):
    def none(folder):
        raise DataFileError(f"MNIST is not in {folder}")

    module = recipe(name)
    monkeypatch.setattr(module.cr.data, "mnist", none)
    with pytest.raises(SystemExit) as stopped:
        module.main(["--data", "there", "--seeds", "1"])
    assert stopped.value.code == 1
    said = "MNIST is not in there\nWith --small it takes the digits that come with chainrule.\n"
    assert capsys.readouterr().err == said


def test_one_neuron_needs_no_mnist(monkeypatch, capsys):
    module = recipe("book_experiments")
    monkeypatch.setattr(module, "mnist", None)
    module.main(["neuron"])
    assert "0.98, 0.98, 0.96, 0.93, 0.79, 0.36, 0.20 |" in capsys.readouterr().out


@pytest.mark.parametrize("name", QUICK)
def test_no_seeds_are_a_usage_error(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        recipe(name).main([*QUICK[name], "--seeds", "0"])
    assert stopped.value.code == 2
    assert re.search(r"--seeds.* must be 1 or more", capsys.readouterr().err)


def test_a_text_that_cannot_be_read_or_is_short(tmp_path, capsys):
    for text, said in (
        (None, "cannot be read: "),
        ("é".encode("latin-1"), "cannot be read: 'utf-8' codec can't decode"),
        (b"", "are 0 characters, too few for 16 streams of 25, which need 401: lower --streams"),
        (b"a" * 445, "are 400 characters, too few"),
    ):
        file = tmp_path / "text"
        if text is not None:
            file.write_bytes(text)
        with pytest.raises(SystemExit) as stopped:
            recipe("char_rnn").main(["--text", str(file)])
        assert stopped.value.code == 1
        assert said in capsys.readouterr().err


# ---------------------------------------------------------------------- the RNN


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (42, "forty-two"),
        (100, "one hundred"),
        (307, "three hundred and seven"),
        (999, "nine hundred and ninety-nine"),
    ],
)
def test_numbers_in_words(n, words):
    assert recipe("char_rnn").in_words(n) == words


def test_streams_go_on_from_batch_to_batch():
    codes = np.arange(2 * 3 * 4 + 1)
    data = recipe("char_rnn").streams(codes, 2, 4)
    assert data.read.shape == (6, 4)
    for stream in (0, 1):
        read = data.read[stream::2].ravel()  # the rows of one stream, batch by batch
        assert np.array_equal(read, np.arange(12) + 12 * stream)
    assert np.array_equal(data.wanted, data.read + 1)


def test_the_backward_pass_by_hand_is_that_of_the_rnn():
    module = recipe("char_rnn")
    rng = np.random.default_rng(0)
    p = {name: a.astype(float) for name, a in module.beginning(5, 7, rng).items()}
    h, read, wanted = rng.normal(size=(3, 7)), *rng.integers(0, 5, (2, 3, 4))
    found, onward, by_hand = module.by_hand(p, h, read, wanted)

    def cost(p):
        return module.cost(p, h, read, wanted)[0]

    assert found == pytest.approx(float(cost(p)), rel=1e-6)  # the cost's one_hot is float32
    assert np.allclose(onward, module.cost(p, h, read, wanted)[1])
    gradient = cr.grad(cost)(p)
    for name in p:
        np.testing.assert_allclose(by_hand[name], gradient[name], rtol=1e-6, atol=1e-9)


# ---------------------------------------------------------------------- intervals


def test_the_pinball_cost_is_smallest_at_the_quantiles():
    module = recipe("intervals")
    y = np.random.default_rng(0).normal(size=(4001, 1))
    at = np.quantile(y, module.QUANTILES)
    best = np.mean(module.pinball(at, y))
    for step in ([0.1, 0.0], [-0.1, 0.0], [0.0, 0.1], [0.0, -0.1]):
        assert np.mean(module.pinball(at + np.array(step), y)) > best


def test_the_likelihood_is_that_of_scipy_up_to_a_constant():
    stats = pytest.importorskip("scipy.stats")
    outputs = np.array([[0.3, -0.5], [-2.0, 1.0]])
    y = np.array([[0.1, 0.1], [3.0, 3.0]])
    wanted = -stats.norm.logpdf(y[:, 0], outputs[:, 0], np.exp(outputs[:, 1]))
    found = recipe("intervals").normal(outputs, y) + 0.5 * np.log(2.0 * np.pi)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_margin_holds_what_conformal_prediction_promises():
    module = recipe("intervals")
    y = np.arange(1.0, 20.0)  # 19 distances from 0: k = ceil(0.9 · 20) = 18
    assert module.margin(np.zeros(19), np.zeros(19), y) == 18.0
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        y, new = rng.normal(size=99), rng.normal()
        extra = module.margin(np.full(99, -1.0), np.full(99, 1.0), y)
        inside.append(abs(new) <= 1.0 + extra)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.05)


# ---------------------------------------------------------------------- adversarial digits


def test_the_costs_are_those_of_the_network():
    module = recipe("adversarial_digits")
    net = module.network(64, 5, seed=0, dtype="float64")
    digits = cr.data.load_digits()[:20]
    each = module.costs(net.parameters, digits.images, digits.labels)
    cost = net.evaluate(digits.images, digits.labels)["cost"]
    assert np.mean(each) == pytest.approx(cost, rel=1e-12)


def test_the_picture_is_current():
    module = recipe("adversarial_digits")
    attack = module.one_digit()
    assert attack.read == (2, 1)
    assert np.abs(attack.after - attack.before).max() == 1 / 16
    committed = (ROOT / "docs" / "images" / "adversarial.svg").read_text(encoding="utf-8")
    assert committed == module.picture(attack), "run: python docs/make_pictures.py"
