"""Which methods the data tell apart: positions on an axis, and groups that they do not separate.

Rule
    Positions are estimated marginal means (or mean ranks). Two methods are
    separated where the adjusted p-value of their contrast is at most the
    chosen size. A bar joins a largest set of neighbours on the axis of which
    no two are separated. The critical difference of a pair is
    q(level, k, df) / sqrt(2) times its standard error; it is one number only
    where all standard errors agree, so the smallest and largest are given.

Source: Demšar (2006), JMLR 7, 1-30 (the diagram); Geburek et al. (2024),
arXiv 2408.02533 (positions and bars from contrasts of a mixed model).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cupel.spec.errors import UsageError
from cupel.stats.checked import fraction
from cupel.stats.frame import frame_of
from cupel.stats.mixed.contrasts import Contrasts
from cupel.stats.studentized_range import studentized_range_ppf


@dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows.

    Attributes:
        positions: method to its place on the axis, best first if `better` was given.
        groups: largest sets of methods that are not separated, in the order of the axis; singles are left out.
        cd: smallest and largest critical difference, in units of the axis.
        level: 1 - size of the tests.
        method: in words.
        scope: what is spoken of.
    """

    positions: Mapping[str, float]
    groups: tuple[tuple[str, ...], ...]
    cd: tuple[float, float]
    level: float
    method: str
    scope: str

    def to_frame(self) -> Any:
        """One row per method, with the numbers of the groups that it is in."""
        member = {name: [k for k, group in enumerate(self.groups) if name in group] for name in self.positions}
        groups = [" ".join(map(str, member[name])) for name in self.positions]
        return frame_of({"method": list(self.positions), "position": list(self.positions.values()), "groups": groups})

    def text(self) -> str:
        """The order, and what is not separated."""
        order = ", ".join(f"{name} {value:.4g}" for name, value in self.positions.items())
        bars = "; ".join(" = ".join(group) for group in self.groups) or "all are separated"
        return f"{order}. Not separated: {bars}" if self.groups else f"{order}. {bars}"


def critical_difference(table: Contrasts, *, better: str = "lower", level: float = 0.95) -> CriticalDifference:
    """The diagram of all pairs of a factor's levels.

    Args:
        table: contrasts of all pairs.
        better: `lower` or `higher`: which end of the axis comes first.
        level: 1 - size at which pairs count as separated.

    Returns:
        Positions, groups and critical differences.

    Raises:
        UsageError: `better` is another word, or `level` no fraction.

    Source: Geburek et al. (2024); bars need all pairs in a group to be unseparated, as in Demšar (2006).
    """
    fraction("level", level)
    if better not in ("lower", "higher"):
        raise UsageError(f"better = {better!r}; expected 'lower' or 'higher': which end of the axis comes first.")
    means = dict(zip(table.means.levels, table.means.estimate.tolist(), strict=True))
    known = {name: value for name, value in means.items() if not math.isnan(value)}
    order = sorted(known, key=lambda name: known[name], reverse=better == "higher")
    joined = {frozenset((row.a, row.b)) for row in table.rows if not row.p <= 1 - level}
    errors = [(row.se, row.df) for row in table.rows if not math.isnan(row.se)]
    k = len(means)
    differences = (
        [studentized_range_ppf(level, k, df) / math.sqrt(2) * se for se, df in (min(errors), max(errors))]
        if errors
        else [math.nan, math.nan]
    )
    return CriticalDifference(
        positions={name: known[name] for name in order},
        groups=unseparated_groups(order, joined),
        cd=(differences[0], differences[1]),
        level=level,
        method=table.method,
        scope=table.scope,
    )


def unseparated_groups(order: Sequence[str], joined: set[frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    """Largest runs of neighbours in an order of which every two are joined.

    Example:
        >>> pairs = {frozenset("ab"), frozenset("bc"), frozenset("ac"), frozenset("cd")}
        >>> unseparated_groups("abcd", pairs)
        (('a', 'b', 'c'), ('c', 'd'))
    """
    groups: list[tuple[int, int]] = []
    for start in range(len(order)):
        stop = start
        while stop + 1 < len(order) and all(
            frozenset((order[i], order[stop + 1])) in joined for i in range(start, stop + 1)
        ):
            stop += 1
        if stop > start and not any(a <= start and stop <= b for a, b in groups):
            groups.append((start, stop))
    return tuple(tuple(order[a : b + 1]) for a, b in groups)
