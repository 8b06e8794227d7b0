"""The tour's training loop: gradients against autograd, epochs that see all, Ctrl-C that keeps."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.data.digits import load_digits
from chainrule.tour import examples
from chainrule.tour.training import QUICK, SIZES, Way, batches, read, train


def test_gradient_of_the_cost_against_autograd():
    autograd = pytest.importorskip("autograd")
    anp = pytest.importorskip("autograd.numpy")
    digits = load_digits()[:7]
    parameters = examples.initial(SIZES, np.random.default_rng(0))

    def theirs(parameters):
        w1, b1, w2, b2 = parameters
        hidden = 1 / (1 + anp.exp(-(anp.dot(digits.images, w1) + b1)))
        output = 1 / (1 + anp.exp(-(anp.dot(hidden, w2) + b2)))
        return 0.5 * anp.sum((output - digits.targets) ** 2) / 7

    value, ours = cr.value_and_grad(examples.cost)(parameters, digits.images, digits.targets)
    assert value == pytest.approx(float(theirs(parameters)), rel=1e-13)
    for mine, other in zip(ours, autograd.grad(theirs)(parameters), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-15)


def test_batches_hold_each_example_once():
    found = batches(10, 4, np.random.default_rng(0))
    assert [len(rows) for rows in found] == [4, 4, 2]
    assert sorted(np.concatenate(found).tolist()) == list(range(10))


def test_a_run_counts_its_steps_and_learns():
    training, held_out = load_digits().split(0)
    run = train(QUICK[1], training, held_out)
    assert run.steps == 20 * 6 and run.epochs == pytest.approx(20)
    assert run.is_complete and run.costs[-1] < run.costs[0]
    assert run.accuracy == np.mean(read(run.parameters, held_out) == held_out.labels)


def test_progress_is_told():
    seen = []
    training, held_out = load_digits()[:60].split(0)
    train(Way("some", 10, 1.0, 5), training, held_out, 0, lambda *told: seen.append(told))
    assert [done for done, _, _ in seen] == list(range(1, 26))
    assert {of for _, of, _ in seen} == {25}


def test_ctrl_c_keeps_the_last_whole_step():
    def interrupt(done, of, cost):
        if done == 7:
            raise KeyboardInterrupt

    training, held_out = load_digits()[:60].split(0)
    run = train(Way("some", 10, 1.0, 5), training, held_out, 0, interrupt)
    assert run.steps == 7 and not run.is_complete and len(run.costs) == 7
    assert all(np.isfinite(p).all() for p in run.parameters)


def test_the_same_seed_gives_the_same_bits():
    training, held_out = load_digits()[:100].split(0)
    first, second = (train(Way("some", 16, 1.0, 3), training, held_out, 5) for _ in range(2))
    for a, b in zip(first.parameters, second.parameters, strict=True):
        assert (a == b).all()
