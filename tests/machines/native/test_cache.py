import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule.machines.native import cache

ENTRY = {"object": bytes(range(256)) * 3, "meta": {"names": ["body"], "threads": 2}}
KEY = "0" * 64

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners of POSIX")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "ours"))
    monkeypatch.setattr(cache, "_identity", lambda: b"this set-up")
    return tmp_path / "ours"


def entry_file(folder):
    return folder / f"{KEY}.object"


# ---------------------------------------------------------------------- keys


def test_a_key_covers_every_part_and_the_borders_between_them():
    keys = [
        cache.key(parts)
        for parts in ([], ["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["c", "ab"], [b"\x00"])
    ]
    assert len(set(keys)) == len(keys)
    assert cache.key(["é"]) == cache.key(["é".encode()])


@pytest.mark.parametrize("name", ["_sources", "_llvm", "_cpu"])
def test_a_key_covers_the_set_up(monkeypatch, name):
    monkeypatch.setattr(cache, "_sources", lambda: "sources")
    here = cache._identity.__wrapped__()
    monkeypatch.setattr(cache, name, lambda: "another")
    assert cache._identity.__wrapped__() != here


def test_a_key_covers_the_versions(monkeypatch):
    monkeypatch.setattr(cache, "_sources", lambda: "sources")
    here = cache._identity.__wrapped__()
    monkeypatch.setattr(cache.np, "__version__", "0.0")
    assert cache._identity.__wrapped__() != here


def test_the_set_up_is_the_same_at_every_look():
    assert cache._cpu() == cache._cpu()
    assert cache._llvm() == cache._llvm() != []


def test_the_set_up_is_found_without_importing_llvm():
    code = (
        "import sys; from chainrule.machines.native import cache; cache.key(['x']);"
        "assert not [m for m in sys.modules if m.startswith('llvmlite')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_changed_source_is_another_key(tmp_path, monkeypatch):
    for room in cache._ROOMS:
        (tmp_path / room / "__pycache__").mkdir(parents=True)
        (tmp_path / room / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(cache, "_PACKAGE", str(tmp_path))
    monkeypatch.setattr(cache, "_BEGAN", time.time() + 60)
    before = cache._sources()
    assert before == cache._sources() is not None
    source = tmp_path / cache._ROOMS[0] / "a.py"
    times = source.stat().st_mtime_ns
    source.write_text("x = 2\n")  # neither size nor date tell
    os.utime(source, ns=(times, times))
    assert cache._sources() not in (before, None)
    (tmp_path / cache._ROOMS[0] / "__pycache__" / "a.pyc").write_bytes(b"1")
    source.write_text("x = 1\n")
    assert cache._sources() == before


def test_sources_newer_than_the_process_switch_the_cache_off(monkeypatch):
    monkeypatch.setattr(cache, "_BEGAN", 0.0)
    assert cache._sources() is None
    monkeypatch.setattr(cache, "_identity", lambda: None)
    assert cache.store(KEY, ENTRY) is False
    assert cache.load(KEY) is None


def test_the_process_began_a_little_while_ago():
    assert time.time() - 24 * 3600 < cache._BEGAN <= time.time()


# ---------------------------------------------------------------------- entries


def test_what_is_stored_is_loaded(folder):
    assert cache.load(KEY) is None
    assert cache.store(KEY, ENTRY) is True
    assert cache.load(KEY) == ENTRY
    assert os.listdir(folder) == [f"{KEY}.object"]


@posix
def test_folder_and_files_are_for_the_owner_only(folder):
    before = os.umask(0)
    try:
        cache.store(KEY, ENTRY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry_file(folder).stat().st_mode) == 0o600


def test_no_damaged_entry_is_loaded():
    data = cache._encoded(KEY, ENTRY)
    assert cache._decoded(KEY, data) == ENTRY
    for length in range(len(data)):
        assert cache._decoded(KEY, data[:length]) is None
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= flip
            assert cache._decoded(KEY, bytes(damaged)) is None, place
    assert cache._decoded(KEY, data + b"\0") is None
    assert cache._decoded("1" * 64, data) is None


@pytest.mark.parametrize("data", [b"", b"\0" * 10_000, b"\x7fELF" * 100])
def test_a_damaged_file_is_deleted(folder, data):
    cache.store(KEY, ENTRY)
    entry_file(folder).write_bytes(data)
    assert cache.load(KEY) is None
    assert not entry_file(folder).exists()
    assert cache.store(KEY, ENTRY)
    assert cache.load(KEY) == ENTRY


@posix
def test_links_and_files_of_others_are_not_believed(folder, monkeypatch):
    cache.store(KEY, ENTRY)
    path = entry_file(folder)
    elsewhere = folder / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert cache.load(KEY) is None
    assert not path.is_symlink() and elsewhere.exists()

    cache.store(KEY, ENTRY)
    path.chmod(0o620)
    assert cache.load(KEY) is None

    os.mkfifo(path)
    assert cache.load(KEY) is None

    cache.store(KEY, ENTRY)
    real, ours = os.fstat, os.geteuid()
    monkeypatch.setattr(
        cache.os, "fstat", lambda fd: os.stat_result([*real(fd)[:4], ours + 1, *real(fd)[5:]])
    )
    assert cache.load(KEY) is None


@posix
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_is_not_used(folder, mode):
    cache.store(KEY, ENTRY)
    folder.chmod(mode)
    assert cache.load(KEY) is None
    assert cache.store(KEY, ENTRY) is False
    folder.chmod(0o755)
    assert cache.load(KEY) == ENTRY


@posix
def test_a_folder_of_somebody_else_is_not_used(folder, monkeypatch):
    cache.store(KEY, ENTRY)
    ours = os.geteuid()
    monkeypatch.setattr(cache.os, "geteuid", lambda: ours + 1)
    assert cache.load(KEY) is None
    assert cache.store(KEY, ENTRY) is False


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "file" / "ours"))
    assert cache.store(KEY, ENTRY) is False
    assert cache.load(KEY) is None


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch, name, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache.os, name, fail)
    assert cache.store(KEY, ENTRY) is False
    assert os.listdir(folder) == []
    assert cache.load(KEY) is None


# ---------------------------------------------------------------------- where, how much


@pytest.mark.parametrize("word", ["", " ", "off", "OFF"])
def test_the_cache_can_be_switched_off(monkeypatch, word):
    monkeypatch.setenv("CHAINRULE_CACHE", word)
    assert cache._wanted_folder() is None
    assert cache.store(KEY, ENTRY) is False
    assert cache.load(KEY) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG base directory specification")
def test_the_folder_follows_the_specification(monkeypatch, tmp_path):
    monkeypatch.delenv("CHAINRULE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Path(cache._wanted_folder()) == tmp_path / "xdg" / "chainrule"
    for relative in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert Path(cache._wanted_folder()) == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("CHAINRULE_CACHE", "~/here")
    assert Path(cache._wanted_folder()) == tmp_path / "here"


def test_entries_used_longest_ago_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "_LIMIT", 10_000)
    monkeypatch.setattr(cache, "_stores", iter([1] * 9 + [0]))
    entry = {"object": bytes(1500), "meta": None}
    folder.mkdir(mode=0o700)
    (folder / "thesis.part").write_text("the user's own")
    os.utime(folder / "thesis.part", (0, 0))
    killed = folder / f".{KEY}.{'0' * 16}.part"
    killed.write_bytes(b"half")
    os.utime(killed, (0, 0))
    now = time.time()
    for k in range(10):
        name = f"{k:064}"
        if k == 9:
            assert cache.load(f"{0:064}") == entry  # used again: its date is now
        assert cache.store(name, entry)
        if k != 9:
            os.utime(folder / f"{name}.object", (now - 90_000 + k, now - 90_000 + k))
    left = sorted(int(path.name[:64]) for path in folder.glob("*.object"))
    assert left == [0, 7, 8, 9]  # four times some 1560 bytes are within three quarters of 10,000
    assert (folder / "thesis.part").exists() and not killed.exists()


def test_an_entry_too_large_for_the_cache_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(cache, "_LIMIT", 2000)
    assert cache.store(KEY, ENTRY) is False


WRITER = """
import sys
from chainrule.machines.native import cache
cache._identity = lambda: b"this set-up"
for round in range(60):
    for name in "0", "1":
        assert cache.store(name * 64, {"object": bytes([round]) * 5000, "meta": round})
        found = cache.load(name * 64)
        assert found is not None and found["object"] == bytes([found["meta"]]) * 5000
"""


def test_processes_that_store_at_once_see_whole_entries_only(folder):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert sorted(os.listdir(folder)) == ["0" * 64 + ".object", "1" * 64 + ".object"]
