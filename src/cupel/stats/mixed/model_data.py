"""A formula on a frame, ready to be fitted: matrices, random terms and sums of products."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Column, Factor, Frame, columns_of
from cupel.stats.mixed.cross_products import CrossProducts, cross_products
from cupel.stats.mixed.design import Design, independent_columns, make_design
from cupel.stats.mixed.formula import Formula, parse_formula
from cupel.stats.mixed.random_terms import RandomTerm, make_terms
from cupel.stats.mixed.variables import Variable, evaluate_all
from cupel.stats.note import Note
from cupel.stats.rows import Results

NO_VARIATION = 1e-12


@dataclass(frozen=True)
class ModelData:
    """What a model is fitted to. The fit works on orthonormal fixed columns and on a standardised residual response.

    Attributes:
        formula: as read.
        columns: of the frame.
        variables: variable to values, of the complete rows.
        rows: (n,) index of the complete rows in the frame.
        design: of the fixed part.
        kept: index of the fixed columns that earlier ones do not give.
        q: (n, p) orthonormal fixed columns.
        r: (p, p) upper triangular; the kept fixed columns are q @ r.
        start: (p,) the response along q.
        scale: root mean square of what q leaves of the response.
        terms: random terms.
        sums: sums of products of all that.
        warnings: rows left out, columns left out.
    """

    formula: Formula
    columns: Mapping[str, Column]
    variables: Mapping[str, Variable]
    rows: np.ndarray[Any, np.dtype[np.intp]]
    design: Design
    kept: tuple[int, ...]
    q: Floats
    r: Floats
    start: Floats
    scale: float
    terms: tuple[RandomTerm, ...]
    sums: CrossProducts
    warnings: tuple[Note, ...]

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.rows.size)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fixed columns kept."""
        return tuple(self.design.names[k] for k in self.kept)

    def with_response(self, y: Floats) -> ModelData:
        """The same with another response (n,).

        Raises:
            UsageError: it has not a finite number for each row, or the fixed part explains all of it.
        """
        if y.shape != (self.n,) or not np.all(np.isfinite(y)):
            raise UsageError(
                f"A response of shape {y.shape} with {np.sum(~np.isfinite(y))} missing or infinite values; expected "
                f"{self.n} finite numbers, one for each row of the model."
            )
        start = self.q.T @ y
        rest = y - self.q @ start
        scale = _scale(rest, y, self.formula.response)
        rest = rest / scale
        sums = _with_response(self.sums, self.q, rest)
        return replace(self, start=start, scale=scale, sums=sums)


def model_data(formula: str, frame: Frame, factors: Collection[str] = ()) -> ModelData:
    """Evaluate a formula on a frame.

    Args:
        formula: such as `value ~ method + (1 | task)`.
        frame: any frame, or `Results` (then its roles are the columns).
        factors: columns of numbers that are labels.

    Raises:
        UsageError: the formula cannot be read, or the frame does not support it; the message says what and where.
    """
    parsed = parse_formula(formula)
    columns = results_columns(frame) if isinstance(frame, Results) else columns_of(frame)
    if isinstance(factors, str) or not isinstance(factors, Collection):
        such = factors if isinstance(factors, str) else "seed"
        raise UsageError(f"factors = {factors!r}; expected a collection of column names, such as ({such!r},).")
    found = evaluate_all(parsed.variables, columns, factors)
    n = int(found.kept.size)
    y = found.values[parsed.response]
    if isinstance(y, Factor):
        raise UsageError(f"The response {parsed.response} holds text or truth values; expected numbers.")
    design = make_design(parsed.fixed, found.values)
    x = design.matrix(found.values, n)
    kept, q, r = independent_columns(x)
    if n <= len(kept):
        raise UsageError(f"{n} complete rows for {len(kept)} fixed effects; expected more rows than effects.")
    terms = make_terms(parsed.bars, found.values, n)
    start = q.T @ y
    rest = y - q @ start
    scale = _scale(rest, y, parsed.response)
    sums = cross_products(terms, np.column_stack([q, rest / scale]))
    notes = tuple(_notes(found.num_dropped, design, kept))
    return ModelData(
        parsed, columns, found.values, found.kept, design, tuple(kept), q, r, start, scale, terms, sums, notes
    )


def results_columns(table: Results) -> dict[str, Column]:
    """The roles of a table of results as columns, beside the columns without a role."""
    named: dict[str, Factor | None] = {
        "method": table.method, "task": table.task, "seed": table.seed, "hpo_run": table.hpo_run, "split": table.split,
        "rep": table.rep,
    }  # fmt: skip
    found = dict(table.extra)
    for name, factor in named.items():
        if factor is not None:
            found[name] = Column(name, factor.codes, factor)
    found["value"] = Column("value", table.value)
    if table.budget is not None:
        found["budget"] = Column("budget", table.budget)
    return found


def _scale(rest: Floats, y: Floats, name: str) -> float:
    scale = float(np.sqrt(np.mean(rest**2)))
    if not scale > NO_VARIATION * max(float(np.max(np.abs(y))), 1e-300):
        raise UsageError(
            f"{name} has no variation beyond the fixed part: the model has nothing to explain. "
            "Look whether the values are constant, or rounded too coarsely."
        )
    return scale


def _notes(num_dropped: int, design: Design, kept: Collection[int]) -> list[Note]:
    notes = []
    if num_dropped:
        notes.append(
            Note("failures", f"{num_dropped} rows are left out because a value is missing or infinite in them")
        )
    gone = [name for k, name in enumerate(design.names) if k not in kept]
    if gone:
        names = ", ".join(gone[:6]) + (f" and {len(gone) - 6} more" if len(gone) > 6 else "")
        notes.append(
            Note("rank deficient", f"other columns give {names} already: left out, as their effect is unknown")
        )
    return notes


def _with_response(sums: CrossProducts, q: Floats, rest: Floats) -> CrossProducts:
    """The sums with another response; what does not involve it is shared."""
    inner_fixed, border_fixed, fixed = sums.inner_fixed.copy(), sums.border_fixed.copy(), sums.fixed.copy()
    for term, place in zip(sums.terms, sums.places, strict=True):
        for j in range(term.k):
            z = term.column(j)
            total = np.bincount(term.codes, weights=rest if z is None else z * rest, minlength=term.num_levels)
            if place.is_inner:
                inner_fixed[place.group, place.slot + j, -1] = total
            else:
                border_fixed[place.slot + j, -1] = total
    along = np.append(q.T @ rest, rest @ rest)
    fixed[-1], fixed[:, -1] = along, along
    return replace(sums, inner_fixed=inner_fixed, border_fixed=border_fixed, fixed=fixed)
