"""Folders of made files, kept between runs: made once, whole or not at all, and made anew where they are damaged.

A folder lies in `$CUPEL_CACHE`, else in the user's own cache folder. It is written beside its place under another name
and moved there in one step, with a list of its files (`made.json`: names, sizes, checksums) as the last thing written.
A lock keeps a second process from making the same files meanwhile; where the file system has no locks both make them,
and the first one done wins. A complete folder is only read, so that a cache may be read-only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from cupel.spec import Slot, UsageError
from cupel.spec.errors import MissingExtraError
from cupel.spec.extras import has_extra, install_line

ENVIRONMENT = "CUPEL_CACHE"
LIST_NAME = "made.json"
CHUNK_BYTES = 2**22
MOST_CHECKED_BYTES = 2**30
"""Folders larger than this are checked by the sizes of their files alone, since reading them would take too long."""


def cache_root() -> Path:
    """The folder that holds all made files: `$CUPEL_CACHE`, else `cupel` in the user's cache folder."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "cupel"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cupel"


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name, made if it is absent or damaged.

    Args:
        name: name of the folder; everything that decides its content belongs in it, a version of the code included.
        make: writes the files into the empty folder that it is given; must write the same ones each time.

    Returns:
        The folder's path; it holds the files that `make` wrote, and their list.

    Raises:
        UsageError: the folder is absent and the cache cannot be written.
    """
    folder = cache_root() / name
    if is_whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f".{folder.name}.lock")):
            if not is_whole(folder):
                _make_anew(folder, make)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOENT, errno.ENOTDIR):
            raise  # a full disk is told apart by who reads the record
        raise UsageError(
            f"The made files {folder} cannot be written: {error.strerror}. "
            f"Set {ENVIRONMENT} to a folder that can, on the disk that is to be measured."
        ) from error
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a folder has all the files of its list, with the sizes and checksums that they were made with."""
    try:
        listed = json.loads((folder / LIST_NAME).read_text(encoding="utf-8"))
        files = {str(name): (int(size), int(checksum)) for name, (size, checksum) in listed.items()}
        if any((folder / name).stat().st_size != size for name, (size, _) in files.items()):
            return False
        if sum(size for size, _ in files.values()) > MOST_CHECKED_BYTES:
            return True
        return all(_checksum(folder / name) == checksum for name, (_, checksum) in files.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def _make_anew(folder: Path, make: Callable[[Path], None]) -> None:
    """Make the folder beside its place, then put it there; what a killed process left half-made is removed."""
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        shutil.rmtree(left, ignore_errors=True)
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    part.mkdir()
    try:
        make(part)
        paths = sorted(path for path in part.rglob("*") if path.is_file())
        files = {path.relative_to(part).as_posix(): (path.stat().st_size, _checksum(path)) for path in paths}
        (part / LIST_NAME).write_text(json.dumps(files), encoding="utf-8")
        _put(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, folder: Path) -> None:
    """Move a made folder to its place, where a damaged one may lie; another process's whole one stays."""
    with contextlib.suppress(OSError):  # not empty: something lies there already
        part.rename(folder)
        return
    if is_whole(folder):
        return
    damaged = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    folder.rename(damaged)
    shutil.rmtree(damaged, ignore_errors=True)
    part.rename(folder)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process; nothing where the file system has none."""
    import fcntl

    with path.open("ab") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _checksum(path: Path) -> int:
    """CRC-32 of a file."""
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def users_folder(environment: str, what: str) -> Path | None:
    """A folder of the user's own files, named by an environment variable; None where it names none.

    Args:
        environment: name of the variable.
        what: what the folder should hold, in words.

    Raises:
        UsageError: it names something that is no folder.
    """
    named = os.environ.get(environment)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise UsageError(f"{environment} names {named!r}, which is no folder; expected {what}, or unset it.")
    return folder


def note_owner(slot: Slot, environment: str, *, num_files: int) -> None:
    """Leave a note in the run's records where its files are the user's own: its rate is then of these files."""
    named = os.environ.get(environment)
    if named:
        slot.note(f"the data are {num_files:,} files of the user's own, in {named} ({environment})")


def need_media(what: str) -> None:
    """Refuse in words where what decodes files is not installed.

    Args:
        what: what needs which package, in words.

    Raises:
        MissingExtraError: the extra `media` is not installed.
    """
    if not has_extra("media"):
        raise MissingExtraError(f"{what}. Install it: {install_line(('media',))}")


def users_path(environment: str, what: str) -> Path | None:
    """A file or folder of the user's own, named by an environment variable; None where it names none.

    Args:
        environment: name of the variable.
        what: what should be there, in words.

    Raises:
        UsageError: there is nothing of that name.
    """
    named = os.environ.get(environment)
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.exists():
        raise UsageError(f"{environment} names {named!r}, which is not there; expected {what}, or unset it.")
    return path
