"""`chainrule train` with what cannot be learned: what it says, how it ends, what it leaves."""

import errno
import json
import os
import stat

import numpy as np
import pytest

from tests.cli.small_files import saved, train, write_files
from tests.cli.support import invoke


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--layers", "3,5,3"), "--layers begins with the inputs, of which pets.csv has 2, not 3: "
         "--layers 2,5,3, or --hidden"),
        (("--layers", "2,5,2"), "an output for each of the 3 classes of pets.csv, not 2: --layers "
         "2,5,3."),
        (("--layers", "30"), "--layers begins with the inputs"),
        (("--layers", "2,3", "--hidden", "5"), "leave out --hidden"),
        (("--layers", "2,3", "--network", "lenet"), "--layers is for dense networks"),
        (("--layers", "2,x,3"), "no list of sizes such as 784,30,10"),
        (("--hidden", "0"), "no list of sizes"),
        (("--network", "lenet"), "--network lenet is for images, and pets.csv has columns"),
        (("--momentum", "0.5"), "--momentum is for --optimizer sgd, momentum, nesterov, not adam"),
        (("--optimizer", "nesterov", "--momentum", "0"), "cannot be 0"),
        (("--optimizer", "lbfgs", "--eta", "0.1"), "leave out --learning-rate"),
        (("--optimizer", "lbfgs", "--schedule", "cosine"), "leave out --schedule"),
        (("--optimizer", "lbfgs", "--clip-norm", "1"), "leave out --clip-norm"),
        (("--optimizer", "lbfgs", "--max-norm", "1"), "leave out --max-norm"),
        (("--optimizer", "lbfgs", "--dropout", "0.5"), "leave out --dropout"),
        (("--cost", "binary_cross_entropy"), "is for two classes, and pets.csv has 3"),
        (("--cost", "huber", "--as", "classes"), "--cost huber is for numbers, and pets.csv has"),
        (("--cost", "crossentropy"), "'crossentropy' is not one of"),
        (("--separator", "ab"), "'ab' is not one character"),
        (("--separator", ""), "'' is not one character"),
        (("--learning-rate", "nan"), "not a finite number"),
        (("--l2", "inf"), "not a finite number"),
        (("--dropout", "1"), "not in the range"),
        (("--validation", "0.001"), "--validation 0.001 of 60 rows leaves none to hold out"),
        (("--validation", "0.999"), "leaves none to learn from"),
        (("--resume",), "--resume goes on from the file of --save"),
        (("--save", "pets.csv"), "--save pets.csv is the file that is learned from"),
        (("--log", "run.txt"), "--log: a log is a file that ends in .jsonl or .csv"),
        (("--metric", "r2"), "--metric r2 is for numbers, and pets.csv has classes"),
        (("--save", "none/a.st"), "--save none/a.st: there is no folder 'none'"),
        (("--save", ""), "--save needs the name of a file, such as run.safetensors."),
        (("--save", "a" * 255), "'.' cannot be written to: File name too long"),
        (("--log", ""), "--log needs the name of a file or folder"),
        (("--log", "./pets.csv"), "--log ./pets.csv is the file that is learned from"),
        (("--save", "a.csv", "--log", "./a.csv"), "--log ./a.csv is the file of --save"),
        (("--log", "new.csv/a.csv"), "--log new.csv/a.csv: "),
        (("--data", "nowhere"), "does not exist"),
        (("--epochs", "many"), "'many' is not a valid whole number."),
        (("--epochs", "1.5"), "'1.5' is not a valid whole number."),
        (("--eta", "fast"), "'fast' is not a valid number."),
        (("--threads", "5000"), "5000 is not in the range 1<=x<=1024"),
    ],
)  # fmt: skip
def test_wrong_usage(args, words):
    done = train(*args)
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.stderr.split())
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert "fault of chainrule" not in done.stderr
    assert not [name for name in os.listdir() if name.startswith(".")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="queues with a name are POSIX's")
