"""The card of a claim: the sentence "A beats B" of a paper, made of statements that can be shown or refuted."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cupel.spec.card import SIZES, Scalar
from cupel.spec.errors import CardError, UnknownNameError
from cupel.spec.statement import PAIRED, WITH_ARMS, Statement, read_statement

SOURCES_OF_VARIATION = ("split", "order", "augmentation", "init", "dropout", "hpo", "sampling", "instance")
"""What a seed may control; `sampling` is the method's own randomness, `instance` the problem that is posed."""
MOST_PAIRS = {"tiny": 8, "small": 40, "full": 50}
"""Pairs of trials at most, where the card does not say otherwise."""
INSTANCES = {"tiny": 8, "small": 60, "full": 300}
"""Instances that an exact statement is tried on: 60 without a failure bound the share of failures by 5 % at 95 %."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The card of a claim.

    Args:
        says: the claim in one sentence, as the paper would say it.
        source: the paper.
        statements: a dict per statement (`cupel.spec.statement.Statement` says with which keys); the first is the
            headline.
        published: the paper's own figures as published, with what they were measured on; never compared with a run.
        kept: what of the paper's setting the sizes keep.
        smaller: what is smaller or other than in the paper at `small`, and at `full`.
        arms: the arms by name, each in words: `method`, `baseline`, and ablations; for kinds that have arms.
        varies: the sources of variation that seeds vary from trial to trial; all others stand still.
        tiny: sizes for tests: a trial of milliseconds.
        small: sizes for a laptop: a verdict within 10 minutes on 2 cores, `undecided` being an honest one.
        full: sizes at the paper's own scale.
        tags: words to select claims by.
        needs: extras of the package that must be installed.
        settings: for each setting that the claim supports, its values; the first is the default.
        most_pairs: pairs of trials at most, by size, instead of the default.
        instances: instances of an exact statement, by size, instead of the default.
        memory_gib: memory needed on the device by each size, in GiB.
    """

    says: str
    source: str
    statements: tuple[Mapping[str, Any], ...]
    tiny: Mapping[str, Scalar]
    small: Mapping[str, Scalar]
    full: Mapping[str, Scalar]
    published: str = ""
    kept: str = ""
    smaller: str = ""
    arms: Mapping[str, str] = field(default_factory=dict)
    varies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    settings: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    most_pairs: Mapping[str, int] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    memory_gib: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a card that later code could only misread."""
        for name in ("says", "source"):
            if not getattr(self, name):
                raise CardError(f"The card's {name!r} is empty; say it in words.")
        keys = {size: sorted(self.sizes(size)) for size in SIZES}
        if len({tuple(k) for k in keys.values()}) != 1:
            raise CardError(f"The sizes have different keys: {keys}; give each size the same keys.")
        for name in ("memory_gib", "most_pairs", "instances"):
            strange = set(getattr(self, name)) - set(SIZES)
            if strange:
                raise CardError(f"The card's {name!r} names {sorted(strange)}; expected sizes: {', '.join(SIZES)}.")
        for source in self.varies:
            if source not in SOURCES_OF_VARIATION:
                raise CardError(str(UnknownNameError("source of variation", source, SOURCES_OF_VARIATION)))
        self._check_statements()

    def _check_statements(self) -> None:
        if not self.statements:
            raise CardError("The card has no statements; give at least one, the headline first.")
        said = self.said
        names = [statement.name for statement in said]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CardError(f"Two statements are named {twice[0]!r}; each needs a name of its own.")
        for statement in said:
            for arm in statement.arms if statement.kind in WITH_ARMS else ():
                if arm not in self.arms:
                    raise CardError(f"Statement {statement.name!r}: {UnknownNameError('arm', arm, self.arms)}")
        if any(statement.kind in PAIRED for statement in said) and not self.varies:
            raise CardError("The card's 'varies' is empty; name what seeds vary, or all trials of an arm are the same.")

    @property
    def said(self) -> tuple[Statement, ...]:
        """The statements, the headline first."""
        return tuple(read_statement(statement) for statement in self.statements)

    @property
    def kind(self) -> str:
        """The word for this kind of entry."""
        return "claim"

    @property
    def all_settings(self) -> dict[str, tuple[Scalar, ...]]:
        """Every setting with its values, the default first."""
        return dict(self.settings)

    @property
    def functions(self) -> tuple[str, ...]:
        """What the module must define for the kinds of its statements."""
        kinds = {statement.kind for statement in self.said}
        found: list[str] = []
        if kinds & set(WITH_ARMS):
            found.append("task")
        if kinds & set(PAIRED):
            found += self.arms
        if "exact" in kinds:
            found += ["instance", "check"]
        if "published" in kinds:
            found.append("recompute")
        return tuple(found)

    def pairs(self, size: str) -> int:
        """Pairs of trials at most at a size."""
        return self.most_pairs.get(size, MOST_PAIRS[size])

    def num_instances(self, size: str) -> int:
        """Instances of an exact statement at a size."""
        return self.instances.get(size, INSTANCES[size])

    def sizes(self, size: str) -> dict[str, Scalar]:
        """The numbers of one size, as a new dict."""
        return dict(getattr(self, size))

    def as_dict(self) -> dict[str, object]:
        """The card as plain data, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Claim:
        """A card from plain data; keys that a newer version wrote are ignored."""
        known = {f.name for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known}
        values["settings"] = {k: tuple(v) for k, v in values.get("settings", {}).items()}
        values["statements"] = tuple(
            {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()} for said in values["statements"]
        )
        return cls(**values)
