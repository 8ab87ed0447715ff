"""Tables of rows in two classes, from where the run's `data` setting says: collisions, or a file as OpenML has it.

Decisions:
- `disk` reads the file that `$CUPEL_OPENML` names (ARFF; CSV, Parquet and the rest of `cupel.tasks.data.hf_rows` too),
  or collisions in ARFF, made once, at most as many as OpenML's copy of HIGGS has. A random four fifths of the rows are
  taken, as a training split is: at most as many as asked for, for which a quarter more are read and not the rest.
- The class is the column `class` or `target`, else the last one. Of two values the later is 1; of more, numbers above
  their median, or the most frequent word. Rows without one are left out.
- Every other column is a feature. Words are numbered in the order of the alphabet; what is missing is the mean.

Shapes: R rows, F features.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cupel.spec import Slot, UsageError
from cupel.tasks.data.batch_stream import is_from_files
from cupel.tasks.data.collisions import NUM_FEATURES, collisions
from cupel.tasks.data.file_cache import cached_folder, users_path
from cupel.tasks.data.hf_rows import as_columns, read_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENVIRONMENT = "CUPEL_OPENML"
VERSION = 1
"""Part of the made file's name: changed with anything that changes a number."""
MOST_MADE = 98_050
"""Rows of HIGGS on OpenML."""
TAKEN_FRAC = 0.8
"""Share of the rows that are trained on."""
CLASS_NAMES = ("class", "target")


class Table(NamedTuple):
    """Features float32 (R, F) without gaps, and the class of each row, 1 or 0, float32 (R,)."""

    features: NDArray[np.float32]
    is_one: NDArray[np.float32]


def labelled_table(num_rows: int, slot: Slot, *, seed: int) -> Table:
    """A table of at most `num_rows` rows; random ones are as many.

    Args:
        num_rows: rows asked for.
        slot: the setting `data`; is told whose table it is.
        seed: of random rows, and of which ones of `disk` are taken.

    Raises:
        UsageError: the file cannot be read, or has no two classes or no feature.
    """
    if not is_from_files(slot):
        return Table(*collisions(num_rows, seed))
    own = users_path(ENVIRONMENT, "a table in ARFF, as OpenML hands it out")
    if own is not None:
        slot.note(f"the table is the user's own, {own} ({ENVIRONMENT})")
    num_read = math.ceil(num_rows / TAKEN_FRAC)
    path = own or made_table(min(num_read, MOST_MADE))
    whole = as_table(as_columns(itertools.islice(read_split(path), num_read)), where=path)
    num_taken = min(num_rows, math.ceil(TAKEN_FRAC * len(whole.features)))
    taken = np.sort(np.random.default_rng(seed).permutation(len(whole.features))[:num_taken])
    return Table(whole.features[taken], whole.is_one[taken])


def made_table(num_rows: int) -> Path:
    """The file of made collisions, in ARFF."""

    def make(folder: Path) -> None:
        features, is_signal = collisions(num_rows, VERSION)
        names = "".join(f"@attribute feature_{idx} numeric\n" for idx in range(NUM_FEATURES))
        with (folder / "collisions.arff").open("w", encoding="utf-8") as file:
            file.write(f"@relation collisions\n@attribute class {{0,1}}\n{names}@data\n")
            np.savetxt(
                file, np.column_stack([is_signal, features]), fmt=["%d"] + ["%.6g"] * NUM_FEATURES, delimiter=","
            )

    return cached_folder(f"table-v{VERSION}-{num_rows}rows", make) / "collisions.arff"


def as_table(columns: dict[str, list[Any]], *, where: Path) -> Table:
    """Columns as features and classes.

    Raises:
        UsageError: there are no two classes, or no feature; the message names the file.
    """
    name = next((name for name in columns if name.lower() in CLASS_NAMES), next(reversed(columns), ""))
    told = columns.pop(name, [])
    is_told = np.asarray([value is not None for value in told], bool)
    classes = _classes([value for value in told if value is not None])
    if classes is None or not columns:
        raise UsageError(
            f"{where} has {len(set(told))} values of the class {name!r} and {len(columns)} features; "
            "expected two classes or more, in the column 'class', 'target' or the last, and a feature."
        )
    features = np.column_stack([_numbers(values) for values in columns.values()])
    return Table(features[is_told], classes)


def _classes(values: Sequence[Any]) -> NDArray[np.float32] | None:
    """1 or 0 for each value; None where all are the same."""
    known = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    if len(known) < 2:
        return None
    if len(known) == 2:
        return np.asarray([value == known[1] for value in values], np.float32)
    if any(isinstance(value, str) for value in known):
        most = Counter(values).most_common(1)[0][0]
        return np.asarray([value == most for value in values], np.float32)
    return np.asarray(np.asarray(values) > np.median(values), np.float32)


def _numbers(values: Sequence[Any]) -> NDArray[np.float32]:
    """A column as numbers without gaps."""
    if any(isinstance(value, str) for value in values):
        place_of = {word: place for place, word in enumerate(sorted({str(v) for v in values if v is not None}))}
        values = [None if value is None else place_of[str(value)] for value in values]
    column = np.asarray([np.nan if value is None else value for value in values], np.float64)
    is_missing = np.isnan(column)
    column[is_missing] = 0.0 if is_missing.all() else column[~is_missing].mean()
    return column.astype(np.float32)
