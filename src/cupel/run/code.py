"""The version of the code that measured: a digest of the package's own sources."""

from __future__ import annotations

import hashlib
from pathlib import Path


def code_digest() -> str:
    """Digest of every Python file of the package, so that a resumed run can tell whether the code is the same."""
    root = Path(__file__).parents[1]
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