def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "queue")
    done = train("--save", "queue")
    assert done.exit_code == 2
    assert "--save queue is no regular file: name another one." in done.stderr
    assert stat.S_ISFIFO(os.stat("queue").st_mode)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere"
)
def test_a_folder_that_is_read_only_is_found_before_the_training(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    done = train("--save", "closed/a.st")
    assert done.exit_code == 2
    assert "--save closed/a.st: 'closed' cannot be written to: Permission denied." in done.stderr


def test_a_data_set_may_have_a_file_of_its_name():
    assert train("--save", "digits", source="digits").exit_code == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("mising.csv", "there is no file 'mising.csv'."),
        ("digts", "there is no file 'digts'. Did you mean 'digits'? The data sets are digits,"),
    ],
)
def test_a_source_that_is_not_there(source, words):
    done = train(source=source)
    assert done.exit_code == 2 and words in done.stderr


@pytest.mark.parametrize("option", ["--target=x", "--as=numbers", "--separator=;", "--no-header"])
def test_options_of_files_are_not_for_data_sets(option):
    done = train(option, source="digits")
    assert done.exit_code == 2
    assert "is for files: digits has images and their classes" in done.stderr


HEADER = "length,width,kind\n"


@pytest.mark.parametrize(
    ("text", "args", "words"),
    [
        ("", (), "broken.csv cannot be read as a table: it is empty"),
        (HEADER, (), "it has a header and no rows"),
        (HEADER + "1,2,cat\n3,4,cat\n", (), "'kind' is 'cat' in all 2 rows: there is nothing to "
         "tell apart. For another column: --target COLUMN."),
        (HEADER + "1,2,cat\n3,x,dog\n", (), "broken.csv, line 3, 'width': 'x' is not a finite"),
        (HEADER + "1,2,cat\n3,4\n", (), "line 3 has 2 cells"),
        (HEADER + "1,2,cat\n3,4,dog\n", ("--target", "kinds"), "it has no column 'kinds'. Did you "
         "mean 'kind'?"),
        (HEADER + "1,2,cat\n3,4,dog\n", ("--target", "7"), "none has the position 7"),
        (HEADER + "1,2,cat\n3,4,dog\n", ("--as", "numbers"), "'kind' holds words, such as 'cat', "
         "which are no numbers to predict"),
        (HEADER + "1,2,cat\n3,4,dog\n", ("--cost", "huber"), "'kind' holds words, such as 'cat'"),
        (HEADER + "1,2,0.5\n3,4,1.5\n", ("--as", "classes"), "which are no classes"),
        (HEADER + "1,2,0.5\n3,4,1.5\n", ("--cost", "hinge"), "which are no classes"),
        (HEADER + "1,2,5.5\n3,4,6.5\n5,6,?\n", (), "'kind' holds '?' among numbers"),
        (HEADER + "1,2,0.5\n3,4,-1.5\n", ("--cost", "poisson"), "takes counts, 0 or more"),
        ("1e300,2,a\n-1e300,2,b\n", ("--no-header",), "numbers too large to be standardised"),
        ("a\nb\n", (), "it has one column, which cannot be example and label at once. If its cells "
         "are separated by something else than , ; | or tabs, say --separator CHARACTER."),
        (HEADER + "1,2,3.5\n3,4,3.5\n", (), "'kind' is 3.5 in all 2 rows: there is nothing to "
         "learn. For another column: --target COLUMN."),
        (HEADER + "1,2,cat\n", (), "'kind' is 'cat' in its only row: there is nothing to tell"),
        (HEADER + "1,2,cat\n", ("--no-header",), "has the columns' names, say --header."),
        ("a,a,b\n1,2,3\n3,4,5\n", ("--target", "a"), "two columns are called 'a'. Say which one "
         "is to be predicted by its number from 0, such as --target 2."),
        ("length,kind\n1\x002,cat\n3,dog\n", (), "'1\\x002' is not a finite number"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_learned(text, args, words, tmp_path):
    (tmp_path / "broken.csv").write_text(text)
    done = train(*args, source="broken.csv")
    assert done.exit_code == 1, done.output
    assert words in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert "Traceback" not in done.stderr and "fault of chainrule" not in done.stderr


@pytest.mark.parametrize(
    ("arrays", "args", "words"),
    [
        ({"x": np.zeros((3, 2))}, (), "broken.npz cannot be read as a table"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((4,))}, (), "as many rows are needed in both"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((3, 2), int)}, ("--as", "classes"), "'y' has shape "
         "(3, 2): for classes give one label a row"),
        ({"x": np.zeros((3, 2)), "z": np.zeros((3,))}, ("--target", "q"), "it has no array 'q'"),
        ({"x": np.array([[1.0], [np.nan]]), "y": np.arange(2)}, (), "row 1 of its examples, "
         "counted from 0, holds a number that is nan or infinite: fill what is missing"),
        ({"x": np.array([[1.0], [2.0]]), "y": np.array([0.5, -np.inf])}, (), "row 1 of its 'y'"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, (), "x has the shape (0, 2)"),
        ({"x": np.zeros((3, 2)), "y": np.full(3, 0.5)}, (), "'y' is 0.5 in all 3 rows"),
        ({"x": np.zeros((2, 2)), "y": np.array([0.5, 1.5])}, ("--as", "classes"), "are no classes"),
    ],
)  # fmt: skip
def test_archives_that_cannot_be_learned(arrays, args, words, tmp_path):
    np.savez(tmp_path / "broken.npz", **arrays)
    done = train(*args, source="broken.npz")
    assert done.exit_code == 1, done.output
    assert words in " ".join(done.stderr.split())


def test_a_disk_that_is_full_on_the_way(monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("chainrule.training.logs.Log.__call__", full)
    done = train("--log", "a.csv")
    assert done.exit_code == 1 and "Error: a.csv: No space left on device." in done.stderr
    done = train("--log", "a.csv", "--save", "a.st")
    assert "Error: a.st or a.csv: No space left on device." in done.stderr


def test_stdin_is_utf_8_whatever_the_locale():
    latin = "length,width,kind\n1,2,été\n3,4,eel\n".encode("latin-1")
    done = train(source="-", input=latin)
    assert done.exit_code == 1 and "it is not UTF-8 text" in done.stderr
    done = train("--json", source="-", input=b"\xef\xbb\xbf" + "1,2,été\n3,4,eel\n".encode())
    assert json.loads(done.stdout)["classes"] == ["eel", "été"]


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    done = train(source="folder.csv")
    assert done.exit_code == 1 and "folder.csv: Is a directory." in done.stderr


def test_weights_of_classes_are_for_classes():
    done = train("--class-weight", "balanced", source="prices.csv")
    assert done.exit_code == 2
    assert "--class-weight is for classes, and prices.csv has numbers" in done.stderr


def test_a_metric_of_the_other_kind(tmp_path):
    done = train("--metric", "accuracy", source="prices.csv")
    assert done.exit_code == 2
    assert "--metric accuracy is for classes, and prices.csv has numbers" in done.stderr


# ------------------------------------------------------------------ costs that are no number


def test_a_cost_that_is_nan_in_the_first_epoch():
    done = train("--optimizer", "sgd", "--eta", 1e38, "--save", "a.st")
    assert done.exit_code == 1
    assert "in epoch 1, at step 2 of 2. Take a smaller --learning-rate" in done.stderr
    assert "It had not learned anything yet that could be kept." in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_cost_that_is_nan_later_leaves_the_last_good_weights(monkeypatch):
    """The rate grows on the way: two epochs are good, the third is not."""

    def growing(name, rate, steps):
        return lambda step: rate * 1e30 ** np.maximum(step - 4.0, 0.0)

    monkeypatch.setattr("chainrule.cli.recipe._schedule", growing)
    done = train("--optimizer", "sgd", "--epochs", 9, "--save", "a.st")
    assert done.exit_code == 1
    assert "in epoch 4" in done.stderr or "in epoch 3" in done.stderr
    kept = saved("a.st").history.entries
    assert kept in (2, 3)
    assert f"a.st has the weights as they were after epoch {kept}." in done.stderr
    assert all(np.isfinite(p["weights"]).all() for p in saved("a.st").parameters)
    done = train("--optimizer", "sgd", "--epochs", 9)
    assert "With --save FILE the weights from before that would have been kept." in done.stderr


# ------------------------------------------------------------------ going on


def test_a_training_goes_on_with_its_own_settings():
    assert train("--save", "a.st", "--optimizer", "lion", "--dropout", 0.5).exit_code == 0
    done = invoke("train", "pets.csv", "--save", "a.st", "--resume", "--epochs", 4, "-q")
    assert done.exit_code == 0 and done.stdout.startswith("4 epochs in")
    whole = train("--save", "b.st", "--optimizer", "lion", "--dropout", 0.5, "--epochs", 4)
    assert whole.exit_code == 0
    for one, two in zip(saved("a.st").parameters, saved("b.st").parameters, strict=True):
        assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_resume_without_a_file_begins():
    done = train("--save", "a.st", "--resume")
    assert done.exit_code == 0 and done.stdout.startswith("2 epochs")


def test_resume_of_what_is_done_changes_nothing():
    train("--save", "a.st")
    before = saved("a.st").parameters
    done = train("--save", "a.st", "--resume")
    assert done.exit_code == 0 and done.stdout.startswith("2 epochs")
    np.testing.assert_array_equal(before[0]["weights"], saved("a.st").parameters[0]["weights"])


def test_resume_of_what_early_stopping_ended_changes_nothing():
    args = ("--save", "a.st", "--early-stopping", 2, "--eta", 3, "--epochs", 60)
    assert train(*args).exit_code == 0
    before = saved("a.st")
    done = train(*args, "--resume")
    assert "2 epochs were no better" in done.stdout
    assert saved("a.st").history.entries == before.history.entries
    np.testing.assert_array_equal(
        before.parameters[0]["weights"], saved("a.st").parameters[0]["weights"]
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--optimizer", "sgd"), "a.st was trained with --optimizer adam, not --optimizer sgd. "
         "Leave out --optimizer, or leave out --resume to begin anew."),
        (("--hidden", "9"), "was trained with --hidden 4, not --hidden 9"),
        (("--no-standardise",), "was trained with the default of --standardise, not --no-"),
        (("--epochs", "5"), "and its schedule, cosine, ends with the training"),
    ],
)  # fmt: skip
def test_resume_with_other_settings(args, words):
    assert train("--save", "a.st", "--schedule", "cosine").exit_code == 0
    done = train("--save", "a.st", "--schedule", "cosine", "--resume", *args)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


