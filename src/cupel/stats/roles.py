"""Which column of a table of results plays which role, and what its values are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.column_names import COLUMN_NAMES
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Column, Factor, column, factorize

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAILED_WORDS = frozenset(
    {"", "-", "na", "n/a", "nan", "none", "null", "inf", "-inf", "+inf", "infinity", "fail", "failed", "failure"}
    | {"error", "oom", "timeout", "timed out", "crash", "crashed", "killed", "diverged", "missing"}
)
OK_WORDS = frozenset({"", "ok", "complete", "completed", "finished", "success", "succeeded", "done", "passed"})
JOINT = ":"


def find_roles(columns: Mapping[str, Column], told: Mapping[str, str], metric: str | None) -> dict[str, str]:
    """Role to column: as told, else by the names that columns usually have.

    Args:
        columns: of the frame.
        told: role to column (or columns joined by `:`), as the user or the format says.
        metric: the metric that was asked for; a column of that name holds the values.

    Raises:
        UnknownNameError: a role or column that was told does not exist.
        UsageError: several columns could fill a role.
    """
    roles: dict[str, str] = {}
    for role, name in told.items():
        if role not in COLUMN_NAMES:
            raise UnknownNameError("role", role, COLUMN_NAMES)
        for part in (name,) if name in columns else name.split(JOINT):
            column(columns, part)
        roles[role] = name
    taken = {part for name in roles.values() for part in (name, *name.split(JOINT))}
    if metric is not None and "value" not in roles and metric in columns and not _is_word_of(columns, roles, metric):
        roles["value"] = metric
        taken.add(metric)
    for role in COLUMN_NAMES:
        found = None if role in roles else _by_alias(role, [c for c in columns if c not in taken])
        if found is not None:
            roles[role] = found
    return roles


def _is_word_of(columns: Mapping[str, Column], roles: Mapping[str, str], metric: str) -> bool:
    """Whether a metric is a word in the column of metrics rather than a column."""
    name = roles.get("metric") or _by_alias("metric", columns)
    return name is not None and metric in columns[name].as_factor.levels


def _by_alias(role: str, names: Iterable[str]) -> str | None:
    candidates = [name for name in names if name.lower().replace(" ", "_") in COLUMN_NAMES[role]]
    exact = [name for name in candidates if name.lower() == role]
    if len(exact) == 1 or len(candidates) <= 1:
        return next(iter(exact or candidates), None)
    raise UsageError(
        f"Several columns could be the {role}: {', '.join(candidates)}. Say which: --map {role}={candidates[0]} "
        f'(in Python: columns={{"{role}": "{candidates[0]}"}}), '
        f"or join them: --map {role}={JOINT.join(candidates[:2])}."
    )


def role_factor(columns: Mapping[str, Column], name: str) -> Factor:
    """The labels of a role, of one column or of several joined by `:`."""
    if name in columns:
        return columns[name].as_factor.observed()
    parts = [columns[part].as_factor for part in name.split(JOINT)]
    labels = zip(*(part.labels() for part in parts), strict=True)
    return factorize([None if None in row else JOINT.join(map(str, row)) for row in labels])


def is_failed_status(factor: Factor) -> NDArray[np.bool_]:
    """(n,) whether the status of a row is another one than a word for success; a missing status is none."""
    bad = [level.strip().lower() not in OK_WORDS for level in factor.levels]
    return np.array([*bad, False])[factor.codes]


def numbers_of(values: Column, lines: NDArray[np.intp], where: str) -> Floats:
    """The values of a column as numbers; words for a failure, and infinities, as NaN.

    Args:
        values: the column.
        lines: (n,) how messages name the rows.
        where: `line` or `row`.

    Raises:
        UsageError: a value is neither a number nor a word for a failure; percent signs stand on some values only.
    """
    if values.factor is None:
        return np.where(np.isfinite(values.values), values.values, np.nan)
    factor = values.factor
    parsed = [_number(level) for level in factor.levels]

    def first_row(k: int) -> str:
        return f"{where} {int(lines[np.flatnonzero(factor.codes == k)[0]])} has {factor.levels[k]!r}"

    if None in parsed:
        raise UsageError(
            f"{values.name}: {first_row(parsed.index(None))}; expected a number, or a word for a failure such as "
            "'failed'. Correct it, or say in a column `status` which rows failed."
        )
    numbers = [math.nan if number is None else number for number in parsed]
    known = [k for k, number in enumerate(numbers) if not math.isnan(number)]
    signed = [k for k in known if factor.levels[k].strip().endswith("%")]
    if signed and len(signed) < len(known):
        plain = next(k for k in known if k not in signed)
        raise UsageError(
            f"Units are mixed in {values.name}: {first_row(signed[0])}, {first_row(plain)}. Write all in the same unit."
        )
    return np.array([*numbers, math.nan])[factor.codes]


def _number(text: str) -> float | None:
    """The number in a text; NaN for a word of failure, None for anything else."""
    body = text.strip().lower()
    if body in FAILED_WORDS:
        return math.nan
    try:
        number = float(body.removesuffix("%"))
    except ValueError:
        return None
    return number if math.isfinite(number) else math.nan
