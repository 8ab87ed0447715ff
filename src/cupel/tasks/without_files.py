"""A run's settings without what comes from the user's disk, for the check of an entry's work."""

from __future__ import annotations

import copy

from cupel.spec import Slot


def without_files(slot: Slot) -> Slot:
    """The slot with made data and random weights, whatever the run has.

    The check is at size tiny, whose model has no place for the ids of a published tokenizer or for published weights;
    what is read from disk is checked where it is read, and refused in words.
    """
    plain = copy.copy(slot)
    plain.settings = {**slot.settings, "data": "synthetic", "weights": "random"}
    return plain
