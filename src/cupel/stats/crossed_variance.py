"""Variance components when several sources of variation are varied jointly, by the method of moments.

Formula (Henderson's method 3; per method and task)
    Fit all sources as if each seed had an effect of its own, by least
    squares. residual = sum of squares left / degrees of freedom left.
    Leave source V out and fit again: what the fit loses, R_V, has the mean
       residual * (ranks lost) + variance_V * trace(Z_V' M Z_V)
    with Z_V the seeds of V as indicators and M the removal of everything
    else. Solved for variance_V.
    Unbiased for additive sources, balanced or not, whatever their law; one
    source does not leak into another; what sources do together
    (interactions) goes to the residual. For sources that are crossed fully
    it is the classical analysis of variance.
    A component may come out below 0 by chance: the number is shown, its
    standard deviation is 0.
    No interval: fit `mixed_model` for one. The same seed numbers must mean
    the same draw: init seed 3 under data seed 1 and under data seed 2 are
    the same initial weights.

Source: Henderson (1953), Biometrics 9, 226-252; Searle, Casella &
McCulloch (1992), Variance Components, chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.frame import Codes, Frame, column, columns_of, frame_of
from cupel.stats.note import Note
from cupel.stats.results import results
from cupel.stats.roles import JOINT
from cupel.stats.rows import Results

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cupel.stats.checked import Floats

RESIDUAL = "residual"
MOST_SOURCES = 8


@dataclass(frozen=True)
class Component:
    """One source's part in the variance of one method on one task.

    Attributes:
        method: which method.
        task: which task.
        source: which source; `residual` for what none of them explains, interactions among it.
        levels: different seeds of the source; for the residual, runs with a value.
        variance: the component, in the square of the unit; may be negative by chance; None where the design does not
            tell it from others.
        sd: its root, 0 for a negative one; None likewise.
        share: of the sum of the components that are above 0; None likewise.
    """

    method: str
    task: str
    source: str
    levels: int
    variance: float | None
    sd: float | None
    share: float | None


@dataclass(frozen=True)
class CrossedVariance:
    """Variance components of sources that were varied jointly.

    Attributes:
        components: by method, task, then source in the order given, the residual last.
        method: how they were estimated.
        scope: what they speak of.
        warnings: failures, components that the design does not identify or that are negative.
    """

    components: tuple[Component, ...]
    method: str
    scope: str
    warnings: tuple[Note, ...]

    def to_frame(self) -> Any:
        """One row per method, task and source."""
        names = ("method", "task", "source", "levels", "variance", "sd", "share")
        return frame_of({name: [getattr(row, name) for row in self.components] for name in names})

    def text(self) -> str:
        """One line per component, then the notes."""
        lines = [
            f"{c.method}, {c.task}, {c.source}: "
            + ("not identified" if c.sd is None else f"sd {c.sd:.3g}, {c.share or 0:.0%} of the variance")
            for c in self.components
        ]
        return "\n".join([*lines, *(f"note: {note.text}" for note in self.warnings)])


def crossed_variance(frame: Frame, *, sources: Sequence[str]) -> CrossedVariance:
    """Split the variance of runs among sources that were varied jointly.

    Args:
        frame: one row per run: the value, a column of seeds for each source, and method and task if there are
            several. Runs that agree in all sources are told apart by a column `rep`.
        sources: the columns of seeds, 1 to 8.

    Returns:
        The components. Where the design cannot tell them apart (every run draws every source anew, or two sources
        change only together), they are None, and a note says what is missing. Failed runs are left out and counted.

    Raises:
        UsageError: when there are no sources or over 8, a seed is missing, or the table cannot be read.

    Cost: the cube of the number of different seeds, all sources together: 1 s for 1000.

    Source: Henderson (1953).

    Example:
        >>> runs = {"data": [1, 1, 2, 2], "init": [1, 2, 1, 2], "value": [0.0, 1.0, 4.0, 5.0]}
        >>> [(c.source, round(c.sd, 3)) for c in crossed_variance(runs, sources=["data", "init"]).components]
        [('data', 2.828), ('init', 0.707), ('residual', 0.0)]
    """
    if not 1 <= len(set(sources)) == len(sources) <= MOST_SOURCES:
        raise UsageError(f"sources = {list(sources)}; expected 1 to {MOST_SOURCES} different columns of seeds.")
    known = frame.extra if isinstance(frame, Results) else columns_of(frame)
    seeds = [column(known, name).as_factor.codes for name in sources]
    if any(np.any(codes < 0) for codes in seeds):
        raise UsageError(f"A seed is missing in {', '.join(sources)}; expected one of each source in every row.")
    table = frame if isinstance(frame, Results) else results(frame, columns={"seed": JOINT.join(sources)})
    components: list[Component] = []
    notes = list(table.warnings)
    for m, method in enumerate(table.methods):
        for t, task in enumerate(table.tasks):
            mask = (table.method.codes == m) & (table.task.codes == t) & table.ok
            if mask.any():
                names = (method, task, *sources)
                components += _cell(table.value[mask], [codes[mask] for codes in seeds], names, notes)
    how = "method of moments, each source fitted last (Henderson 3)"
    return CrossedVariance(tuple(components), how, "these tasks", tuple(notes))


def _cell(values: Floats, seeds: list[Codes], names: tuple[str, ...], notes: list[Note]) -> list[Component]:
    """The components of one method on one task."""
    method, task, *sources = names
    levels = [np.unique(codes).size for codes in seeds] + [values.size]
    fitted = _moments(values - values.mean(), seeds)
    for source, variance in zip((*sources, RESIDUAL), fitted, strict=True):
        if variance is None:
            text = f"{method}, {task}: no runs tell {source} from the rest; keep its seed while another changes"
            notes.append(Note("rank deficient", text))
        elif variance < 0:
            text = f"{method}, {task}: the variance of {source} comes out at {variance:.3g}, below 0: next to nothing"
            notes.append(Note("boundary", text))
    total = sum(max(0.0, variance) for variance in fitted if variance is not None)
    return [
        Component(
            method=method,
            task=task,
            source=source,
            levels=num,
            variance=variance,
            sd=None if variance is None else math.sqrt(max(0.0, variance)),
            share=None if variance is None or None in fitted or not total else max(0.0, variance) / total,
        )
        for source, num, variance in zip((*sources, RESIDUAL), levels, fitted, strict=True)
    ]


def _moments(values: Floats, seeds: list[Codes]) -> list[float | None]:
    """Components of the sources, then the residual; None for one that the design does not identify."""
    indices = [np.unique(codes, return_inverse=True)[1] for codes in seeds]
    sizes = [int(index.max()) + 1 for index in indices]
    starts = np.cumsum([0, *sizes])
    gram, target = _cross_products(values, indices, starts)
    inverse, rank = _pseudo_inverse(gram)
    free = values.size - rank
    if free < 1:
        return [None] * (len(seeds) + 1)
    fitted = inverse @ target
    left = values - sum(fitted[start + index] for start, index in zip(starts[:-1], indices, strict=True))
    residual = float(left @ left) / free
    components: list[float | None] = []
    for start, size in zip(starts[:-1], sizes, strict=True):
        own = np.zeros(starts[-1], dtype=bool)
        own[start : start + size] = True
        components.append(_component(gram, target, own, residual))
    return [*components, residual]


def _cross_products(values: Floats, indices: list[Codes], starts: Codes) -> tuple[Floats, Floats]:
    """Indicators of all seeds times themselves, and times the values; the mean is in the span of each source."""
    gram = np.zeros((starts[-1], starts[-1]))
    target = np.zeros(starts[-1])
    for start, index in zip(starts[:-1], indices, strict=True):
        np.add.at(target, start + index, values)
        for other_start, other in zip(starts[:-1], indices, strict=True):
            np.add.at(gram, (start + index, other_start + other), 1.0)
    return gram, target


def _component(gram: Floats, target: Floats, own: NDArray[np.bool_], residual: float) -> float | None:
    """Variance of one source, from what the fit of everything loses without it."""
    others = ~own if not own.all() else np.zeros(own.shape, dtype=bool)
    if others.any():
        across = gram[np.ix_(own, others)] @ _pseudo_inverse(gram[np.ix_(others, others)])[0]
        schur = gram[np.ix_(own, own)] - across @ gram[np.ix_(others, own)]
        pull = target[own] - across @ target[others]
    else:  # the only source: what remains to be removed is the mean, which the values have lost already
        counts = np.diag(gram)
        schur, pull = gram - np.outer(counts, counts) / counts.sum(), target
    inverse, rank = _pseudo_inverse(schur, float(np.diag(gram).max()))
    trace = float(np.trace(schur))
    return (float(pull @ inverse @ pull) - residual * rank) / trace if rank else None


def _pseudo_inverse(matrix: Floats, scale: float | None = None) -> tuple[Floats, int]:
    """Inverse on the range of a symmetric matrix, and its rank; `scale` says how large its entries came from."""
    roots, vectors = np.linalg.eigh(matrix)
    largest = max(float(roots[-1]), scale or 0.0)
    kept = roots > largest * len(roots) * 1e-12
    part = vectors[:, kept]
    return (part / roots[kept]) @ part.T, int(kept.sum())
