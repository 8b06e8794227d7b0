"""Downloads, from a server on this machine that cuts them off, changes them, or is not there."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading

import pytest

from chainrule.data import download
from chainrule.data.download import Known, fetch
from chainrule.errors import DataFileError
from tests.data.server import Server, serving

DATA = bytes(k * k % 251 for k in range(300_000))
KNOWN = Known("file.gz", len(DATA), hashlib.md5(DATA).hexdigest())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    with serving(Server({"file.gz": DATA})) as server:
        yield server


def test_a_file_comes_whole_and_leaves_nothing_beside_it(tmp_path, server):
    path = tmp_path / "new" / "folder" / "file.gz"
    fetch(KNOWN, [server.address], str(path))
    assert path.read_bytes() == DATA
    assert os.listdir(path.parent) == ["file.gz"]
    fetch(KNOWN, [server.address], str(path))
    assert server.asked == [("file.gz", None)]  # it was there the second time


def test_a_download_that_breaks_off_goes_on_where_it_stopped(tmp_path, server):
    server.cuts = [100_000, 50_000]
    fetch(KNOWN, [server.address], str(tmp_path / "file.gz"))
    assert (tmp_path / "file.gz").read_bytes() == DATA
    assert [asked for _, asked in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_so_does_the_next_call(tmp_path, server):
    path = tmp_path / "file.gz"
    server.cuts = [100_000, 0]  # then not a byte: this server is given up
    with pytest.raises(DataFileError, match=r"100,000 of 300,000 bytes"):
        fetch(KNOWN, [server.address], str(path))
    assert not path.exists() and (tmp_path / "file.gz.part").read_bytes() == DATA[:100_000]
    fetch(KNOWN, [server.address], str(path))
    assert path.read_bytes() == DATA
    assert server.asked[-1] == ("file.gz", "bytes=100000-")


def test_a_server_that_knows_no_ranges_sends_it_all_again(tmp_path, server):
    server.cuts, server.knows_ranges = [100_000], False
    fetch(KNOWN, [server.address], str(tmp_path / "file.gz"))
    assert (tmp_path / "file.gz").read_bytes() == DATA


@pytest.mark.parametrize(
    "part", [b"another file's", DATA[:-1] + b"\0", DATA + b"more", bytes(len(DATA))]
)
def test_a_part_of_something_else_is_not_gone_on_with(tmp_path, server, part):
    (tmp_path / "file.gz.part").write_bytes(part)
    fetch(KNOWN, [server.address], str(tmp_path / "file.gz"))
    assert (tmp_path / "file.gz").read_bytes() == DATA


def test_a_part_longer_than_what_the_server_has_is_begun_anew(tmp_path, server):
    server.files["file.gz"] = DATA[:1000]
    (tmp_path / "file.gz.part").write_bytes(DATA[:2000])
    with pytest.raises(DataFileError, match="no more than 1,000 bytes"):
        fetch(KNOWN, [server.address], str(tmp_path / "file.gz"))
    assert [part for _, part in server.asked] == ["bytes=2000-", None, "bytes=1000-"]


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (DATA[:-1] + b"\0", "altered there or on the way"),
        (DATA + b"more", "it sends more than the 300,000 bytes"),
        (DATA[:-1], "the server's file has no more than 299,999 bytes"),
        (b"", "0 of 300,000 bytes"),
    ],
    ids=["altered", "longer", "shorter", "empty"],
)
def test_a_file_that_is_not_the_known_one_is_refused(tmp_path, server, served, message):
    server.files["file.gz"] = served
    path = tmp_path / "file.gz"
    with pytest.raises(DataFileError, match=message) as caught:
        fetch(KNOWN, [server.address], str(path))
    assert f"{server.address}file.gz: " in str(caught.value)
    assert not path.exists()


def test_the_next_address_is_tried(tmp_path, server):
    addresses = ["http://127.0.0.1:9/", server.address + "nothing/", server.address]
    fetch(KNOWN, addresses, str(tmp_path / "file.gz"))
    assert (tmp_path / "file.gz").read_bytes() == DATA


def test_every_address_says_why_it_failed(tmp_path, server):
    addresses = ["http://127.0.0.1:9/", server.address + "nothing/"]
    with pytest.raises(DataFileError, match=r"file\.gz could not be downloaded") as caught:
        fetch(KNOWN, addresses, str(tmp_path / "file.gz"))
    assert "127.0.0.1:9/file.gz: [Errno" in str(caught.value)  # refused, in the system's words
    assert "nothing/file.gz: the server says 404 Not Found" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there: the checksum finds it")
def test_two_at_once_download_it_once(tmp_path, server):
    path, failures = tmp_path / "file.gz", []

    def one():
        try:
            fetch(KNOWN, [server.address], str(path))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and path.read_bytes() == DATA
    assert len(server.asked) == 1 and os.listdir(tmp_path) == ["file.gz"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_told_in_a_terminal_and_wiped(tmp_path, server, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch(KNOWN, [server.address], str(tmp_path / "file.gz"))
    said = sys.stderr.getvalue()
    assert "\rfile.gz  22% of 0.3 MB" in said
    assert said.endswith("\r") and not said.split("\r")[-2].strip()


@pytest.mark.parametrize(
    ("name", "value", "stream"),
    [("TERM", "dumb", Terminal), ("NO_COLOR", "1", Terminal), ("TERM", "xterm", io.StringIO)],
)
def test_and_nowhere_else(tmp_path, server, monkeypatch, name, value, stream):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", stream())
    fetch(KNOWN, [server.address], str(tmp_path / "file.gz"))
    assert sys.stderr.getvalue() == ""
