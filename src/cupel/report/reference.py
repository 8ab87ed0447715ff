"""References: named recorded runs that scores are relative to, shipped with the package or any run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.side import Side

SCHEMA = 1
FOLDER = Path(__file__).parents[1] / "suites" / "references"


@dataclass(frozen=True)
class Reference:
    """Rates of a recorded run.

    Attributes:
        name: its name.
        machine: the machine in a few words.
        started: when it was recorded.
        rates: rates of the launches of each cell, by the cell's key.
        digests: digest of each entry's source when it was recorded, by the cell's key.
        units: unit of each cell's items, where the reference says it.
        better: direction of each cell's rate, where the reference says it.
        pilots: launches of the pilot, of the cells whose number of launches was found (`--launches auto`).
        threads: threads of the jobs, each number once.
    """

    name: str
    machine: str
    started: str
    rates: Mapping[str, list[float]]
    digests: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)
    better: Mapping[str, str] = field(default_factory=dict)
    pilots: Mapping[str, int] = field(default_factory=dict)
    threads: Sequence[int] = ()

    def fits(self, entry: Mapping[str, Any]) -> bool:
        """Whether it has a cell of the same work, counted in the same unit and direction."""
        key = entry["key"]
        is_same = self.units.get(key, entry["unit"]) == entry["unit"]
        return key in self.rates and is_same and self.better.get(key, entry["better"]) == entry["better"]

    def side(self, key: str) -> Side:
        """The rates of a cell, for a comparison."""
        return Side(self.rates[key], self.pilots.get(key))


def shipped_references() -> dict[str, Path]:
    """Files of the references that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.json"))}


def load_reference(name: str) -> Reference:
    """A shipped reference, or a file that `cupel report RUN --format reference` wrote.

    Raises:
        UnknownNameError: no shipped reference and no file has that name.
        UsageError: the file is no reference.
    """
    path = shipped_references().get(name) or Path(name)
    if not path.is_file():
        raise UnknownNameError("reference", name, shipped_references(), see="Or give a run folder.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        cells = data["cells"]
        return Reference(
            name=path.stem,
            machine=data["machine"],
            started=data["started"],
            rates={key: [float(rate) for rate in cell["rates"]] for key, cell in cells.items()},
            digests={key: str(cell["digest"]) for key, cell in cells.items()},
            units={key: str(cell["unit"]) for key, cell in cells.items() if "unit" in cell},
            better={key: str(cell["better"]) for key, cell in cells.items() if "better" in cell},
            pilots={key: int(cell["pilot_n"]) for key, cell in cells.items() if cell.get("pilot_n")},
            threads=tuple(data.get("threads") or ()),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no reference: {error}. Write one with cupel report RUN --format reference."
        ) from error


def reference_of(document: Mapping[str, Any], name: str = "") -> Reference:
    """A run's own rates as a reference, from its result document."""
    measured = _measured(document)
    return Reference(
        name=name or str(document["name"]),
        machine=str(document["machine"].get("label", "")),
        started=str(document["started"]),
        rates={entry["key"]: entry["rates"] for entry in measured},
        digests={entry["key"]: entry["digest"] for entry in measured},
        units={entry["key"]: entry["unit"] for entry in measured},
        better={entry["key"]: entry["better"] for entry in measured},
        pilots={entry["key"]: entry["pilot_n"] for entry in measured if entry["pilot_n"]},
        threads=tuple(sorted({entry["threads"] for entry in document["entries"]})),
    )


def _measured(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries with rates that others may be held against."""
    return [entry for entry in document["entries"] if entry["rates"] and not entry["untrusted"]]


def render(document: Mapping[str, Any]) -> str:
    """The file that ships a run as a reference."""
    data = {
        "schema": SCHEMA,
        "name": document["name"],
        "machine": document["machine"].get("label", ""),
        "started": document["started"],
        "cupel": document["cupel"],
        "threads": sorted({entry["threads"] for entry in document["entries"]}),
        "software": {k: document["machine"].get("software", {}).get(k) for k in ("os", "python", "torch")},
        "cells": {entry["key"]: _cell(entry) for entry in _measured(document)},
    }
    return json.dumps(data, indent=1) + "\n"


def _cell(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a reference keeps of an entry: what scores need, and what a reader wants to know of the machine."""
    return {
        "unit": entry["unit"],
        "better": entry["better"],
        **({"pilot_n": entry["pilot_n"]} if entry["pilot_n"] else {}),
        "digest": entry["digest"],
        "status": entry["status"],
        "rate": _rounded(entry["rate"]),
        "interval": [_rounded(end) for end in entry["interval"]] if entry["interval"] else None,
        "launch_s": _rounded(entry["launch_s"]),
        "flop_per_item": _rounded(entry["flop_per_item"]),
        "rates": [_rounded(rate) for rate in entry["rates"]],
    }


def _rounded(value: float | None) -> float | None:
    """To six figures; None where it is not known."""
    return None if value is None else float(f"{value:.6g}")
