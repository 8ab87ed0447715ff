"""Where a command's words go: stdout that takes any character and may be closed or full, files that users named."""

from __future__ import annotations

import argparse
import codecs
import errno
import io
import os
import sys
from pathlib import Path

from cupel.spec.errors import UsageError

UNENCODABLE = "cupel.signs"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def make_encodable() -> None:
    """Let stdout take every character: one that its encoding lacks becomes the nearest sign in ASCII, or its escape."""
    codecs.register_error(UNENCODABLE, _nearest)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=UNENCODABLE)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    from cupel.report.words import ASCII

    signs = error.object[error.start : error.end].translate(ASCII)
    return signs.encode("ascii", "backslashreplace").decode("ascii"), error.end


def flush_output() -> None:
    """Write what is still in the buffer of stdout; nothing to do where there is none."""
    if sys.stdout is not None:
        sys.stdout.flush()


def is_output_full(error: Exception) -> bool:
    """Whether an error comes from an stdout that takes nothing more; then a line break fails too."""
    if not isinstance(error, OSError) or error.errno not in FULL or error.filename is not None:
        return False
    try:
        file = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # stdout is no file
        return False
    try:
        os.write(file, b"\n")
    except OSError:
        return True
    return False


def drop_output() -> None:
    """Send what is left in the buffer nowhere, so that the interpreter's own flush at exit is quiet."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is no file: nothing will be flushed
        return


def given_path(text: str) -> Path:
    """A path that a user named; an empty one is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; expected the name of a file or folder")
    return Path(text)


def write_file(path: Path, text: str) -> None:
    """Write a file that a user named.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8", errors=UNENCODABLE)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}. Give another file with --out.") from error
