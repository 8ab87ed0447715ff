"""Operations per second that entries achieved, and their share of what matrix products reach on the same machine.

Rules
    Achieved: the rate times the operations per item, which the first launch
    counted as executed (`cupel.measure.flop`).
    The share is of the run's own square matrix products at the same precision
    on the same devices; without those in the run there is none.

Source: rules of Cupel; Chowdhery et al. 2022, PaLM, appendix B, where utilisation counts the model's operations alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PRODUCTS = "matmul"


def add_achieved(entries: Sequence[dict[str, Any]]) -> None:
    """Add `flop_per_item`, `flop_per_s` and `flop_share` to entries of a document; None where they are not known.

    `flop_note` says why the count failed, where it did.
    """
    for entry in entries:
        counts = [launch.get("flop_per_item") for launch in entry["launches"]]
        entry["flop_per_item"] = next((count for count in counts if count), None)
        entry["flop_note"] = next((launch["flop_note"] for launch in entry["launches"] if launch.get("flop_note")), "")
        known = entry["flop_per_item"] and entry["rate"]
        entry["flop_per_s"] = entry["flop_per_item"] * entry["rate"] if known else None
    best = {_place(entry): entry["flop_per_s"] for entry in entries if _is_product(entry)}
    for entry in entries:
        most = best.get(_place(entry))
        known = most and entry["flop_per_s"] and not _is_product(entry)
        entry["flop_share"] = entry["flop_per_s"] / most if known else None


def _is_product(entry: Mapping[str, Any]) -> bool:
    is_square = entry["settings"].get("shape", "square") == "square" and not entry["overrides"]
    return bool(entry["name"] == PRODUCTS and is_square and entry["flop_per_s"])


def _place(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where an entry computed, and how."""
    settings = entry["settings"]
    return (
        settings.get("precision", "fp32"),
        entry.get("ranks", 1),
        entry["device"],
        entry["threads"],
        entry["size"],
    )
