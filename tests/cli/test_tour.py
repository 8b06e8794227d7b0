"""The tour: its numbers are those of REFERENCE.md, and it ends with a network that reads digits."""

import json

import pytest

from chainrule.cli.tour import _traced
from chainrule.data.digits import load_digits
from chainrule.tour.training import WAYS, train
from tests.cli.support import invoke, run


@pytest.fixture(scope="module")
def told():
    return run("tour", "--quick", "--seed", "1")


def exact(value):
    return pytest.approx(value, rel=2e-15)


def test_numbers_of_the_circuits():
    c = _traced()
    assert c["A"].value == -12 and c["A"].gradients == {"x": -4, "y": -4, "z": 3}
    assert c["A"]["q"].value == 3 and c["A"]["q"].gradient == -4

    # REFERENCE B and C: mpmath
    assert c["B"].value == 0.7310585786300049
    assert c["B"]["dot"].gradient == exact(0.196611933241481852537)
    assert c["B"].gradients["x"] == exact([0.393223866482963705075, -0.589835799724445557612])
    assert c["B"].gradients["w"] == exact(
        [-0.196611933241481852537, -0.393223866482963705075, 0.196611933241481852537]
    )
    assert c["C"].value == exact(1.54564488410664408260)
    assert c["C"].gradients["x"] == exact(2.05956979557216491063)
    assert c["C"].gradients["y"] == exact(1.59223275148380931389)
    for name, value, gradient in [
        ("sigy", 0.0179862099620915580268, 0.512144448839631603459),
        ("num", 3.01798620996209155803, 0.512144448839631603459),
        ("sigx", 0.952574126822433219121, -0.791593447272593499235),
        ("xpy", -1, 1.58318689454518699847),
        ("xpysqr", 1, -0.791593447272593499235),
        ("den", 1.95257412682243321912, -0.791593447272593499235),
        ("invden", 0.512144448839631603459, 3.01798620996209155803),
    ]:
        assert c["C"][name].value == exact(value)
        assert c["C"][name].gradient == exact(gradient)

    assert c["D"].value == -20 and c["D"].gradients == {"x": -8, "y": 6, "z": 2, "w": 0}
    assert c["D"]["total"].gradient == 2


def test_runs_and_ends_well(told):
    assert told.returncode == 0, told.stderr
    assert "Traceback" not in told.stderr
    for words in (
        "f = -12", "f = 0.731059", "f = 1.54564", "f = -20",
        "def cost(parameters, images, targets):", "def forward_backward(x, w, b):",
        "gradient check: passed", "largest takes the larger of z and w",
        "Mini-batches of 256", "Stochastic, one example a step", "epochs", "Now yours",
    ):  # fmt: skip
        assert words in told.stdout


def test_prints_the_listing_of_eight_lines(told):
    names = ["sigy", "num", "sigx", "xpy", "xpysqr", "den", "invden", "f"]
    for number, name in enumerate(names, 1):
        (line,) = [t for t in told.stdout.splitlines() if f"# ({number}) " in t]
        assert line.startswith(f"{name} = ")


def test_draws_curves_and_digits(told):
    assert told.stdout.count("└───") == 3
    assert any("\u2801" <= sign <= "\u28ff" for sign in told.stdout)
    assert "▓▓" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 100


def test_progress_goes_to_stderr(told):
    assert told.stderr.count("training: ") == 3 and "training: " not in told.stdout
    assert "\x1b" not in told.stdout + told.stderr
    assert run("tour", "--quick", "-q").stderr == ""


def test_plain_ascii():
    done = run("tour", "--quick", PYTHONIOENCODING="ascii", COLUMNS="60")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and "|*" in done.stdout
    assert "?" not in done.stdout.replace("? No", "")
    assert "-- A formula is a circuit --" in done.stdout


def test_json():
    done = invoke("tour", "--quick", "--json", "-q")
    data = json.loads(done.stdout)
    assert data["circuits"]["D"]["gradients"] == {"x": -8, "y": 6, "z": 2, "w": 0}
    assert [r["batch_size"] for r in data["training"]] == [0, 256, 1]
    assert all(r["is_complete"] for r in data["training"])


def test_same_seed_same_run():
    def numbers(seed):
        data = json.loads(invoke("tour", "--quick", "--json", "-q", "--seed", seed).stdout)
        return [(r["cost"], r["held_out_accuracy"]) for r in data["training"]]

    assert numbers(3) == numbers(3) != numbers(4)


def test_negative_seeds_are_refused():
    assert invoke("tour", "--seed", "-1").exit_code == 2


@pytest.mark.parametrize("seed", range(4))
def test_mini_batches_reach_95_percent(seed):
    training, held_out = load_digits().split(seed)
    assert train(WAYS[1], training, held_out, seed).accuracy >= 0.95
