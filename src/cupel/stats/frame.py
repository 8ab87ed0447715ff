"""Frames in and out: columns of pandas, polars, pyarrow or plain mappings, and results as a frame again.

Neither pandas nor polars is needed: a mapping of columns or a sequence of mappings is a frame too. A column is either
numbers or a factor: text and categories are factors, numbers and truth values are numbers until a factor is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cupel.spec.errors import MissingExtraError, UnknownNameError, UsageError
from cupel.spec.results_table import ResultsTable
from cupel.stats.checked import Floats

Frame: TypeAlias = Any
"""A pandas or polars frame, a pyarrow table, a `ResultsTable`, a mapping of columns, or a sequence of mappings."""
Codes: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True)
class Factor:
    """A column as labels.

    Attributes:
        codes: (n,) index into `levels`; -1 where the value is missing.
        levels: the labels that there are, in their order.
        is_ordered: whether the order means something.
    """

    codes: Codes
    levels: tuple[str, ...]
    is_ordered: bool = False

    def observed(self) -> Factor:
        """The same without levels that no row has."""
        seen = np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels)) > 0
        if seen.all():
            return self
        new = np.append(np.cumsum(seen) - 1, -1)
        levels = tuple(level for level, is_seen in zip(self.levels, seen, strict=True) if is_seen)
        return Factor(new[self.codes].astype(np.intp), levels, self.is_ordered)

    def take(self, index: Any) -> Factor:
        """Some rows of it; the levels stay."""
        return Factor(self.codes[index], self.levels, self.is_ordered)

    def labels(self) -> list[str | None]:
        """(n,) the label of each row, None where it is missing."""
        names = (*self.levels, None)
        return [names[code] for code in self.codes]


@dataclass(frozen=True)
class Column:
    """One column of a frame.

    Attributes:
        name: of the column.
        values: (n,) floats where it holds numbers or truth values (NaN: missing), else objects.
        factor: its labels where it holds text or categories; None for numbers.
        is_bool: whether the numbers were truth values.
    """

    name: str
    values: NDArray[Any]
    factor: Factor | None = None
    is_bool: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers or truth values."""
        return self.factor is None

    @cached_property
    def as_factor(self) -> Factor:
        """Its labels; numbers become labels in ascending order, `3.0` as `3`."""
        if self.factor is not None:
            return self.factor
        numbers = self.values
        known = ~np.isnan(numbers)
        levels, codes = np.unique(numbers[known], return_inverse=True)
        out = np.full(numbers.shape, -1, dtype=np.intp)
        out[known] = codes
        return Factor(out, tuple(number_label(x, is_bool=self.is_bool) for x in levels.tolist()))


def number_label(number: float, *, is_bool: bool = False) -> str:
    """A number as a label: `3` for 3.0, `TRUE` for a truth value.

    Example:
        >>> number_label(3.0), number_label(0.25), number_label(1.0, is_bool=True)
        ('3', '0.25', 'TRUE')
    """
    if is_bool:
        return "TRUE" if number else "FALSE"
    return str(int(number)) if math.isfinite(number) and number == int(number) and abs(number) < 1e15 else repr(number)


def factorize(values: Sequence[Any]) -> Factor:
    """Labels in sorted order (by code point) of a sequence of texts; None and NaN are missing.

    Example:
        >>> factorize(["b", "a", None, "b"]).codes.tolist()
        [1, 0, -1, 1]
    """
    first: dict[Any, int] = {}
    raw = np.fromiter((first.setdefault(value, len(first)) for value in values), dtype=np.intp, count=len(values))
    labels = [None if is_missing(value) else str(value) for value in first]
    levels = tuple(sorted({label for label in labels if label is not None}))
    place = {level: k for k, level in enumerate(levels)}
    renumber = np.array([-1 if label is None else place[label] for label in labels], dtype=np.intp)
    return Factor(renumber[raw] if len(values) else raw, levels)


