"""Completion of targets and of the names that have no value yet."""

import pytest

from tests.cli.support import run, write_files


@pytest.fixture
def completed(tmp_path):
    write_files(tmp_path)

    def complete(words):
        done = run(
            folder=tmp_path,
            _CHAINRULE_COMPLETE="bash_complete",
            COMP_WORDS=f"chainrule {words}",
            COMP_CWORD=str(len(words.split(" "))),
        )
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "ran").exists()
        return done.stdout.split()

    return complete


def test_commands(completed):
    assert completed("s") == ["plain,show", "plain,step"]


def test_functions_of_a_file_without_running_it(completed, tmp_path):
    (tmp_path / "demo.py").write_text("open('ran', 'w')\ndef first(a, *, b): pass\nx = 1\n")
    assert completed("show demo.py:") == ["plain,demo.py:first"]
    assert completed("show demo.py:first ") == ["plain,a=", "plain,b="]


def test_names_of_a_formula(completed):
    assert completed("show x+y*z y=1 ") == ["plain,x=", "plain,z="]


def test_data_sets_and_choices(completed):
    assert completed("train dig") == ["plain,digits"]
    assert completed("train pets") == ["file,pets"]
    assert completed("train digits --optimizer ad") == [
        "plain,adam",
        "plain,adamw",
        "plain,adagrad",
        "plain,adadelta",
    ]
    assert completed("train digits --cost po") == ["plain,poisson"]
    assert completed("train digits --activation leaky") == ["plain,leaky_relu"]
    assert completed("evaluate run --metric f1_") == ["plain,f1_macro"]
    assert completed("predict run") == ["file,run"]


def test_nothing_sensible(completed):
    assert completed("show x+ ") == []
    assert completed("show missing.py:f ") == []


def test_files(completed):
    assert completed("show dem") == ["file,dem"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell):
    pytest.importorskip("click")
    done = run(_CHAINRULE_COMPLETE=f"{shell}_source")
    assert "_CHAINRULE_COMPLETE" in done.stdout or "bash" in done.stderr.lower()
