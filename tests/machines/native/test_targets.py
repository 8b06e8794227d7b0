"""One emitter, many processors: narrower vectors run here, others are compiled for."""

from __future__ import annotations

import dataclasses
import platform

import numpy as np
import pytest

import chainrule as cr
from chainrule.machines.native import target
from chainrule.machines.native.builder import module
from chainrule.machines.native.lowering import lowered
from chainrule.tracing.record import record
from tests.machines.native.test_agreement import agree

FIXED = {
    "SSE": target.SSE,
    "AVX2": target.AVX2,
    "AVX512": target.AVX512,
    "NEON": target.NEON,
}


def network(p, x, y):
    h = np.tanh(x @ p[0] + p[1])
    z = 1 / (1 + np.exp(-(h @ p[2].T)))
    return np.mean((z - y) ** 2) + np.sum(np.max(h, axis=1)) * 1e-2


def arguments(dtype=np.float64):
    generator = np.random.default_rng(1)
    shapes = [(7, 21), (21,), (3, 21)]
    p = [generator.normal(size=s).astype(dtype) for s in shapes]
    x, y = (generator.normal(size=s).astype(dtype) for s in ((19, 7), (19, 3)))
    return p, x, y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FIXED)
def test_programs_are_compiled_for(name, dtype):
    circuit = record(cr.value_and_grad(network), arguments(dtype), {})
    text = module(lowered(circuit, FIXED[name]).builders)
    listing = target.assembly(text, FIXED[name])
    wide = {"SSE": "xmm", "AVX2": "ymm", "AVX512": "zmm", "NEON": "fmla"}[name]
    assert wide in listing
    assert "zmm" not in listing or name == "AVX512"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the narrower kinds are x86-64's")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["SSE", "AVX2"])
def test_narrower_vectors_give_the_same(name, dtype, monkeypatch):
    here = target.host()
    if FIXED[name].vector_bytes > here.vector_bytes:
        pytest.skip("this processor is narrower still")
    monkeypatch.setenv("CHAINRULE_CACHE", "off")  # its key knows the processor we are on
    narrow = dataclasses.replace(FIXED[name], triple=here.triple)
    monkeypatch.setattr(target, "host", lambda: narrow)
    agree(cr.value_and_grad(network), arguments(dtype), rtol=1e-4 if dtype is np.float32 else 1e-11)
