"""`chainrule train`: every option, what it changes, what is printed and kept."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.recipe import NETWORKS, OPTIMIZERS, SCHEDULES
from chainrule.cli.train import train as command
from chainrule.networks.activations import ACTIVATIONS
from chainrule.networks.costs import COSTS
from chainrule.networks.metrics import METRICS
from chainrule.training.steps import MACHINES
from tests.cli.small_files import saved, train, write_files
from tests.cli.support import invoke


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def told(*args, **options):
    """Return what a training writes as JSON."""
    done = train("--json", *args, **options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout, parse_constant=pytest.fail)


def column(path, name):
    with open(path, newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def layers(*args, **options):
    return told(*args, **options)["network"]


# ------------------------------------------------------------------ every option

CASES = {
    "--target": lambda: (
        told("--target", "length", source="prices.csv")["settings"]["target"] == "length"
    ),
    "--as": lambda: (
        told("--as", "classes", "--target", "y", source="shapes.npz")["classes"] == ["0", "1", "2"]
    ),
    "--header": lambda: told("--header")["examples"] == 48 and train("--no-header").exit_code == 1,
    "--separator": lambda: told("--separator", ",")["examples"] == 48,
    "--standardise": lambda: told("--no-standardise")["cost"] != told("--standardise")["cost"],
    "--validation": lambda: told("--validation", 0.5)["examples"] == 30,
    "--data": lambda: told("--data", "data", source="mnist")["examples"] == 40,
    "--network": lambda: layers("--network", "lenet", source="shapes.npz")[0].startswith(
        "Conv2D(1"
    ),
    "--layers": lambda: layers("--layers", "2,7,3") == ["Dense(2, 7, 'relu')", "Dense(7, 3)"],
    "--hidden": lambda: layers("--hidden", "5,6")[1] == "Dense(5, 6, 'relu')",
    "--activation": lambda: layers("--activation", "tanh")[0] == "Dense(2, 4, 'tanh')",
    "--dropout": lambda: layers("--dropout", 0.25)[1] == "Dropout(0.25)",
    "--cost": lambda: layers("--cost", "quadratic")[-1] == "Dense(4, 3, 'sigmoid')",
    "--l1": lambda: told("--l1", 0.5)["history"]["cost"][0] > told()["history"]["cost"][0],
    "--l2": lambda: told("--l2", 0.5)["history"]["cost"][0] > told()["history"]["cost"][0],
    "--dtype": lambda: (
        train("--dtype", "float64", "--save", "a.st").exit_code == 0
        and saved("a.st").dtype == np.float64
    ),
    "--epochs": lambda: told("--epochs", 3)["epochs"] == 3,
    "--batch-size": lambda: told("--batch-size", 6)["cost"] != told()["cost"],
    "--optimizer": lambda: told("--optimizer", "lion")["cost"] != told()["cost"],
    "--learning-rate": lambda: told("--learning-rate", 0.1)["cost"] != told()["cost"],
    "--eta": lambda: told("--eta", 0.1)["cost"] == told("--learning-rate", 0.1)["cost"],
    "--momentum": lambda: (
        told("--optimizer", "sgd", "--momentum", 0.9, "--eta", 0.02)["cost"]
        == told("--optimizer", "momentum")["cost"]
    ),
    "--schedule": lambda: told("--schedule", "one-cycle")["cost"] != told()["cost"],
    "--clip-norm": lambda: (
        told("--clip-norm", 0.01, "--optimizer", "sgd")["cost"]
        != told("--optimizer", "sgd")["cost"]
    ),
    "--max-norm": lambda: (
        train("--max-norm", 0.1, "--save", "a.st").exit_code == 0
        and np.linalg.norm(saved("a.st").parameters[0]["weights"], axis=0).max() < 0.1001
    ),
    "--class-weight": lambda: (
        told("--class-weight", "balanced", "--validation", 0.33)["cost"]
        != told("--validation", 0.33)["cost"]
    ),
    "--early-stopping": lambda: told("--early-stopping", 1, "--eta", 3, "--epochs", 40)[
        "stopped_early"
    ],
    "--seed": lambda: told("--seed", 1)["cost"] != told()["cost"],
    "--threads": lambda: told("--machine", "native", "--threads", 1)["settings"]["threads"] == 1,
    "--machine": lambda: told("--machine", "staged")["cost"] == pytest.approx(told()["cost"], 1e-5),
    "--book": lambda: "best: " in invoke("train", "mnist", "--book", "--epochs", 1).stdout,
    "--save": lambda: (
        told("--save", "a.st")["saved"] == "a.st" and isinstance(saved("a.st"), cr.Network)
    ),
    "--resume": lambda: (
        told("--save", "a.st")["epochs"] == 2
        and told("--save", "a.st", "--resume", "--epochs", 3)["epochs"] == 3
    ),
    "--log": lambda: (
        told("--log", "a.jsonl", "--log", "a.csv")["epochs"] == 2
        and [len(Path(name).read_text().splitlines()) for name in ("a.jsonl", "a.csv")] == [2, 3]
    ),
    "--metric": lambda: (
        set(told("--metric", "f1_macro", "--metric", "recall_macro")["history"])
        == {"cost", "val_cost", "val_f1_macro", "val_recall_macro", "seconds"}
    ),
    "--json": lambda: told()["source"] == "pets.csv",
    "--quiet": lambda: "│" not in train("-q").output and "│" in train_aloud().stdout,
    "--verbose": lambda: "Traceback" in train("-v", "--eta", 1e38, "--optimizer", "sgd").stderr,
}


def train_aloud(*args):
    return invoke("train", "pets.csv", "--epochs", 3, "--machine", "interpret", *args)


def test_every_option_has_a_case():
    options = {
        name
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in parameter.opts
        if name.startswith("--")
    }
    assert options == set(CASES)


@pytest.mark.parametrize("option", CASES)
def test_options_do_what_they_say(option):
    assert CASES[option]()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    assert np.isfinite(told("--optimizer", optimizer)["cost"])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules(schedule):
    assert np.isfinite(told("--schedule", schedule)["cost"])


def test_the_learning_rate_is_that_of_the_schedule():
    from chainrule.cli.recipe import _schedule

    ends = {name: _schedule(name, 0.5, 100.0) for name in SCHEDULES}
    assert ends["constant"] == 0.5
    assert ends["step"](50.0) == pytest.approx(0.05) and ends["step"](99.0) == pytest.approx(0.0005)
    assert ends["exponential"](100.0) == pytest.approx(0.005)
    assert ends["cosine"](50.0) == pytest.approx(0.25) and ends["cosine"](100.0) == 0.0
    assert ends["warm-up"](5.0) == pytest.approx(0.25)
    assert ends["warm-up"](10.0) == pytest.approx(0.5) and ends["warm-up"](100.0) == 0.0
    assert ends["one-cycle"](29.0) == pytest.approx(0.5)
    assert ends["plateau"](99.0) == 0.5


@pytest.mark.parametrize("cost", COSTS)
def test_costs(cost):
    source = "pets.csv"
    if COSTS[cost].targets in ("numbers", "counts"):
        source = "prices.csv"
    elif COSTS[cost].targets == "binary":
        text = Path(source).read_text().replace("eel", "dog")
        source = "two.csv"
        Path(source).write_text(text)
    found = told("--cost", cost, source=source)
    assert np.isfinite(found["cost"]) and found["cost_function"] == cost


@pytest.mark.parametrize("name", ["gelu", "softsign"])
def test_activations(name):
    assert layers("--activation", name)[0] == f"Dense(2, 4, '{name}')"


def test_choices_complete_in_the_shell():
    choices = {
        parameter.opts[0]: list(parameter.type.choices)
        for parameter in command.params
        if hasattr(parameter.type, "choices")
    }
    assert choices["--optimizer"] == list(OPTIMIZERS)
    assert choices["--activation"] == list(ACTIVATIONS)
    assert choices["--cost"] == list(COSTS)
    assert choices["--metric"] == list(METRICS)
    assert choices["--machine"] == list(MACHINES)
    assert choices["--network"] == list(NETWORKS)


# ------------------------------------------------------------------ the defaults


def test_digits_with_defaults_are_read_well():
    done = invoke("train", "digits")
    assert done.exit_code == 0
    first, network, training = done.stdout.splitlines()[:3]
    assert first == "digits: 1,438 images of 8 × 8 to learn from, 359 to test on, 10 classes"
    assert network.startswith("Network(Dense(64, 128, 'relu'), Dense(128, 10)")
    assert training == "adam, learning rate 0.001, mini-batches of 32, 30 epochs"
    accuracy = next(line for line in done.stdout.splitlines() if "test images" in line)
    assert float(accuracy.split()[1].rstrip("%")) > 96
    assert "│" in done.stdout and "val_accuracy" in done.stdout
    assert "epoch 1/30" in done.stderr and "epoch 1/30" not in done.stdout
    assert "\x1b" not in done.output
    assert done.stdout.splitlines()[-1].startswith("not saved: --save FILE keeps the network")


def test_small_files_are_seen_more_often():
    assert invoke("train", "pets.csv", "-q").stdout.startswith("500 epochs in ")


def test_the_same_seed_gives_the_same_numbers():
    drop = ("seconds",)
    one, two = (told("--dropout", 0.5)["history"] for _ in range(2))
    assert {k: v for k, v in one.items() if k not in drop} == {
        k: v for k, v in two.items() if k not in drop
    }


def test_whole_numbers_are_classes_where_they_are_few(tmp_path):
    text = (tmp_path / "pets.csv").read_text()
    for number, kind in enumerate(("cat", "dog", "eel"), 4):
        text = text.replace(kind, str(number))
    (tmp_path / "numbered.csv").write_text(text)
    assert told(source="numbered.csv")["classes"] == ["4", "5", "6"]
    assert told("--as", "numbers", source="numbered.csv")["classes"] is None
    assert told("--cost", "quadratic", "--as", "classes", source="numbered.csv")["classes"]
    assert told("--cost", "huber", source="numbered.csv")["classes"] is None


def test_whole_floats_are_classes_in_archives_as_in_tables(tmp_path):
    y = np.arange(60) % 3
    np.savez(tmp_path / "floats.npz", x=np.eye(60), y=y.astype(np.float32))
    assert told(source="floats.npz")["classes"] == ["0", "1", "2"]
    assert told("--as", "numbers", source="floats.npz")["classes"] is None
    np.savez(tmp_path / "floats.npz", x=np.eye(60), y=y + 0.5)
    assert told(source="floats.npz")["classes"] is None


def test_numbers_are_learned_in_units_of_their_own_spread():
    found = told(
        "--metric", "mean_absolute_error", "--metric", "r2", "--epochs", 200, "--eta", 0.01,
        source="prices.csv",
    )  # fmt: skip
    scores = found["scores"]["held_out"]
    assert scores["r2"] > 0.9
    spread = np.std(column("prices.csv", "price"))
    assert 0.01 * spread < scores["mean_absolute_error"] < 0.5 * spread
    assert found["cost"] < 0.5


def test_files_with_few_rows_are_not_parted(tmp_path):
    (tmp_path / "xor.csv").write_text("0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    done = train("--epochs", 300, "--eta", 0.05, "--hidden", 16, source="xor.csv")
    assert done.exit_code == 0
    assert "accuracy 100.00% on the 4 rows learned from" in done.stdout


def test_stdin(tmp_path):
    done = train("--json", source="-", input=(tmp_path / "pets.csv").read_text())
    assert json.loads(done.stdout)["examples"] == 48


def test_what_is_chosen_by_numbers_is_not_tested_on_them():
    found = told("--early-stopping", 5, "--data", "data", source="mnist")
    assert found["examples"] == 36
    assert found["scores"]["held_out"]["examples"] == 4
    assert found["scores"]["test"]["examples"] == 10
    assert set(told("--data", "data", source="mnist")["scores"]) == {"test"}


def test_early_stopping_keeps_the_best():
    done = train("--early-stopping", 2, "--eta", 3, "--epochs", 60, "--save", "a.st")
    assert "2 epochs were no better; the weights of epoch" in done.stdout
    history = saved("a.st").history
    assert "2 epochs were no better" not in train_aloud("--early-stopping", 2).stdout
    best = int(np.argmin(history["val_cost"])) + 1
    assert f"the weights of epoch {best} are kept" in done.stdout
    assert history.entries == best + 2


def test_notes_say_how_examples_are_prepared():
    train("--save", "a.st")
    notes = saved("a.st").notes
    prepared = notes["preparation"]
    assert prepared["columns"] == ["length", "width"] and prepared["label"] == "kind"
    assert prepared["classes"] == ["cat", "dog", "eel"]
    assert prepared["mean"][0] == pytest.approx(np.mean(column("pets.csv", "length")), abs=0.3)
    assert notes["settings"]["hidden"] == [4]


def test_without_the_files_of_mnist_it_says_what_to_do(tmp_path, monkeypatch):
    from chainrule.data import download
    from chainrule.errors import DataFileError

    def offline(*args):
        raise DataFileError("train-images-idx3-ubyte.gz could not be downloaded.")

    monkeypatch.setattr("chainrule.data.images.fetch", offline)
    assert download.fetch is not offline
    (tmp_path / "empty").mkdir()
    done = train("--data", "empty", source="fashion_mnist")
    assert done.exit_code == 1
    assert "Fashion-MNIST is not in empty" in done.stderr and "Without a network" in done.stderr
    assert "Traceback" not in done.stderr
