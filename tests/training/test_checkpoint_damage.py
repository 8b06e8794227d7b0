"""Damaged and forged checkpoints: one error, and nothing half-loaded.

A damaged one differs from what was written in some bytes; none may be read. A forged one has
right checksums and wrong contents; it may be read where what it says makes sense.
"""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
from random import Random

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DataFileError
from chainrule.training.checkpoint import load, load_metadata, save
from chainrule.training.history import History
from chainrule.training.result import FitResult, FitState
from tests.data.damage import COUNT, damaged

RESULT = FitResult(
    parameters={"W": np.arange(6.0).reshape(2, 3), "b": [np.ones(3, np.float32), 0.5]},
    history=History({"cost": [1.0, 0.5], "seconds": [0.1, 0.1]}),
    state=FitState(
        optimizer={"step": 4.0, "velocity": np.zeros((2, 3)), "seen": np.array([True, False])},
        epochs=2,
        rows=8,
        total=0.25,
        shuffles=np.random.default_rng(0).bit_generator.state,
    ),
    epochs=2,
)


@pytest.fixture
def path(memory_folder):
    path = memory_folder / "training.safetensors"
    cr.save_fit(path, RESULT, {"layers": [2, 3]})
    return path


def split(data: bytes) -> tuple[bytes, bytes]:
    """Return header and tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], data[end:]


def sealed(header: bytes, tensors: bytes) -> bytes:
    """Return a file with the checksum that its header ought to have."""
    empty = re.sub(
        rb'"chainrule":"[0-9a-f]{64}"', b'"chainrule":"' + b"0" * 64 + b'"', header, count=1
    )
    seal = hashlib.sha256(empty).hexdigest().encode()
    return len(empty).to_bytes(8, "little") + empty.replace(b"0" * 64, seal, 1) + tensors


def forged(data: bytes, change) -> bytes:
    """Return a file whose header, as Python's JSON, was changed and sealed."""
    header, tensors = split(data)
    made = json.loads(header)
    made = change(made) or made
    return sealed(json.dumps(made, separators=(",", ":")).encode(), tensors)


def test_sealing_is_done_as_in_the_package(path):
    data = path.read_bytes()
    assert sealed(*split(data)) == data
    path.write_bytes(forged(data, lambda header: None))
    assert cr.load_fit(path).epochs == 2


def test_no_damaged_file_is_read(path):
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(DataFileError, match=r"training\.safetensors cannot be read"):
            cr.load_fit(path)


