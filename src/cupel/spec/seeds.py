"""Named seed streams: one integer in, independent seeds by name out.

A stream is named after the source of variation that it controls (`init`, `order`, `data`, `dropout`, ...), so that
one source can be varied while the others stand still. Seeds are hashes, never offsets: neighbouring roots share
nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Seeds:
    """Seeds by name, derived from one root.

    Example:
        >>> Seeds(0).seed("init") == Seeds(0).seed("init")
        True
        >>> Seeds(0).seed("init") == Seeds(0).seed("data")
        False
    """

    root: int

    def seed(self, *names: str | int) -> int:
        """A seed in [0, 2**63), the same for the same root and names on every machine."""
        text = "/".join(str(part) for part in (self.root, *names))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1

    def child(self, *names: str | int) -> Seeds:
        """Seeds below a name, for a part that has streams of its own."""
        return Seeds(self.seed(*names))


@dataclass(frozen=True)
class TrialSeeds(Seeds):
    """Seeds of one trial: what varies has other seeds in each trial, the rest the same in all.

    Args:
        root: root of the run.
        trial: index or name of the trial; all arms of a pair have the same.
        varies: names of the streams that differ from trial to trial.

    Example:
        >>> first, second = (TrialSeeds(0, trial, ("init",)) for trial in (0, 1))
        >>> first.seed("init") == second.seed("init"), first.seed("split") == second.seed("split")
        (False, True)
    """

    trial: int | str = 0
    varies: tuple[str, ...] = ()

    def seed(self, *names: str | int) -> int:
        """A seed in [0, 2**63): of this trial where the first name is one that varies, else of the run."""
        if names and names[0] in self.varies:
            return super().seed("trial", self.trial, *names)
        return super().seed(*names)
