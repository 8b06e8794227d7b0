"""Files written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from chainrule.data.whole_file import whole_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX's")


def test_the_new_bytes_replace_the_old_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write_and_fail():
        with whole_file(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@posix
def test_a_full_disk_and_the_rest_are_said_of_the_file_that_was_asked_for(tmp_path):
    full = textwrap.dedent("""
        import resource, signal, sys
        from chainrule.data.whole_file import whole_file

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with whole_file("file") as file:
                file.write(bytes(100_000))
        except OSError as error:
            print(error)
    """)
    (tmp_path / "file").write_bytes(b"old")
    said = subprocess.run(
        [sys.executable, "-c", full], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert said.endswith("File too large: 'file'\n")
    assert (tmp_path / "file").read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(IsADirectoryError) as raised, whole_file(path) as file:
        file.write(b"x")
    assert str(raised.value).endswith(f"Is a directory: {str(path)!r}")
    with pytest.raises(FileNotFoundError) as raised, whole_file(tmp_path / "no" / "file"):
        pass
    assert str(raised.value).endswith(f"{str(tmp_path / 'no' / 'file')!r}")


def test_a_name_without_a_folder_is_in_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with whole_file("file") as file:
        file.write(b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_folder_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "no" / "file"):
        pass


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with whole_file(link) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"


@posix
def test_the_umask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "file") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_what_a_killed_writer_left_is_swept_once_it_is_old(tmp_path):
    old, young = (tmp_path / f".file.{digit * 16}.part" for digit in "ab")
    others = [tmp_path / ".another.aaaaaaaaaaaaaaaa.part", tmp_path / ".file.notes.part"]
    for path in (old, young, *others):
        path.write_bytes(b"half")
    hours_ago = time.time() - 7200
    for path in (old, *others):
        os.utime(path, (hours_ago, hours_ago))
    with whole_file(tmp_path / "file") as file:
        file.write(b"x")
    assert not old.exists() and young.exists() and all(path.exists() for path in others)
