"""`chainrule predict` and `chainrule evaluate`: from a file of a network to answers and scores."""

import contextlib
import csv
import gzip
import io
import json
import shutil

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.evaluate import evaluate as evaluate_command
from chainrule.cli.predict import predict as predict_command
from tests.cli.small_files import blobs, train, write_csv, write_files
from tests.cli.support import invoke


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the small files and a network that knows the pets."""
    folder = tmp_path_factory.mktemp("made")
    write_files(folder)
    with contextlib.chdir(folder):
        done = train("--save", "pets.st", "--epochs", 25, "--eta", 0.1)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(autouse=True)
def files(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "data"))
    return tmp_path


def predicted(*args, **options):
    done = invoke("predict", *args, **options)
    assert done.exit_code == 0, done.output
    return done.stdout


def evaluated(*args, **options):
    done = invoke("evaluate", *args, "--json", **options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout, parse_constant=pytest.fail)


# ------------------------------------------------------------------ predict

KINDS = ["cat", "dog", "eel"] * 2
PREDICT = {
    "--target": lambda: predicted("pets.st", "pets.csv", "--target", "kind").split()[:6] == KINDS,
    "--header": lambda: predicted("pets.st", "new.csv", "--header").split() == KINDS,
    "--separator": lambda: predicted("pets.st", "new.csv", "--separator", ",").split() == KINDS,
    "--data": lambda: (
        train("--save", "m.st", source="mnist").exit_code == 0
        and len(predicted("m.st", "mnist", "--data", "data").split()) == 10
    ),
    "--proba": lambda: predicted("pets.st", "new.csv", "--proba").startswith(
        "kind,cat,dog,eel\ncat"
    ),
    "--output": lambda: (
        predicted("pets.st", "new.csv", "--output", "out.csv") == ""
        and rows("out.csv") == [{"kind": kind} for kind in KINDS]
    ),
    "--json": lambda: (
        json.loads(predicted("pets.st", "new.csv", "--json")) == {"label": "kind", "answers": KINDS}
    ),
    "--verbose": lambda: "Traceback" in invoke("predict", "new.csv", "new.csv", "-v").stderr,
}
EVALUATE = {
    "--target": lambda: evaluated("pets.st", "pets.csv", "--target", 2)["examples"] == 60,
    "--header": lambda: evaluated("pets.st", "pets.csv", "--header")["examples"] == 60,
    "--separator": lambda: evaluated("pets.st", "pets.csv", "--separator", ",")["examples"] == 60,
    "--data": lambda: (
        train("--save", "m.st", source="mnist").exit_code == 0
        and evaluated("m.st", "mnist", "--data", "data")["examples"] == 10
    ),
    "--metric": lambda: (
        set(evaluated("pets.st", "pets.csv", "--metric", "f1_macro"))
        == {"examples", "cost", "f1_macro"}
    ),
    "--confusion": lambda: (
        np.sum(evaluated("pets.st", "pets.csv", "--confusion")["confusion"]) == 60
    ),
    "--json": lambda: evaluated("pets.st", "pets.csv")["accuracy"] > 0.9,
    "--quiet": lambda: len(invoke("evaluate", "pets.st", "pets.csv", "-q").stdout.split()) == 2,
    "--verbose": lambda: "Traceback" in invoke("evaluate", "new.csv", "new.csv", "-v").stderr,
}


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("command", "cases"), [(predict_command, PREDICT), (evaluate_command, EVALUATE)]
)
def test_every_option_has_a_case(command, cases):
    options = {
        name
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in parameter.opts
        if name.startswith("--")
    }
    assert options == set(cases)


@pytest.mark.parametrize("option", PREDICT)
def test_options_of_predict(option):
    assert PREDICT[option]()


@pytest.mark.parametrize("option", EVALUATE)
def test_options_of_evaluate(option):
    assert EVALUATE[option]()


def test_columns_are_found_by_their_names():
    assert predicted("pets.st", "new.csv").split() == KINDS
    assert predicted("pets.st", "pets.csv").split()[:6] == KINDS


@pytest.mark.parametrize("spelt", ["tab", "\\t", "\t"])
def test_tabs(spelt, tmp_path):
    (tmp_path / "tabs.csv").write_text((tmp_path / "new.csv").read_text().replace(",", "\t"))
    assert predicted("pets.st", "tabs.csv", "--separator", spelt).split() == KINDS


def test_a_file_that_is_packed(tmp_path):
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress((tmp_path / "new.csv").read_bytes()))
    assert predicted("pets.st", "new.csv.gz").split() == KINDS


def test_stdin(tmp_path):
    assert predicted("pets.st", "-", input=(tmp_path / "new.csv").read_text()).split() == KINDS


def test_probabilities_are_those_of_the_network():
    answers = csv.DictReader(io.StringIO(predicted("pets.st", "new.csv", "--proba")))
    table = cr.data.read_csv("new.csv", label=None)
    net = cr.Network.load("pets.st")
    prepared = net.notes["preparation"]
    x = (table.x[:, ::-1] - prepared["mean"]) / prepared["scale"]
    for answer, share in zip(answers, net.predict_proba(x), strict=True):
        assert [float(answer[name]) for name in ("cat", "dog", "eel")] == pytest.approx(
            share.tolist(), rel=1e-4, abs=1e-6
        )
        assert answer["kind"] == ("cat", "dog", "eel")[int(np.argmax(share))]


def test_numbers_are_predicted_in_their_unit():
    args = ("--epochs", 60, "--eta", 0.05, "--hidden", 8, "--save", "prices.st")
    assert train(*args, source="prices.csv").exit_code == 0
    prices = [float(row["price"]) for row in rows("prices.csv")]
    answers = [float(word) for word in predicted("prices.st", "prices.csv").split()]
    assert np.abs(np.subtract(answers, prices)).mean() < 0.2 * np.std(prices)
    found = evaluated("prices.st", "prices.csv", "--metric", "mean_absolute_error")
    assert found["mean_absolute_error"] == pytest.approx(
        np.abs(np.subtract(answers, prices)).mean(), rel=1e-4
    )
    squares = evaluated("prices.st", "prices.csv", "--metric", "mean_squared_error")
    assert squares["mean_squared_error"] == pytest.approx(
        np.square(np.subtract(answers, prices)).mean(), rel=1e-3
    )


def test_large_columns_keep_their_digits(tmp_path):
    """Time stamps: float32 has seven digits, of which none would be left."""
    stamps = 1_700_000_000 + np.arange(60)
    late = np.arange(60) >= 30
    write_csv(tmp_path / "late.csv", ["stamp", "late"], [*zip(stamps, late.astype(int))])  # noqa: B905
    train("--save", "late.st", "--epochs", 60, "--eta", 0.1, source="late.csv")
    assert evaluated("late.st", "late.csv")["accuracy"] > 0.9


def test_a_file_without_names_has_its_columns_in_order(tmp_path):
    text = "".join(f"{a},{b}\n" for a, b in (("3.5", "1.5"), ("1.5", "3.5")))
    (tmp_path / "bare.csv").write_text(text)
    headed = predicted("pets.st", "-", input="length,width\n" + text)
    assert predicted("pets.st", "bare.csv") == headed
    labelled = "".join(line + ",cat\n" for line in text.splitlines())
    assert predicted("pets.st", "-", input=labelled) == headed


def test_columns_without_names_are_learned_from_too(tmp_path):
    lines = (tmp_path / "pets.csv").read_text().splitlines()[1:]
    moved = ["{2},{0},{1}".format(*line.split(",")) for line in lines]
    (tmp_path / "bare.csv").write_text("\n".join(moved) + "\n")
    done = train("--target", 0, "--no-header", "--save", "bare.st", "--epochs", 25, "--eta", 0.1,
                 source="bare.csv")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert predicted("bare.st", "bare.csv").split()[:6] == KINDS
    bare = "".join(",".join(line.split(",")[:2]) + "\n" for line in lines[:6])
    assert predicted("bare.st", "-", input=bare).split() == KINDS
    assert evaluated("bare.st", "bare.csv")["accuracy"] > 0.9


def test_images_for_convolutions():
    args = ("--network", "lenet", "--save", "shapes.st", "--hidden", 5)
    assert train(*args, source="shapes.npz").exit_code == 0
    assert len(predicted("shapes.st", "shapes.npz").split()) == 60
    assert evaluated("shapes.st", "shapes.npz")["examples"] == 60


def test_a_data_set_is_asked_about_its_test_set():
    assert train("--save", "digits.st", "--epochs", 1, source="digits").exit_code == 0
    assert evaluated("digits.st", "digits")["examples"] == 359
    assert len(predicted("digits.st", "digits").split()) == 359


def test_an_archive_with_a_test_set_is_asked_about_it():
    x, y = blobs(90)
    parts = {"x_train": x[:60], "y_train": y[:60] + 4, "x_test": x[60:], "y_test": y[60:] + 4}
    np.savez("parts.npz", **parts)
    args = ("--epochs", 25, "--eta", 0.1, "--save", "parts.st", "--json")
    told = json.loads(train(*args, source="parts.npz").stdout)
    assert told["examples"] == 60 and told["classes"] == ["4", "5", "6"]
    assert told["scores"]["test"]["examples"] == 30
    found = evaluated("parts.st", "parts.npz")
    assert found["examples"] == 30 and found["accuracy"] == told["scores"]["test"]["accuracy"]
    np.savez("new.npz", x=x[60:])
    assert predicted("parts.st", "new.npz") == predicted("parts.st", "parts.npz")


def test_a_network_that_was_trained_in_python(tmp_path):
    x, y = cr.data.moons(80, seed=0)
    net = cr.Network(cr.Dense(2, 8, "tanh"), cr.Dense(8, 2), cost="softmax_cross_entropy", seed=0)
    net.fit(x, y, epochs=20, optimizer=cr.Adam(0.05), machine="interpret")
    net.save("moons.st")
    np.savez("moons.npz", x=x, y=y)
    write_csv(tmp_path / "moons.csv", ["a", "b", "moon"], [[*p, k] for p, k in zip(x, y)])  # noqa: B905
    write_csv(tmp_path / "points.csv", ["a", "b"], x.tolist())
    expected = pytest.approx(net.evaluate(x, y)["accuracy"])
    for source in ("moons.npz", "moons.csv"):
        assert evaluated("moons.st", source)["accuracy"] == expected
    answers = net.predict(x).tolist()
    for source in ("moons.npz", "moons.csv", "points.csv"):
        assert list(map(int, predicted("moons.st", source).split())) == answers
    assert predicted("moons.st", "points.csv", "--proba").startswith("label,0,1\n")


def test_a_table_that_is_not_as_wide_as_the_network():
    net = cr.Network(cr.Dense(5, 3), cost="softmax_cross_entropy", seed=0)
    net.save("wide.st")
    for command in ("predict", "evaluate"):
        done = invoke(command, "wide.st", "pets.csv")
        assert done.exit_code == 1
        assert "pets.csv has 3 columns; the network takes 5, and what is" in done.stderr


def test_images_for_a_network_that_was_trained_in_python():
    net = cr.Network(
        cr.Conv2D(1, 2, 3), cr.Flatten(), cr.Dense(72, 10), cost="softmax_cross_entropy", seed=0
    )
    net.save("conv.st")
    assert evaluated("conv.st", "digits")["examples"] == 359


# ------------------------------------------------------------------ evaluate


def test_the_confusion_matrix_has_names():
    done = invoke("evaluate", "pets.st", "pets.csv", "--confusion")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "pets.csv: 60 rows" and lines[2].startswith("accuracy ")
    assert lines[-4].split() == ["cat", "dog", "eel"]
    assert [line.split()[0] for line in lines[-3:]] == ["cat", "dog", "eel"]


def test_classes_in_another_file_may_be_fewer(tmp_path):
    text = (tmp_path / "pets.csv").read_text().splitlines()
    (tmp_path / "eels.csv").write_text("\n".join([text[0], *text[3::3]]) + "\n")
    assert evaluated("pets.st", "eels.csv")["accuracy"] > 0.9


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("length,widht\n1,2\n", "has no column 'width', which the network learned from. Did you "
         "mean 'widht'? It has 'length', 'widht'; wanted are 'length', 'width'."),
        ("length\n1\n", "has no column 'width'"),
        ("1,2,3,4\n", "has no column 'length'"),
        ("length,width\n1,x\n", "'x' is not a finite number"),
        ("length,width\n", "it has a header and no rows"),
        ("", "it is empty"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(text, words, tmp_path):
    (tmp_path / "other.csv").write_text(text)
    for command in ("predict", "evaluate"):
        done = invoke(command, "pets.st", "other.csv")
        assert done.exit_code == 1, done.output
        assert words in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
        assert "fault of chainrule" not in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("predict", "none.st", "new.csv"), 2, "there is no file 'none.st': `chainrule train ..."),
        (("predict", "pets.st", "none.csv"), 2, "there is no file 'none.csv'"),
        (("predict", "new.csv", "new.csv"), 1, "new.csv cannot be read as a"),
        (("predict", "pets.st", "digits"), 1, "pets.st takes examples of 2 numbers; digits has 64"),
        (("predict", "pets.st", "new.csv", "--output", "./new.csv"), 2, "--output ./new.csv is a "
         "file that is read"),
        (("predict", "pets.st", "new.csv", "--output", "pets.st"), 2, "is a file that is read"),
        (("predict", "pets.st", "new.csv", "--output", "no/out.csv"), 1, "No such file"),
        (("evaluate", "pets.st", "new.csv"), 1, "new.csv has no 'kind': there is nothing to "
         "compare with"),
        (("evaluate", "pets.st", "pets.csv", "--metric", "r2"), 1, "--metric r2 is for numbers, "
         "which pets.st does not predict"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(args, code, words):
    done = invoke(*args)
    assert done.exit_code == code, done.output
    assert words in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_columns_of_one_name_are_not_guessed_at(tmp_path):
    (tmp_path / "twice.csv").write_text("width,length,length\n1,2,3\n")
    for command in ("predict", "evaluate"):
        done = invoke(command, "pets.st", "twice.csv")
        assert done.exit_code == 1
        assert "twice.csv has two columns that are called 'length'" in done.stderr


def test_missing_numbers_in_archives_are_not_answered(tmp_path):
    np.savez(tmp_path / "gap.npz", x=np.array([[1.0, 2.0], [np.nan, 2.0]]))
    done = invoke("predict", "pets.st", "gap.npz")
    assert done.exit_code == 1 and done.stdout == ""
    assert "gap.npz: row 1 of its examples, counted from 0, holds a number that is nan" in (
        done.stderr
    )


def test_a_single_row_is_a_row(tmp_path):
    (tmp_path / "one.csv").write_text("length,width,kind\n1,2,cat\n")
    assert invoke("evaluate", "pets.st", "one.csv").stdout.startswith("one.csv: 1 row\n")


def test_a_class_that_it_never_met(tmp_path):
    text = (tmp_path / "pets.csv").read_text().replace("eel", "fox")
    (tmp_path / "other.csv").write_text(text)
    done = invoke("evaluate", "pets.st", "other.csv")
    assert done.exit_code == 1
    assert "'kind' holds 'fox', which is none of the classes 'cat', 'dog', 'eel'" in done.stderr


def test_what_is_for_classes():
    train("--save", "prices.st", source="prices.csv")
    for args in (("predict", "--proba"), ("evaluate", "--confusion")):
        done = invoke(args[0], "prices.st", "prices.csv", args[1])
        assert done.exit_code == 1
        assert f"{args[1]} is for classes: prices.st predicts numbers" in done.stderr


def test_a_cost_without_probabilities():
    train("--save", "hinge.st", "--cost", "hinge")
    done = invoke("predict", "hinge.st", "new.csv", "--proba")
    assert done.exit_code == 1
    assert "was trained with the cost hinge, which gives" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"columns": None},
        {"columns": [1]},
        {"mean": [0.0]},
        {"mean": ["a", "b"]},
        {"scale": None},
        {"label": 3},
        {"target_mean": "high"},
        {"target_mean": 1.0},
        {"target_mean": 1.0, "target_scale": 0.0},
        {"scale": [1.0, 0.0]},
        {"classes": "cat"},
    ],
)
def test_damaged_notes_are_refused(change):
    net = cr.Network.load("pets.st")
    net.notes["preparation"].update(change)
    if change == {"mean": [0.0]}:
        net.notes["preparation"]["scale"] = [1.0, 1.0]
    net.save("damaged.st")
    done = invoke("predict", "damaged.st", "new.csv")
    assert done.exit_code == 1
    assert "its notes on how examples are prepared are damaged" in done.stderr


def test_damaged_notes_of_another_kind_are_refused():
    net = cr.Network.load("pets.st")
    net.notes["preparation"] = ["cat"]
    net.save("damaged.st")
    assert "are damaged" in invoke("predict", "damaged.st", "new.csv").stderr
