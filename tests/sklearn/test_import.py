"""Without scikit-learn, the import says what to install."""

import subprocess
import sys

import pytest


def imported(prelude):
    code = f"import sys, types\n{prelude}\nimport chainrule.sklearn"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr


def test_without_scikit_learn_the_error_says_what_to_install():
    said = imported("sys.modules['sklearn'] = None")
    assert "MissingExtraError" in said and "pip install 'chainrule[sklearn]'" in said


def test_an_old_scikit_learn_is_named():
    said = imported(
        "old = sys.modules['sklearn'] = types.ModuleType('sklearn'); old.__version__ = '1.5.2'"
    )
    assert "needs scikit-learn 1.6 or later, not 1.5.2" in said


def test_chainrule_itself_needs_no_scikit_learn():
    code = "import sys; import chainrule; raise SystemExit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_both_names_are_public():
    pytest.importorskip("sklearn")
    import chainrule.sklearn

    assert chainrule.sklearn.__all__ == ["BackpropClassifier", "BackpropRegressor"]