def test_resume_with_other_examples(tmp_path):
    assert train("--save", "a.st").exit_code == 0
    text = (tmp_path / "pets.csv").read_text()
    (tmp_path / "pets.csv").write_text(text.replace("cat", "ant"))
    done = train("--save", "a.st", "--resume")
    assert done.exit_code == 1
    assert "pets.csv does not have the examples that a.st was begun with" in done.stderr


def test_resume_from_files_that_are_none_of_its_own(tmp_path):
    (tmp_path / "a.st").write_bytes(b"nonsense")
    done = train("--save", "a.st", "--resume")
    assert done.exit_code == 1 and "a.st cannot be read as a checkpoint" in done.stderr
    assert (tmp_path / "a.st").read_bytes() == b"nonsense"
    import chainrule as cr

    cr.Network([2, 3], seed=0).save("b.st")
    done = train("--save", "b.st", "--resume")
    assert done.exit_code == 1 and "b.st does not say how it was trained" in done.stderr


# ------------------------------------------------------------------ the book


@pytest.mark.parametrize(
    ("args", "source", "words"),
    [
        (("--cost", "hinge"), "digits", "--cost is not part of --book"),
        (("--save", "a.st"), "digits", "--save is not part of --book"),
        ((), "pets.csv", "--book reads digits: digits or mnist or fashion_mnist, not pets.csv"),
    ],
)
def test_what_is_not_part_of_the_book(args, source, words):
    done = invoke("train", source, "--book", *args)
    assert done.exit_code == 2 and words in done.stderr
