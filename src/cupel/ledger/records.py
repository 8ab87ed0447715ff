"""Record files: one JSON object a line, appended by one writer, readable after a crash at any moment.

A torn last line (a writer was killed while writing) is ignored; a damaged line elsewhere is counted, not fatal.
Reading parses JSON and nothing else.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """The value with what strict JSON cannot say replaced by None (NaN, infinities), and tuples by lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


class RecordWriter:
    """Appends records to one file; the only writer of that file.

    Each call writes whole lines in one system call, so that a reader meets at most one torn line, the last.

    Args:
        path: the file; its folder must exist.

    Raises:
        OSError: the file cannot be written (full disk, rights); the caller decides what that ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_torn = False
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            self._is_torn = True  # by an earlier writer

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record of a kind."""
        self.write_text(json.dumps({"kind": kind, **plain(fields)}, separators=(",", ":"), allow_nan=False) + "\n")

    def write_text(self, lines: str) -> None:
        """Append whole lines that are JSON already."""
        data = (b"\n" if self._is_torn else b"") + lines.encode()
        while data:
            # a full disk may take a part and then refuse: the next record then starts on a line of its own
            written = os.write(self._descriptor, data)
            data = data[written:]
            self._is_torn = bool(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a file in order; none where the file is absent. Lines that are no JSON objects are passed over."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for line in data.split(b"\n"):
        record = parse_record(line)
        if record is not None:
            yield record


def parse_record(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None where there is none."""
    if not line.strip():
        return None
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("kind"), str) else None


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file whole or not at all: to a neighbour first, then renamed into place."""
    text = json.dumps(plain(data), indent=1, allow_nan=False) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
