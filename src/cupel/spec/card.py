"""Cards: what an entry says of itself, as literals.

A module with a `CARD` is a door. The card is read by parsing the file, never by importing it (`cupel.spec.catalog`),
so every argument must be a literal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cupel.spec.errors import CardError

Scalar: TypeAlias = str | int | float | bool

SIZES = ("tiny", "small", "full")
STEPPING_S = {"tiny": 0.4, "small": 3.0, "full": 30.0}
"""Seconds of stepping in one launch, by size, where the card does not say otherwise."""
TIMEOUT_S = {"tiny": 120.0, "small": 240.0, "full": 1800.0}
"""Seconds after which a job is ended, set-up and compilation included."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The card of a workload: work that a machine does.

    Args:
        measures: what the rate is of, in words (`training throughput`).
        unit: what one item is, in the plural (`images`); the rate is in unit per second.
        better: direction of the rate.
        source: paper or specification that the work is from.
        tiny: sizes for tests; at most 0.5 s of stepping.
        small: sizes for a laptop; one launch takes at most 8 s on 2 cores.
        full: sizes at the paper's own scale, for an accelerator.
        tags: words to select entries by.
        needs: extras of the package that must be installed (`torch`, `models`).
        settings: for each setting that the entry supports, its values; the first is the default.
        also: further units that a step counts (`tokens`).
        optimizer: optimiser and its settings in words; empty where nothing is trained.
        parameters: numbers that the model of `full` consists of, trained or not; 0 where there is no model.
        memory_gib: memory needed on the device by each size, in GiB.
        stepping_s: seconds of stepping in one launch, by size, instead of the default.
        bound: the physical quantity that one item is a multiple of (`flop`, `byte`), with `per_item` of them in an
        item;
            a rate above the device's peak is then refused as impossible.
        per_item: how many of `bound` make one item (1e12 for a unit of TFLOP).
        checkpoint: id of the published weights of `full` on the Hugging Face hub; the value `pretrained` of a setting
            `weights` loads them from the user's disk.
        gated: whether the hub gives them only to who has accepted their licence, by a token of theirs.
    """

    measures: str
    unit: str
    better: Literal["higher", "lower"]
    source: str
    tiny: Mapping[str, Scalar]
    small: Mapping[str, Scalar]
    full: Mapping[str, Scalar]
    tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    settings: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    optimizer: str = ""
    parameters: int = 0
    memory_gib: Mapping[str, float] = field(default_factory=dict)
    stepping_s: Mapping[str, float] = field(default_factory=dict)
    bound: Literal["", "flop", "byte"] = ""
    per_item: float = 1.0
    checkpoint: str = ""
    gated: bool = False

    def __post_init__(self) -> None:
        """Refuse a card that later code could only misread."""
        for name in ("measures", "unit", "source"):
            if not getattr(self, name):
                raise CardError(f"The card's {name!r} is empty; say it in words.")
        if self.better not in ("higher", "lower"):
            raise CardError(f"The card's 'better' is {self.better!r}; expected 'higher' or 'lower'.")
        keys = {size: set(self.sizes(size)) for size in SIZES}
        if len({frozenset(k) for k in keys.values()}) != 1:
            listed = {size: sorted(names) for size, names in keys.items()}
            raise CardError(f"The sizes have different keys: {listed}; give each size the same keys.")
        self._check_settings()
        for name in ("memory_gib", "stepping_s"):
            strange = set(getattr(self, name)) - set(SIZES)
            if strange:
                raise CardError(f"The card's {name!r} names {sorted(strange)}; expected sizes: {', '.join(SIZES)}.")
        if not self.checkpoint and (self.gated or "pretrained" in self.settings.get("weights", ())):
            raise CardError("The card's 'checkpoint' is empty; name the published weights that it says can be had.")

    def _check_settings(self) -> None:
        for name, values in self.settings.items():
            if not isinstance(values, tuple) or not values:
                raise CardError(f"The setting {name!r} is {values!r}; expected a tuple of values, the default first.")
            if name == "strategy" and values[0] == "tp":  # a job is told by what is not the default
                raise CardError("The setting 'strategy' begins with 'tp', the default then; put 'ddp' or 'fsdp' first.")

    @property
    def kind(self) -> str:
        """The word for this kind of entry."""
        return "workload"

    @property
    def all_settings(self) -> dict[str, tuple[Scalar, ...]]:
        """Every setting with its values, the default first: the entry's own, and those of every entry of its kind.

        `devices`: `one`; `each`, a process per device at once, each with work of its own; `all`, one job over all
        devices, for entries whose training can be shared out by a `strategy`.
        """
        settings = dict(self.settings)
        if "torch" in self.needs and "devices" not in settings:
            settings["devices"] = ("one", "each", "all") if "strategy" in settings else ("one", "each")
        return settings

    def sizes(self, size: str) -> dict[str, Scalar]:
        """The numbers of one size, as a new dict."""
        return dict(getattr(self, size))

    def as_dict(self) -> dict[str, object]:
        """The card as plain data, for JSON."""
        return dataclasses.asdict(self)