def is_missing(value: object) -> bool:
    """Whether a plain value says nothing: None, NaN or pandas' own signs for it."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in _NOTHING


_NOTHING = ("NAType", "NaTType")


def columns_of(frame: Frame) -> dict[str, Column]:
    """The columns of a frame, by name, in their order.

    Args:
        frame: a pandas or polars frame, a pyarrow table, a `ResultsTable`, a mapping of name to values of equal
            length, or a sequence of mappings (rows). It is not changed.

    Raises:
        UsageError: when it is none of these, or its columns differ in length.
    """
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas" and hasattr(frame, "columns"):
        found = {str(name): _pandas_column(str(name), frame.iloc[:, k]) for k, name in enumerate(frame.columns)}
    elif library == "polars" and hasattr(frame, "get_columns"):
        found = {series.name: _polars_column(series) for series in frame.get_columns()}
    elif library == "pyarrow" and hasattr(frame, "column_names"):
        found = {name: _plain_column(name, frame.column(name).to_pylist()) for name in frame.column_names}
    elif isinstance(frame, ResultsTable):
        found = {name: _plain_column(name, values) for name, values in frame.columns.items()}
    elif isinstance(frame, Mapping):
        found = {str(name): _plain_column(str(name), values) for name, values in frame.items()}
    elif isinstance(frame, Sequence) and frame and all(isinstance(row, Mapping) for row in frame):
        names = dict.fromkeys(str(name) for row in frame for name in row)
        found = {name: _plain_column(name, [row.get(name) for row in frame]) for name in names}
    else:
        raise UsageError(
            f"A table of results is expected, got {type(frame).__name__}. Hand over a pandas or polars frame, "
            "a mapping of column names to values, or a sequence of rows."
        )
    lengths = {name: len(column.values) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError(f"The columns have different lengths: {lengths}; expected one value per row in each.")
    return found


def column(columns: Mapping[str, Column], name: str) -> Column:
    """One column by its name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in columns:
        raise UnknownNameError("column", name, columns)
    return columns[name]


def _plain_column(name: str, values: Any) -> Column:
    """A column from a sequence or an array."""
    array = np.asarray(values) if isinstance(values, np.ndarray) else None
    if array is not None and array.dtype.kind in "biuf":
        return Column(name, array.astype(np.float64), is_bool=array.dtype.kind == "b")
    listed = list(values)
    kinds = {type(value) for value in listed}
    if kinds <= _NUMBERS:
        numbers = np.array([math.nan if value is None else _as_float(value) for value in listed], dtype=np.float64)
        return Column(name, numbers, is_bool=bool in kinds and kinds <= {bool, type(None)})
    if any(issubclass(kind, np.number) for kind in kinds) and all(
        issubclass(kind, np.number) or kind in _NUMBERS for kind in kinds
    ):
        return Column(name, np.array([math.nan if v is None else float(v) for v in listed], dtype=np.float64))
    return Column(name, _objects(listed), factorize(listed))


def _as_float(value: float) -> float:
    """The number; infinite where no float can hold a whole number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


_NUMBERS = {int, float, bool, type(None)}


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _pandas_column(name: str, series: Any) -> Column:
    dtype = series.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        levels = tuple(str(level) for level in dtype.categories.tolist())
        codes = np.asarray(series.cat.codes, dtype=np.intp)
        return Column(name, series.to_numpy(dtype=object), Factor(codes, levels, bool(dtype.ordered)))
    if getattr(dtype, "kind", "O") in "biuf":
        is_bool = dtype.kind == "b"
        return Column(name, series.to_numpy(dtype=np.float64, na_value=np.nan), is_bool=is_bool)
    return _plain_column(name, series.to_numpy(dtype=object, na_value=None).tolist())


def _polars_column(series: Any) -> Column:
    kind = str(series.dtype).partition("(")[0]
    if kind in ("Categorical", "Enum"):
        texts = series.cast(_polars().String).to_list()
        if kind == "Enum":
            levels = tuple(series.dtype.categories.to_list())
            place = {level: k for k, level in enumerate(levels)}
            codes = np.array([-1 if text is None else place[text] for text in texts], dtype=np.intp)
            return Column(series.name, _objects(texts), Factor(codes, levels))
        return Column(series.name, _objects(texts), factorize(texts))
    if series.dtype.is_numeric():
        numbers = series.cast(_polars().Float64).fill_null(math.nan).to_numpy()
        return Column(series.name, np.array(numbers, dtype=np.float64))
    return _plain_column(series.name, series.to_list())


def _polars() -> Any:
    return import_module("polars")


def frame_of(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Columns as a pandas frame, or a polars frame where only that is installed.

    Raises:
        MissingExtraError: neither is installed.
    """
    for library in ("pandas", "polars"):
        if find_spec(library) is not None:
            return import_module(library).DataFrame({name: list(values) for name, values in columns.items()})
    raise MissingExtraError(
        "A frame was asked for, and neither pandas nor polars is installed. Install one: pip install 'cupel[tables]'. "
        "The same values are in the attributes of the result."
    )


def finite_or_nan(values: Floats) -> Floats:
    """The values with infinities as NaN."""
    return np.where(np.isfinite(values), values, np.nan)
