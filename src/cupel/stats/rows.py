"""Results as rows with their roles: what every statistic of methods and tasks works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from cupel.spec.errors import UnknownNameError
from cupel.stats.checked import Floats
from cupel.stats.frame import Column, Factor
from cupel.stats.note import Note

if TYPE_CHECKING:
    from numpy.typing import NDArray

Better: TypeAlias = Literal["higher", "lower"]
MOST_ROWS_NAMED = 3


@dataclass(frozen=True)
class Results:
    """Results with their roles. All arrays have one element per row, in the order of the table.

    Attributes:
        method: which method; always there (one level where the table names none).
        task: which task; always there (one level where the table names none).
        value: the measurement, in `unit`; NaN for a failure.
        seed: pairing key, or None.
        budget: numbers, or None.
        hpo_run: which tuning run, or None.
        split: which split or fold, or None.
        rep: which repeat, or None.
        better: `higher` or `lower`; None where nobody said.
        metric: what was measured.
        unit: of the values; empty where unknown.
        row: where each row stands, for messages.
        source: the file, or empty.
        files: file of each row where there are several, else empty.
        roles: role to the column that fills it.
        extra: the columns without a role.
        warnings: what a reader of any number from this table must know.
    """

    method: Factor
    task: Factor
    value: Floats
    seed: Factor | None = None
    budget: Floats | None = None
    hpo_run: Factor | None = None
    split: Factor | None = None
    rep: Factor | None = None
    better: Better | None = None
    metric: str = "value"
    unit: str = ""
    row: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    source: str = ""
    files: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Column] = field(default_factory=dict)
    warnings: tuple[Note, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods."""
        return self.method.levels

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self.task.levels

    @property
    def n(self) -> int:
        """Rows, failures included."""
        return int(self.value.size)

    @cached_property
    def ok(self) -> NDArray[np.bool_]:
        """(n,) whether the row has a value."""
        return np.isfinite(self.value)

    @property
    def num_failed(self) -> int:
        """Rows without a value."""
        return int(self.n - self.ok.sum())

    def where(self, index: int) -> str:
        """How a message names a row: its line in the file, or its number from 0."""
        of = f" of {self.files[index]}" if self.files else ""
        return f"line {self.row[index]}{of}" if self.source else f"row {self.row[index]}"

    def wherever(self, index: Sequence[int] | NDArray[np.intp]) -> str:
        """How a message names several rows; at most three of them, and how many more."""
        shown = [self.where(int(i)) for i in index[:MOST_ROWS_NAMED]]
        more = f" and {len(index) - MOST_ROWS_NAMED} more" if len(index) > MOST_ROWS_NAMED else ""
        if self.files:
            return ", ".join(shown) + more
        word = ("line" if self.source else "row") + ("s" if len(index) > 1 else "")
        return f"{word} {', '.join(name.partition(' ')[2] for name in shown)}{more}"

    def select(self, keep: NDArray[np.bool_]) -> Results:
        """Only some rows; methods and tasks that no row has any more are forgotten."""

        def cut(factor: Factor | None) -> Factor | None:
            return None if factor is None else factor.take(keep).observed()

        extra = {
            name: Column(name, c.values[keep], None if c.factor is None else c.factor.take(keep), c.is_bool)
            for name, c in self.extra.items()
        }
        return replace(
            self, method=self.method.take(keep).observed(), task=self.task.take(keep).observed(),
            value=self.value[keep], seed=cut(self.seed), budget=None if self.budget is None else self.budget[keep],
            hpo_run=cut(self.hpo_run), split=cut(self.split), rep=cut(self.rep), row=self.row[keep],
            files=tuple(np.array(self.files, dtype=object)[keep]) if self.files else (), extra=extra,
        )  # fmt: skip

    def counts(self) -> NDArray[np.intp]:
        """(methods, tasks) rows of each cell, failures included."""
        size = len(self.methods) * len(self.tasks)
        cells = self.method.codes * len(self.tasks) + self.task.codes
        return np.bincount(cells, minlength=size).reshape(len(self.methods), len(self.tasks))

    def cell_means(self) -> Floats:
        """(methods, tasks) mean of the values that there are; NaN for a cell without any."""
        shape = (len(self.methods), len(self.tasks))
        cells = (self.method.codes * shape[1] + self.task.codes)[self.ok]
        num = np.bincount(cells, minlength=shape[0] * shape[1])
        total = np.bincount(cells, weights=self.value[self.ok], minlength=shape[0] * shape[1])
        with np.errstate(invalid="ignore"):
            means: Floats = (total / num).reshape(shape)
        return means

    def method_index(self, name: str) -> int:
        """Code of a method.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if name not in self.methods:
            raise UnknownNameError("method", name, self.methods)
        return self.methods.index(name)
