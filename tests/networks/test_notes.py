"""Notes of a network: kept with it in its file and in the checkpoints of its training."""

import json

import pytest

import chainrule as cr
from chainrule.errors import DataFileError
from chainrule.training import checkpoint

NOTES = {"classes": ["cat", "dog"], "mean": [0.1, 1e-300], "none": None}


def network():
    return cr.Network(cr.Dense(2, 2), cost="softmax_cross_entropy", seed=0)


def test_notes_come_back_from_the_file(tmp_path):
    net = network()
    assert net.notes == {}
    net.notes = NOTES
    net.save(tmp_path / "net.safetensors")
    assert cr.Network.load(tmp_path / "net.safetensors").notes == NOTES


def test_notes_come_back_from_a_checkpoint(tmp_path):
    net = network()
    net.notes["classes"] = ["cat", "dog"]
    x, y = cr.data.xor()
    net.fit(x, y, epochs=1, checkpoint=tmp_path / "run.safetensors", machine="interpret")
    assert cr.Network.load(tmp_path / "run.safetensors").notes == {"classes": ["cat", "dog"]}


def test_a_file_without_notes_is_read_and_one_with_other_things_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    network().save(path)
    tensors, metadata = checkpoint.load(path)
    assert json.dumps(metadata["notes"]) == "{}"
    del metadata["notes"]
    checkpoint.save(path, tensors, metadata)
    assert cr.Network.load(path).notes == {}
    checkpoint.save(path, tensors, {**metadata, "notes": ["cat"]})
    with pytest.raises(DataFileError, match="its notes are no dict"):
        cr.Network.load(path)
