"""Entries: workloads and claims as their files say them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cupel.spec.card import Workload
from cupel.spec.claim import Claim


@dataclass(frozen=True)
class FileEntry:
    """What an entry of either kind has.

    Args:
        kind: `workload` or `claim`.
        stem: the name of its file, which is its name everywhere.
        path: its file.
        digest: digest of its source.
        module: the name to import it by; None for a file outside the catalogue's packages.
    """

    kind: str
    stem: str
    path: Path
    digest: str
    module: str | None

    @property
    def key(self) -> str:
        """Its name in records: `workload/matmul`."""
        return f"{self.kind}/{self.stem}"


@dataclass(frozen=True)
class Entry(FileEntry):
    """A workload as its file says it; `card` is what it says of itself."""

    card: Workload


@dataclass(frozen=True)
class ClaimEntry(FileEntry):
    """A claim as its file says it; `card` is what it says of itself."""

    card: Claim
