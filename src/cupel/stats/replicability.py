"""On how many tasks an improvement is established: a count that holds for the tasks at hand.

Rule
    One p-value per task, best one-sided (that A is better there). For
    u = 1, 2, ... the statement "better on at least u of the n tasks" is
    tested with the n - u + 1 largest p-values: with u true effects, the
    least convincing of the others must still convince.
      bonferroni  p_u = (n - u + 1) x the u-th smallest; any dependence.
                  The tasks it counts are named: they are Holm's.
      fisher      p_u by the sum of -2 log p, 2 (n - u + 1) degrees of
                  freedom; the p-values must be independent. It counts more
                  and cannot name them all.
    p_u never falls below the one before. The count is the largest u whose
    p_u is at most 5 %: the chance that it exceeds the true number is at
    most 5 %.
    A task without a p-value (NaN) counts as one that shows nothing.

When
    With fewer than 5 tasks no test can speak of tasks like these; the count
    speaks of these tasks alone. It is a lower bound, not an estimate.

Source: Dror, Baumer, Bogomolov & Reichart (2017), TACL 5, 471-486;
Benjamini & Heller (2008), Biometrics 64, 1215-1222.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats, fraction, series
from cupel.stats.frame import frame_of
from cupel.stats.holm import holm
from cupel.stats.note import Note
from cupel.stats.task_table import named

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Combine = Literal["bonferroni", "fisher"]


@dataclass(frozen=True)
class Replicability:
    """How many tasks show the effect.

    Attributes:
        estimate: lower bound on the number of tasks with the effect, at the family's level.
        n: tasks, those without a p-value included.
        p_at_least: (n,) p-value of "at least u tasks", u = 1 to n.
        tasks: names of the tasks, in the order given.
        p_values: (n,) as given.
        established: the tasks that Holm's procedure names; under `fisher` there can be fewer than `estimate`.
        combine: how p-values were combined.
        level: 1 - level is the chance that the count is too high.
        method: how it was computed.
        scope: for what it holds.
        warnings: what a reader must know.
    """

    estimate: int
    n: int
    p_at_least: Floats
    tasks: tuple[str, ...]
    p_values: Floats
    established: tuple[str, ...]
    combine: Combine
    level: float
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per task: its p-value, Holm's, and whether it is established."""
        adjusted = holm(np.where(np.isnan(self.p_values), 1.0, self.p_values))
        return frame_of({
            "task": list(self.tasks), "p": self.p_values.tolist(), "p_adjusted": adjusted.tolist(),
            "is_established": [name in self.established for name in self.tasks],
        })  # fmt: skip

    def text(self) -> str:
        """The statement in one line, and the warnings."""
        who = f": {named(self.established)}" if self.established else ""
        line = f"Established on at least {self.estimate} of {self.n} tasks at {self.level:.0%} ({self.combine}){who}."
        return "\n".join([line, *(note.text for note in self.warnings)])


def replicability(
    p_values: ArrayLike, *, tasks: Sequence[str] | None = None, combine: Combine = "bonferroni", level: float = 0.95
) -> Replicability:
    """Count the tasks on which an effect is established.

    Args:
        p_values: (n,) one per task, 0 to 1, one-sided for "A is better"; NaN where there was no test.
        tasks: names of the tasks; their numbers from 0 where None.
        combine: `bonferroni` for any dependence, `fisher` for independent p-values.
        level: 1 - level is the chance that the count is too high.

    Returns:
        The count, and which tasks.

    Raises:
        UsageError: no p-values, one outside 0 to 1, names that do not match, or an unknown way.

    Source: Dror et al. (2017), section 4.

    Example:
        >>> found = replicability([0.168, 0.297, 0.357, 0.019, 0.218, 0.001])
        >>> found.estimate, found.established
        (1, ('5',))
    """
    fraction("level", level)
    p = series("p_values", p_values)
    names = tuple(str(i) for i in range(p.size)) if tasks is None else tuple(map(str, tasks))
    if not p.size or len(names) != p.size or len(set(names)) < p.size:
        raise UsageError(f"{p.size} p-values and the tasks {names}; expected one p-value for each of several names.")
    if np.any((p < 0) | (p > 1)) or combine not in ("bonferroni", "fisher"):
        raise UsageError(
            f"p_values are {p.tolist()}, combine = {combine!r}; expected numbers from 0 to 1 (NaN for a test not "
            "made), and 'bonferroni' or 'fisher'."
        )
    whole = np.where(np.isnan(p), 1.0, p)
    at_least = np.minimum(1.0, np.maximum.accumulate(_conjunctions(np.sort(whole), combine)))
    adjusted = holm(whole)
    return Replicability(
        estimate=int(np.sum(at_least <= 1 - level)), n=p.size, p_at_least=at_least, tasks=names, p_values=p,
        established=tuple(name for name, value in zip(names, adjusted, strict=True) if value <= 1 - level),
        combine=combine, level=level, method=f"partial conjunction, {combine}", scope="these tasks",
        warnings=_notes(p, combine),
    )  # fmt: skip


def _conjunctions(ordered: Floats, combine: Combine) -> Floats:
    """(n,) p-value of "at least u tasks" by the p-values from the u-th smallest on."""
    n = ordered.size
    left = n - np.arange(n)
    if combine == "bonferroni":
        return ordered * left
    from scipy.special import chdtrc

    with np.errstate(divide="ignore"):
        logs = -2 * np.log(ordered)
    sums = np.cumsum(logs[::-1])[::-1]
    # A p-value of 0 is an infinite sum: as sure as can be, though no real test gives it.
    return np.array([0.0 if math.isinf(s) else float(chdtrc(2 * m, s)) for s, m in zip(sums, left, strict=True)])


def _notes(p: Floats, combine: Combine) -> tuple[Note, ...]:
    notes = []
    missing = int(np.isnan(p).sum())
    if missing:
        notes.append(Note("missing cells", f"{missing} of {p.size} tasks have no p-value: they show nothing here."))
    if combine == "fisher":
        text = "Fisher's way holds for independent p-values: not where tasks share test data, seeds or a tuning run."
        notes.append(Note("scope", text))
    return tuple(notes)
