"""How much each source of variation moves a result: one source varied at a time, all others held.

Formula (per method and task; V is a source)
    sd_V      standard deviation of the results whose seed of V alone varies
    interval  chi-square at 95 %, exact for a normal law; beside it Bonett's,
              which allows for other shapes (from 5 runs on)
    sd_error  spread of sd_V itself, by the gamma formula for normal values
    sigma     standard deviation where everything varies (rows named `all`);
              without such rows sqrt(sum of sd_V^2), which holds only if the
              sources do not interact, and a note says so
    share     sd_V^2 / sigma^2; the shares need not sum to 1
    k_eq      (sigma / sd_V)^2: the mean of so many runs in which everything
              varies is as steady as one result in which V alone varies.
              When the rows are means by an estimator (k trainings after one
              tuning, V varied) this is the paper's k_eq: FixHOptEst(k, V)
              is as steady as IdealEst(k_eq).
    binomial  sqrt(p (1 - p) / n_test): what a finite test set alone does
    A failed run has no value: it is counted, and sd_V is that of the rest.

Coverage (nominal 95 %; tests/statistical/test_variance_coverage.py)
    chi-square: 95 % for a normal law at every n; 68 % at 50 and 200 runs
    for an exponential law, 80 and 76 % for Student's t with 5 degrees.
    Bonett: 94 to 99 % for a normal law, 88 to 98 % for the other two. The
    percentile bootstrap, tried as well, covers less than Bonett everywhere
    (75 % at 10 normal runs), and is not offered.

Source: Bouthillier et al. (2021), "Accounting for Variance in Machine
Learning Benchmarks", sections 2 and 3, figures 1, 2 and H.4; Bonett (2006),
Computational Statistics & Data Analysis 50, 775-782.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.binomial_sd import binomial_sd
from cupel.stats.checked import Floats, fraction
from cupel.stats.frame import Factor, Frame, columns_of, frame_of
from cupel.stats.interval import Interval
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.rows import Results
from cupel.stats.spread_interval import any_sd_interval, normal_sd_interval, sd_of_sd

TOTAL = "all"
NAMES = ("varied", "source")
"""Columns that may say which source was varied, where none is named."""


@dataclass(frozen=True)
class SourceSpread:
    """How much one source moves the results of one method on one task.

    Attributes:
        method: which method.
        task: which task.
        source: which source was varied.
        n: runs with a value.
        num_failed: runs without.
        mean: of the values; None without any.
        sd: standard deviation, in the unit of the values; None below 2 values.
        sd_error: standard deviation of `sd` itself for normal values; None likewise.
        interval: of the standard deviation, exact for a normal law; None below 2 values or when all are equal.
        robust: the same for other shapes; None below 5 values or when all are equal.
        share: of the variance of everything, 0 or more; None where unknown.
        k_eq: runs of everything whose mean varies as little; infinite without spread, None where unknown.
        rank: 1 for the source that moves the results most; None for everything together, or where unknown.
        binomial: standard deviation by the size of the test set alone; None where that is not given.
    """

    method: str
    task: str
    source: str
    n: int
    num_failed: int
    mean: float | None
    sd: float | None
    sd_error: float | None
    interval: Interval | None
    robust: Interval | None
    share: float | None = None
    k_eq: float | None = None
    rank: int | None = None
    binomial: float | None = None

    def text(self) -> str:
        """One line."""
        if self.sd is None:
            return f"{self.method}, {self.task}, {self.source}: {self.n} runs, no spread known"
        sure = [
            f"{i.low:.3g} to {i.high:.3g} {shape}"
            for i, shape in ((self.interval, "if normal"), (self.robust, "for other shapes"))
            if i is not None
        ]
        share = "" if self.share is None else f", {self.share:.0%} of the variance of everything"
        lines = f"sd {self.sd:.3g} ({'; '.join(sure) or 'no interval'}; {self.n} runs){share}"
        return f"{self.method}, {self.task}, {self.source}: {lines}"


@dataclass(frozen=True)
class VarianceStudy:
    """Spread of every source, of every method on every task.

    Attributes:
        rows: by method, task, and falling spread; everything together comes last.
        total: what the rows in which everything varies are called.
        method: how the numbers were made.
        scope: what they speak of.
        warnings: failures, sources without repeats, totals that are sums.
    """

    rows: tuple[SourceSpread, ...]
    total: str
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per method, task and source."""
        plain = ("method", "task", "source", "n", "num_failed", "mean", "sd", "sd_error")
        late = ("share", "k_eq", "rank", "binomial")
        columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in self.rows] for name in plain}
        for name in ("interval", "robust"):
            found = [getattr(row, name) for row in self.rows]
            columns[f"{name}_low"] = [None if i is None else i.low for i in found]
            columns[f"{name}_high"] = [None if i is None else i.high for i in found]
        return frame_of(columns | {name: [getattr(row, name) for row in self.rows] for name in late})

    def text(self) -> str:
        """One line per method, task and source, then the notes."""
        return "\n".join([*(row.text() for row in self.rows), *(f"note: {note.text}" for note in self.warnings)])


