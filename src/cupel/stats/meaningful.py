"""Is the win of A over B there, and is it large enough to matter: a decision in three steps from one interval.

Rule (interval of P(A > B), gamma = 0.75 unless given)
    no evidence                  the low end is not above 1/2
    significant, not meaningful  the low end is above 1/2, the high end is
                                 not above gamma: A wins, but hardly ever
                                 as often as gamma
    significant and meaningful   the low end is above 1/2, the high end is
                                 above gamma
    The third step says that a win rate above gamma cannot be excluded, not
    that it is shown: with few runs every significant win is "meaningful".
    `is_shown` says whether the low end is above gamma, too.
    When all runs stem from a single tuning of the hyperparameters, the
    decision is conditional on that tuning and says so: more seeds narrow
    the interval, and do not make up for tunings that were never repeated
    (`cupel explain detection_rates`, `cupel explain hpo_variance`).

    Appendix C.6 of the paper has this form. Its section 4.1 writes the
    same steps with what it calls a confidence interval standing for half
    widths; read literally that is another rule, and it is not followed.
    The authors' code asks for a high end of at least gamma instead of above
    it; with an interval that has an end at gamma exactly the two differ.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", appendices C.4 to C.6; gamma from C.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cupel.spec.errors import UsageError
from cupel.stats.checked import number, whole
from cupel.stats.frame import frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note

Decision = Literal["no evidence", "significant, not meaningful", "significant and meaningful"]
GAMMA = 0.75
ONE_TUNING = "conditional on one HPO run"


@dataclass(frozen=True)
class Meaning:
    """What an interval of P(A > B) says about A.

    Attributes:
        decision: one of the three.
        interval: of P(A > B) that was read; None when there is none.
        gamma: win rate that matters.
        is_shown: whether the whole interval lies above gamma.
        hpo_runs: tunings of each method behind the runs; None when it was not said.
        scope: what the decision speaks of.
        warnings: whether it is conditional on one tuning.
    """

    decision: Decision
    interval: Interval | None
    gamma: float
    is_shown: bool
    hpo_runs: int | None
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row."""
        low, high = (None, None) if self.interval is None else (self.interval.low, self.interval.high)
        row = {"decision": self.decision, "low": low, "high": high, "gamma": self.gamma, "is_shown": self.is_shown}
        return frame_of({name: [value] for name, value in (row | {"scope": self.scope}).items()})

    def text(self) -> str:
        """The decision in one line."""
        if self.interval is None:
            return f"{self.decision}: there is no interval"
        ends = f"P(A > B) from {self.interval.low:.3f} to {self.interval.high:.3f} ({self.interval.level:.0%})"
        less = "; it is B that wins" if self.interval.high < 0.5 else ""
        tuned = f", {ONE_TUNING}" if self.hpo_runs == 1 else ""
        return f"{self.decision}{tuned}: {ends}{less}; gamma = {self.gamma:g}"


def meaningful(interval: Interval | None, *, gamma: float = GAMMA, hpo_runs: int | None = None) -> Meaning:
    """Decide from the interval of P(A > B) whether A wins, and whether that matters.

    Args:
        interval: of P(A > B), as `prob_outperform` gives it; None when there is none.
        gamma: the win rate that matters, 0.5 to 1.
        hpo_runs: how often the hyperparameters of each method were tuned independently; None when nothing was tuned
            or nobody says; 1 labels the decision.

    Returns:
        The decision; `no evidence` without an interval.

    Raises:
        UsageError: when gamma is not from 0.5 to 1, or `hpo_runs` is below 1.

    Source: Bouthillier et al. (2021), appendix C.6.

    Example:
        >>> meaningful(Interval(0.58, 0.88, 0.95, "exact"), hpo_runs=1).text()[:57]
        'significant and meaningful, conditional on one HPO run: P'
    """
    if not 0.5 <= number("gamma", gamma) < 1:
        raise UsageError(f"gamma = {gamma}; expected a P(A > B) from 0.5 to below 1.")
    if hpo_runs is not None:
        whole("hpo_runs", hpo_runs, least=1)
    decision: Decision = "no evidence"
    if interval is not None and interval.low > 0.5:
        decision = "significant and meaningful" if interval.high > gamma else "significant, not meaningful"
    once = hpo_runs == 1
    note = Note("one hpo run", f"{ONE_TUNING}: another tuning of A or B may turn it; repeat the tuning, not the seeds")
    return Meaning(
        decision=decision,
        interval=interval,
        gamma=gamma,
        is_shown=interval is not None and interval.low > max(0.5, gamma),
        hpo_runs=hpo_runs,
        scope=ONE_TUNING if once else "runs like these",
        warnings=(note,) if once else (),
    )