def test_no_single_bit_can_change(path):
    whole = path.read_bytes()
    for k in Random(0).sample(range(8 * len(whole)), min(COUNT, 8 * len(whole))):
        data = bytearray(whole)
        data[k // 8] ^= 1 << k % 8
        path.write_bytes(data)
        with pytest.raises(DataFileError):
            load(path)


def test_no_shorter_file_is_read(path):
    whole = path.read_bytes()
    for end in range(0, len(whole), max(1, len(whole) // COUNT)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataFileError):
            load(path)


def test_forged_headers_give_the_one_error_or_make_sense(path):
    whole = path.read_bytes()
    header, tensors = split(whole)
    read = 0
    for changed in damaged(header):
        path.write_bytes(sealed(changed, tensors))
        for reads in (load, load_metadata, cr.load_fit):
            try:
                reads(path)
                read += 1
            except DataFileError:
                pass
    assert read  # a changed name is as good as another: these went all the way


def state_of(header) -> dict:
    return json.loads(header["__metadata__"]["metadata"])


def test_forged_states_give_the_one_error_or_make_sense(path):
    whole = path.read_bytes()
    text = json.dumps(state_of(json.loads(split(whole)[0]))).encode()

    def replaced(changed):
        def change(header):
            header["__metadata__"]["metadata"] = changed.decode("latin-1")

        return change

    for changed in damaged(text):
        path.write_bytes(forged(whole, replaced(changed)))
        try:
            result = cr.load_fit(path)
        except DataFileError:
            continue
        assert type(result.state.rows) is int and type(result.state.total) is float


def entry(**changes):
    def change(header):
        header["parameters.W"].update(changes)

    return change


def text(**changes):
    def change(header):
        header["__metadata__"].update(changes)

    return change


def renamed(header):
    header["other"] = header.pop("optimizer.seen")


def reordered(header):
    return dict(reversed(header.items()))


def state(**changes):
    def change(header):
        header["__metadata__"]["metadata"] = json.dumps(state_of(header) | changes)

    return change


HUGE = 2**62


@pytest.mark.parametrize(
    "change",
    [
        entry(shape=[3, 3]), entry(shape=[-2, -3]), entry(shape=[2.0, 3.0]), entry(shape="23"),
        entry(shape=[True, 6]), entry(shape=[1] * 40 + [6]), entry(shape=[0, HUGE]),
        entry(shape=[HUGE, HUGE]), entry(shape=[10**300]), entry(shape=None),
        entry(data_offsets=[0, 48.5]), entry(data_offsets=[8, 56]), entry(data_offsets=[48, 0]),
        entry(data_offsets=[0, 48, 96]), entry(data_offsets=[0, HUGE], shape=[HUGE // 8]),
        entry(dtype="F65"), entry(dtype=["F64"]), entry(dtype="BF16"), entry(dtype="I32"),
        entry(extra=1), renamed, reordered,
        text(sha256="[]"), text(sha256="{}"), text(sha256="nonsense"), text(sha256=5),
        text(metadata="[]"), text(metadata="{"), text(metadata="[" * 100_000), text(schema="0"),
        text(schema="²"), text(schema="9" * 5000), text(note=["a list"]),
        lambda header: header.update({"__metadata__": {"chainrule": "0" * 64}}),
        lambda header: header.update({"parameters.W": 3}),
        state(kind=[]), state(kind="other"), state(parameters={}), state(parameters={"array": 1}),
        state(parameters={"array": "nothing"}), state(parameters={"set": []}), state(parameters=[]),
        state(parameters={"list": {}}), state(parameters={"dict": [["a", 1.0], ["a", 2.0]]}),
        state(parameters={"dict": [[None, 1.0]]}), state(parameters={"dict": [["a"]]}),
        state(parameters={"list": [{"array": "parameters.W"}] * 2}),
        state(parameters={"scalar": "parameters.W"}), state(parameters=1.0),
        state(epochs=-1), state(epochs=1.5), state(epochs=True), state(rows=None), state(rows="8"),
        state(total="much"), state(total=[]), state(history=[]), state(history={"cost": 3}),
        state(history={"cost": [1.0], "seconds": []}), state(history={"cost": ["a"]}),
        state(shuffles={"dict": [["bit_generator", "seed"]]}),
        state(shuffles={"dict": [["bit_generator", "PCG64"]]}),
        state(shuffles={"dict": [["bit_generator", {"dict": []}]]}),
        state(shuffles={"dict": [["bit_generator", "MT19937"],
              ["state", {"dict": [["key", {"list": [1]}], ["pos", 0]]}]]}),
        state(shuffles={"dict": [["bit_generator", "PCG64"], ["state", {"dict": [
              ["state", -1], ["inc", 2**200]]}], ["has_uint32", 0], ["uinteger", 0]]}),
        state(shuffles=5),
    ],
)  # fmt: skip
def test_a_forged_file_that_makes_no_sense_is_refused(path, change):
    path.write_bytes(forged(path.read_bytes(), change))
    before = np.random.get_state()[1].copy()
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=r"training\.safetensors cannot be read"):
            cr.load_fit(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_keys_that_are_there_twice_are_refused(path):
    header, tensors = split(path.read_bytes())
    twice = header.replace(b',"parameters.W":', b',"parameters.W":{},"parameters.W":', 1)
    assert twice != header
    path.write_bytes(sealed(twice, tensors))
    with pytest.raises(DataFileError, match="a key that is there twice"):
        load(path)


def test_bytes_that_are_neither_true_nor_false_are_refused(tmp_path):
    path = tmp_path / "file"
    save(path, {"flags": np.array([2, 1], np.uint8)}, {})

    def as_bool(header):
        header["flags"]["dtype"] = "BOOL"

    path.write_bytes(forged(path.read_bytes(), as_bool))
    with pytest.raises(DataFileError, match="neither true nor false"):
        load(path)


def test_a_length_larger_than_the_file_is_not_believed(path):
    for length in (1 << 63, (1 << 64) - 1, 10**8, len(path.read_bytes()) - 7):
        path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
        with pytest.raises(DataFileError, match="it is cut short, or is no safetensors file"):
            load(path)


@pytest.mark.parametrize("data", [b"", b"\x08" + bytes(15), b"PK\3\4" + bytes(40), b"{}" * 20])
def test_other_files_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(DataFileError, match="no safetensors file"):
        load(path)


def test_the_safetensors_package_refuses_what_it_must_too(path):
    """That the forgeries are forgeries: the package's own reader refuses those of its header."""
    safetensors = pytest.importorskip("safetensors.numpy")
    whole = path.read_bytes()
    for change in (entry(shape=[3, 3]), entry(data_offsets=[8, 56]), entry(dtype="F65")):
        path.write_bytes(forged(whole, change))
        with pytest.raises(Exception, match="deserializing"):
            safetensors.load_file(path)
