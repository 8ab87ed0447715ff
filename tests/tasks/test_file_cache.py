"""Made files are made once, whole, and again when they are damaged."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cupel.spec import UsageError
from cupel.tasks.data import file_cache
from cupel.tasks.data.file_cache import LIST_NAME, cache_root, cached_folder, is_whole, users_folder

CONTENT = {"a/one.bin": b"one" * 100, "two.bin": b"two"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self, folder: Path) -> None:
        self.num_calls += 1
        for name, content in CONTENT.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)


def content_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LIST_NAME]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_are_made_once(cache):
    make = Maker()
    assert cached_folder("files-v1", make) == cached_folder("files-v1", make) == cache / "files-v1"
    assert make.num_calls == 1
    assert content_of(cache / "files-v1") == CONTENT


def spoil_by_flipping(folder: Path) -> None:
    (folder / "two.bin").write_bytes(b"twa")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / "two.bin").unlink(), id="a file is missing"),
        pytest.param(lambda folder: (folder / "two.bin").write_bytes(b""), id="a file is cut off"),
        pytest.param(spoil_by_flipping, id="a byte is wrong"),
        pytest.param(lambda folder: (folder / LIST_NAME).unlink(), id="no list"),
        pytest.param(lambda folder: (folder / LIST_NAME).write_text('{"a'), id="half a list"),
        pytest.param(lambda folder: (folder / LIST_NAME).write_text("[1, 2]"), id="another list"),
    ],
)
def test_a_damaged_folder_is_made_anew(cache, spoil):
    make = Maker()
    folder = cached_folder("files", make)
    spoil(folder)
    assert not is_whole(folder)
    assert cached_folder("files", make) == folder
    assert make.num_calls == 2
    assert content_of(folder) == CONTENT
    assert {path.name for path in cache.iterdir()} == {"files", ".files.lock"}


def test_what_fails_leaves_nothing_and_what_was_left_half_made_is_removed(cache):
    def fail(folder: Path) -> None:
        (folder / "half").write_bytes(b"1")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cached_folder("files", fail)
    assert [path.name for path in cache.iterdir()] == [".files.lock"]
    (cache / ".files.0123.part").mkdir()
    cached_folder("files", Maker())
    assert not (cache / ".files.0123.part").exists()


def test_the_one_who_comes_second_takes_the_folder_of_the_first(cache):
    def make_while_another_does(folder: Path) -> None:
        Maker()(folder)
        other = cache / "other"
        other.mkdir()
        Maker()(other)
        listed = {name: (len(text), file_cache.zlib.crc32(text)) for name, text in CONTENT.items()}
        (other / LIST_NAME).write_text(json.dumps(listed))
        (other / "mark").write_text("of the first")
        other.rename(cache / "files")

    folder = cached_folder("files", make_while_another_does)
    assert (folder / "mark").exists()
    assert is_whole(folder)


def test_processes_that_start_together_make_the_files_once(cache, tmp_path):
    code = """
import sys, time
from pathlib import Path
from cupel.tasks.data.file_cache import cached_folder
def make(folder):
    with Path(sys.argv[1]).open("a") as log:
        log.write("made\\n")
    time.sleep(0.2)
    (folder / "file").write_bytes(b"x" * 100)
assert (cached_folder("files", make) / "file").stat().st_size == 100
"""
    log = tmp_path / "log"
    processes = [subprocess.Popen([sys.executable, "-c", code, str(log)]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert log.read_text() == "made\n"


def test_large_folders_are_checked_by_size_alone(monkeypatch):
    folder = cached_folder("files", Maker())
    monkeypatch.setattr(file_cache, "MOST_CHECKED_BYTES", 10)
    spoil_by_flipping(folder)
    assert is_whole(folder)
    (folder / "two.bin").write_bytes(b"")
    assert not is_whole(folder)


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.delenv("CUPEL_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_root() == Path("/somewhere/cupel")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == Path.home() / ".cache" / "cupel"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_root() == Path.home() / "Library" / "Caches" / "cupel"


@pytest.mark.parametrize("place", ["file", "/proc/absent"])
def test_a_cache_that_cannot_be_written_is_refused_in_words(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CUPEL_CACHE", str(tmp_path / place))
    with pytest.raises(UsageError, match=r"cannot be written: .*\. Set CUPEL_CACHE to a folder that can"):
        cached_folder("files", Maker())


def test_a_full_disk_is_left_for_the_record_to_tell():
    def make(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    with pytest.raises(OSError, match="No space left"):
        cached_folder("files", make)


def test_a_users_folder_is_taken_or_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.delenv("CUPEL_X", raising=False)
    assert users_folder("CUPEL_X", "photographs") is None
    monkeypatch.setenv("CUPEL_X", str(tmp_path))
    assert users_folder("CUPEL_X", "photographs") == tmp_path
    monkeypatch.setenv("CUPEL_X", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match=r"CUPEL_X names .*absent', which is no folder; expected photographs"):
        users_folder("CUPEL_X", "photographs")
    assert os.environ["CUPEL_X"]
