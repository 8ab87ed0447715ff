"""A job: one launch, check or trial as data, and its identity.

A job says all that a worker needs and nothing else: it can be printed, hashed, stored and replayed. Its id is a hash of
what was asked (entry, kind, size, settings, seed, launch index, ranks) and of the entry's source. A setting at its
default has no part in the id, so a new setting leaves old ids alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cupel.spec.card import Scalar

ID_DIGITS = 12
SHARING = ("devices", "strategy")
"""Settings that say how work is shared out, and not what it is."""
ONE_BATCH = "tp"
"""The strategy whose ranks all have the same data, so that its items count once."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One launch (or one `sane` check) of a workload, or one trial, instance or launch of a claim.

    Args:
        entry: `kind/stem` of the entry (`workload/matmul`).
        source: path of the entry's file.
        digest: digest of that file's text.
        module: the name to import it by; empty for a file outside any package.
        kind: `launch` to measure, `sane` to check the work; of a claim `trial` of an arm, `instance` of an exact
            statement, `recompute` of a published one, `space` to read what may be tuned.
        size: name of the size.
        sizes: its numbers, overrides included.
        overrides: those of `sizes` that differ from the card's.
        settings: the settings that differ from their defaults.
        device: `cpu`, `cuda:0`, ...
        threads: intra-op threads.
        seed: root of the job's seed streams.
        launch: index of the launch, trial or instance, from 0.
        ranks: number of processes.
        stepping_s: seconds to go on stepping.
        timeout_s: seconds after which the job is ended.
        arm: of a claim, the arm; empty for jobs that have none.
        hp: the arm's hyperparameters.
        stream: `tuning` where the trial's seeds are those of tuning, never those of the verdict.
        varies: of a claim, the sources of variation that seeds vary; those of the card where None.
    """

    entry: str
    source: str
    digest: str
    module: str = ""
    kind: Literal["launch", "sane", "trial", "instance", "recompute", "space"] = "launch"
    size: str = "small"
    sizes: Mapping[str, Scalar] = field(default_factory=dict)
    overrides: Mapping[str, Scalar] = field(default_factory=dict)
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    launch: int = 0
    ranks: int = 1
    stepping_s: float = 3.0
    timeout_s: float = 240.0
    arm: str = ""
    hp: Mapping[str, Scalar] = field(default_factory=dict)
    stream: str = ""
    varies: tuple[str, ...] | None = None

    @property
    def stem(self) -> str:
        """The entry's name without its kind."""
        return self.entry.partition("/")[2]

    @property
    def cell(self) -> str:
        """What launches have in common: the work, that is entry, size and settings, in words that sort."""
        return cell_key(self.entry, self.size, self.overrides, self.settings)

    @property
    def id(self) -> str:
        """The job's name on disk: stem, size and launch for people, a hash for identity."""
        asked: dict[str, Any] = {
            "entry": self.entry,
            "digest": self.digest,
            "kind": self.kind,
            "size": self.size,
            "seed": self.seed,
            "launch": self.launch,
            "device": self.device,
        }
        optional: tuple[tuple[str, Any, Any], ...] = (
            ("overrides", dict(self.overrides), {}),
            ("settings", dict(self.settings), {}),
            ("threads", self.threads, 1),
            ("ranks", self.ranks, 1),
            ("arm", self.arm, ""),
            ("hp", dict(self.hp), {}),
            ("stream", self.stream, ""),
            ("varies", self.varies, None),
        )
        asked |= {name: value for name, value, default in optional if value != default}
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        mark = hashlib.blake2b(text.encode(), digest_size=ID_DIGITS // 2).hexdigest()
        label = "sane" if self.kind == "sane" else f"{self.launch:03d}"
        parts = (self.stem, self.size, *((self.arm,) if self.arm else ()), label, mark)
        return ".".join(parts)

    @property
    def counts_once(self) -> bool:
        """Whether all ranks do the same items together, each a part of the work on them."""
        is_joint = self.ranks > 1 and self.settings.get("devices", "all") == "all"
        return is_joint and self.settings.get("strategy") == ONE_BATCH

    def as_dict(self) -> dict[str, Any]:
        """The job as plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Job:
        """A job from plain data; keys that a newer version wrote are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in data.items() if k in known}
        if values.get("varies") is not None:
            values["varies"] = tuple(values["varies"])
        return cls(**values)


def cell_key(entry: str, size: str, overrides: Mapping[str, Scalar], settings: Mapping[str, Scalar]) -> str:
    """The key that launches of one cell share: `workload/matmul small precision=bf16`.

    It names the work and not the machine, so that runs on two machines, devices or thread counts can be compared.
    """
    parts = [f"{k}={v}" for k, v in sorted({**overrides, **settings}.items())]
    return " ".join([entry, size, *parts])


def digest_text(text: str) -> str:
    """Digest of an entry's source; line ends and trailing blanks have no part in it."""
    plain = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    return hashlib.blake2b(plain.encode(), digest_size=8).hexdigest()
