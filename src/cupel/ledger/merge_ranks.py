"""The steps of several ranks as those of one launch.

Rules
    Ranks that step together (one job over all devices) are joined step by
    step: items are summed, a step ends when its last rank ends. Where fast
    steps stand in groups, at the steps at which every rank's groups end. Where
    all ranks do the same items, each a part of the work, those of rank 0 count.
    Ranks that step each for itself (one process per device at once) are
    joined in time: within the steps of the rank with the fewest, the items
    of the others are those that they did in that time, in proportion within
    a step, as far as all of them were stepping.
    The clock of each rank begins when all were ready. Losses are those of
    rank 0, or of the rank whose steps are kept.

Source: rules of Cupel.
"""

from __future__ import annotations

from collections.abc import Sequence

from cupel.ledger.steps import Steps


def merge_together(ranks: Sequence[Steps], *, counts_once: bool = False) -> Steps:
    """The steps of ranks that take each step together.

    Args:
        ranks: the steps of each rank.
        counts_once: all ranks do the same items.

    Returns:
        One step for each that all ranks ended.
    """
    places = [{last: k for k, last in enumerate(steps.last_step)} for steps in ranks]
    shared = sorted(set(places[0]).intersection(*places[1:]))
    merged = Steps(last_step=shared)
    began, before = 0.0, [-1] * len(ranks)
    for step in shared:
        here = [place[step] for place in places]
        spans = [(steps, slice(b + 1, h + 1)) for steps, b, h in zip(ranks, before, here, strict=True)]
        end = max(steps.end_s[h] for steps, h in zip(ranks, here, strict=True))
        counted = spans[:1] if counts_once else spans
        merged.items.append(sum(sum(steps.items[span]) for steps, span in counted))
        merged.end_s.append(end)
        merged.seconds.append(end - began)
        merged.losses.append(ranks[0].losses[here[0]])
        for unit in ranks[0].also:
            count = sum(sum(steps.also.get(unit, [])[span]) for steps, span in counted)
            merged.also.setdefault(unit, []).append(count)
        began, before = end, here
    return merged


def merge_in_time(ranks: Sequence[Steps]) -> Steps:
    """The steps of ranks that go each for itself.

    Args:
        ranks: the steps of each rank.

    Returns:
        The steps of the rank that has the fewest, with what all ranks did meanwhile.
    """
    if not all(steps.end_s for steps in ranks):
        return Steps()
    import numpy as np

    slowest = min(ranks, key=lambda steps: len(steps.end_s))
    most = min(steps.end_s[-1] for steps in ranks)
    ends = [end for end in slowest.end_s if end <= most]

    def joined(values: Sequence[Sequence[float]]) -> list[float]:
        """What all ranks did in each of these steps."""
        done = np.zeros(len(ends) + 1)
        for steps, counts in zip(ranks, values, strict=True):
            done += np.interp([0.0, *ends], [0.0, *steps.end_s], np.cumsum([0.0, *counts]))
        return [float(count) for count in np.diff(done)]

    return Steps(
        seconds=[stop - start for start, stop in zip([0.0, *ends], ends, strict=False)],
        items=joined([steps.items for steps in ranks]),
        end_s=ends,
        losses=slowest.losses[: len(ends)],
        also={unit: joined([steps.also[unit] for steps in ranks]) for unit in slowest.also},
        last_step=slowest.last_step[: len(ends)],
    )
