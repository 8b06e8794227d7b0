"""The estimators in company: pipelines, searches, pickles, processes, frames."""

import io
import os
import pickle
import signal

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr
from chainrule.errors import NonFiniteCostError
from chainrule.machines.native import cache
from chainrule.networks import asking
from chainrule.sklearn import BackpropClassifier, BackpropRegressor
from chainrule.sklearn.convergence import Convergence

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def data():
    return make_classification(150, 6, class_sep=2.0, random_state=0)


def small(**settings):
    given = {"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "max_iter": 40, "random_state": 0}
    return BackpropClassifier(**given | settings)


def test_a_search_in_a_pipeline_compiles_one_program_for_all_penalties_and_rates(
    data, monkeypatch, tmp_path
):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    stored = []
    store = cache.store
    monkeypatch.setattr(cache, "store", lambda key, entry: stored.append(key) or store(key, entry))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small()),
        {
            "backpropclassifier__alpha": [1e-4, 1e-2, 1.0],
            "backpropclassifier__learning_rate_init": [0.002, 0.02],
        },
        cv=3,
    )
    search.fit(*data)
    assert search.best_score_ > 0.9 and search.predict(data[0]).shape == (150,)
    assert len(set(stored)) == 2  # of 100 rows, and of 150 for the best


def test_a_search_in_two_processes_finds_the_same(data):
    grid = {"alpha": [1e-4, 1.0]}
    searches = [GridSearchCV(small(), grid, cv=2, n_jobs=jobs).fit(*data) for jobs in (1, 2)]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    assert np.array_equal(*scores)


def test_two_threads_fit_at_once(data):
    with joblib.parallel_backend("threading", n_jobs=2):
        scores = cross_val_score(small(), *data, cv=4)
    assert np.array_equal(scores, cross_val_score(small(), *data, cv=4))


def test_a_clone_is_unfitted_and_fits_to_the_same(data):
    layers = [cr.Dense(6, 5, "tanh"), cr.Dense(5, 1)]
    model = small(layers=layers, solver=cr.AdamW(0.02)).fit(*data)
    again = clone(model)
    assert not hasattr(again, "network_")
    assert np.array_equal(again.fit(*data).predict_proba(data[0]), model.predict_proba(data[0]))


@pytest.mark.parametrize("travel", ["pickle", "joblib"])
def test_what_was_fitted_travels_without_compiled_code(data, travel, monkeypatch):
    monkeypatch.setattr(asking, "CHEAP", 0)
    x, y = data
    x, y = np.tile(x, (5, 1)), np.tile(y, 5)  # enough for predictions in machine code
    model = small(early_stopping=True).fit(x, y)
    before = model.predict_proba(x)
    if travel == "pickle":
        text = pickle.dumps(model)
    else:
        file = io.BytesIO()
        joblib.dump(model, file)
        text = file.getvalue()
    again = pickle.loads(text) if travel == "pickle" else joblib.load(io.BytesIO(text))
    assert np.array_equal(again.predict_proba(x), before)
    assert again.loss_curve_ == model.loss_curve_ and again.history_ == model.history_
    assert b"ELF" not in text and len(text) < 60_000


def test_frames_have_their_columns_checked(data):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(data[0], columns=list("abcdef"))
    model = small().fit(frame, pandas.Series(data[1]).map({0: "no", 1: "yes"}))
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert set(model.predict(frame)) == {"no", "yes"}
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_joblib_leaves_a_worker_its_share_of_the_processors(data, monkeypatch):
    used = []
    fit = cr.Network.fit
    monkeypatch.setattr(
        cr.Network, "fit", lambda *a, **s: used.append(s["threads"]) or fit(*a, **s)
    )
    for variables in ({}, {"OMP_NUM_THREADS": "1"}, {"CHAINRULE_NUM_THREADS": "1"}):
        for name in ("OMP_NUM_THREADS", "CHAINRULE_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setitem(os.environ, name, value)
        small(max_iter=2).fit(*data)
    assert used == [None, 1, None]


def test_the_network_can_be_saved_looked_at_and_trained_further(data, tmp_path):
    x, y = data
    model = BackpropRegressor(4, max_iter=20, random_state=0).fit(x, y)
    model.network_.save(tmp_path / "net.safetensors")
    loaded = cr.Network.load(tmp_path / "net.safetensors")
    assert np.array_equal(loaded.predict(x), model.predict(x))


def test_sparse_examples_are_refused_with_words(data):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="dense data is required"):
        small().fit(sparse.csr_array(data[0]), data[1])


def test_ctrl_c_ends_the_fit_and_keeps_what_was_learned(data, monkeypatch):
    look = Convergence.__call__

    def pressed_in_the_third_epoch(self, epoch, result):
        if epoch == 3:
            signal.raise_signal(signal.SIGINT)
        return look(self, epoch, result)

    monkeypatch.setattr(Convergence, "__call__", pressed_in_the_third_epoch)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = small().fit(*data)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.predict(data[0]).shape == (150,)


def test_verbose_tells_how_far_it_is_on_stderr(data, capsys):
    small(verbose=True).fit(*data)
    said = capsys.readouterr()
    assert not said.out and "epoch" in said.err


def test_a_loss_that_is_no_longer_finite_is_an_error_of_the_fit_only(data):
    model = small(solver="sgd", learning_rate_init=1e30)
    with pytest.raises(NonFiniteCostError, match="smaller learning rate"):
        model.fit(*data)
    again = model.set_params(learning_rate_init=0.02).fit(*data)
    assert np.all(np.isfinite(again.predict_proba(data[0])))