def variance_study(
    frame: Frame,
    *,
    varied: str | None = None,
    total: str = TOTAL,
    n_test: int | Mapping[str, int] | None = None,
    level: float = 0.95,
) -> VarianceStudy:
    """Estimate how much each source of variation moves the results.

    Args:
        frame: one row per run: the source that was varied, its seed, the value, and method and task if there are
            several. Within one method, task and source no two rows have the same seed.
        varied: the column that names the source; `varied` or `source` where None.
        total: what the rows are called in which everything was varied.
        n_test: test examples, of every task or by task, for values that are accuracies from 0 to 1.
        level: of the intervals.

    Returns:
        Spread, intervals, share and rank of each source. A source with fewer than 2 values has no spread, and a note
        says so.

    Raises:
        UsageError: when no column names the source, `n_test` is given for values that are no shares, or the table
            cannot be read.

    Source: Bouthillier et al. (2021), section 2.

    Example:
        >>> runs = {"source": ["init"] * 3 + ["all"] * 3, "seed": [1, 2, 3] * 2, "value": [1, 2, 3, 0, 2, 4]}
        >>> [(row.source, row.sd, row.share) for row in variance_study(runs).rows]
        [('init', 1.0, 0.25), ('all', 2.0, 1.0)]
    """
    fraction("level", level)
    table, source = _read(frame, varied)
    if total != TOTAL and total not in source.levels:
        raise UnknownNameError("source", str(total), source.levels)
    rows: list[SourceSpread] = []
    notes = list(table.warnings)
    for m, method in enumerate(table.methods):
        for t, task in enumerate(table.tasks):
            mask = (table.method.codes == m) & (table.task.codes == t)
            found = [
                _spread((method, task, name), table.value[mask & (source.codes == k)], level)
                for k, name in enumerate(source.levels)
                if np.any(mask & (source.codes == k))
            ]
            if found:
                line = _binomial(table.value[mask], n_test, task)
                rows += [replace(row, binomial=line) for row in _ranked(found, total, notes)]
    method = "one source at a time; chi-square and Bonett intervals of each standard deviation"
    return VarianceStudy(tuple(rows), total, method, "these tasks", tuple(notes))


def _read(frame: Frame, varied: str | None) -> tuple[Results, Factor]:
    """The table, and which source was varied in each row."""
    if isinstance(frame, Results):
        names = {name: column.as_factor for name, column in frame.extra.items()}
        if frame.rep is not None:
            names[frame.roles.get("rep", "rep")] = frame.rep
        name = _named(varied, names)
        return frame, names[name]
    name = _named(varied, columns_of(frame))
    table = results(frame, columns={"rep": name})  # two rows with one seed differ by the source that it seeds
    assert table.rep is not None
    return table, table.rep


def _named(varied: str | None, names: Mapping[str, Any]) -> str:
    if varied is not None:
        if varied not in names:
            raise UnknownNameError("column", varied, names)
        return varied
    found = [name for name in NAMES if name in names]
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"Which column names the source that was varied? Columns: {', '.join(names)}. Say it: varied=NAME."
    )


def _spread(where: tuple[str, str, str], values: Floats, level: float) -> SourceSpread:
    known = values[np.isfinite(values)]
    n = known.size
    sd = float(known.std(ddof=1)) if n >= 2 else None
    return SourceSpread(
        *where,
        n=n,
        num_failed=values.size - n,
        mean=float(known.mean()) if n else None,
        sd=sd,
        sd_error=None if sd is None else sd_of_sd(sd, n),
        interval=None if sd is None else normal_sd_interval(sd, n, level=level),
        robust=any_sd_interval(known, level=level),
    )


def _ranked(found: list[SourceSpread], total: str, notes: list[Note]) -> Iterator[SourceSpread]:
    """The rows of one method and task with shares and ranks, the largest spread first; says what is missing."""
    where = f"{found[0].method}, {found[0].task}"
    alone = sorted((row for row in found if row.source != total), key=lambda row: -(row.sd or 0.0))
    everything = next((row for row in found if row.source == total), None)
    notes += [
        Note("no repeats", f"{where}, {row.source}: {row.n} runs with a value; a spread needs 2")
        for row in found
        if row.sd is None
    ]
    sigma = everything.sd if everything else math.sqrt(sum((row.sd or 0.0) ** 2 for row in alone))
    if everything is None:
        text = f"{where}: no rows vary everything ({total}); the total is the sum of the sources, as if none interacted"
        notes.append(Note("approximate", text))
    for rank, row in enumerate(alone, start=1):
        yield replace(_shared(row, sigma), rank=None if row.sd is None else rank)
    if everything is not None:
        yield _shared(everything, sigma)


def _shared(row: SourceSpread, sigma: float | None) -> SourceSpread:
    if row.sd is None or not sigma:
        return row
    return replace(row, share=(row.sd / sigma) ** 2, k_eq=(sigma / row.sd) ** 2 if row.sd else math.inf)


def _binomial(values: Floats, n_test: int | Mapping[str, int] | None, task: str) -> float | None:
    size = n_test.get(task) if isinstance(n_test, Mapping) else n_test
    known = values[np.isfinite(values)]
    return None if size is None or not known.size else binomial_sd(float(known.mean()), n_test=size)
