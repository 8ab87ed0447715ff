"""Arrays in numpy's files (npz, npy), read without ever executing what is in them."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
PICKLED = (
    "it holds Python objects in pickled form, and reading those would run code. Where you trust it, write it again as "
    "plain arrays: data = numpy.load(FILE, allow_pickle=True).item(); numpy.savez('results.npz', **data)"
)


def is_npz(data: bytes) -> bool:
    """Whether a zip archive holds arrays alone."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an archive, by name.

    Raises:
        UsageError: it is damaged, or holds Python objects (without the name of the file).
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                # the whole member first: its checksum then stands before anything is made of it
                found[name.removesuffix(".npy")] = read_npy(archive.read(name), name.removesuffix(".npy"))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"the archive of arrays is damaged: {error}. Write it again with numpy.savez.") from error
    return found


def read_npy(data: bytes, name: str) -> NDArray[Any]:
    """One array.

    Raises:
        UsageError: it is damaged, or holds Python objects (without the name of the file).
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if dtype.hasobject:
            raise UsageError(f"the array {name!r} is refused: {PICKLED}")
        needed, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
        if any(size < 0 for size in shape) or needed != there:
            raise UsageError(f"the array {name!r} is cut short or damaged: {needed} bytes expected, {there} found.")
        stream.seek(0)
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except (ValueError, TypeError, SyntaxError, EOFError, MemoryError, OverflowError, tokenize.TokenError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"the array {name!r} is damaged: {error}.") from error
