"""Which column of a table of results plays which role, and what its values are."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cupel.spec.column_names import COLUMN_NAMES, columns_named
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.stats.checked import Floats
from cupel.stats.frame import Column, Factor, column, factorize

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAILED_WORDS = frozenset(
    {"", "-", "--", "---", "–", "—", "?", "na", "n/a", "n.a.", "#n/a", "#na", "#div/0!", "#num!", "#value!", "#ref!"}
    | {"nan", "none", "null", "inf", "-inf", "+inf", "infinity", "fail", "failed", "failure", "error", "missing"}
    | {"oom", "out of memory", "cuda out of memory", "timeout", "timed out", "crash", "crashed", "killed", "diverged"}
    | {"aborted", "cancelled", "canceled", "dnf"}
)
OK_WORDS = frozenset({"", "ok", "complete", "completed", "finished", "success", "succeeded", "done", "passed"})
TRUTH_WORDS = {"true": 1.0, "false": 0.0}
JOINT = ":"
_AS_WRITTEN = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]{0,14})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*%?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:[,.'\u2019 \u00a0\u2009\u202f][0-9]{3})+(?:[.,][0-9]+)?")
_SPREAD = re.compile(r"[+-]?[0-9][0-9.,eE]*\s*(?:%\s*)?(?:±|\+/?-|\().*")
_WITH_UNIT = re.compile(r"[+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?\s*([^\W\d_][\w/%.]*)")


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
        found = None if role in roles else _by_alias(role, {n: c for n, c in columns.items() if n not in taken})
        if found is not None:
            roles[role] = found
    return roles


def _is_word_of(columns: Mapping[str, Column], roles: Mapping[str, str], metric: str) -> bool:
    """Whether a metric is a word in the column of metrics rather than a column."""
    name = roles.get("metric") or _by_alias("metric", columns)
    return name is not None and metric in columns[name].as_factor.levels


def _by_alias(role: str, columns: Mapping[str, Column]) -> str | None:
    """The column whose name says a role; of several that tell the same rows apart the first that is no mere id."""
    named = columns_named(role, columns)
    candidates = [name for name in columns if name in named]
    exact = [name for name in candidates if name.lower() == role]
    if len(exact) == 1 or len(candidates) <= 1:
        return next(iter(exact or candidates), None)
    if _say_the_same([columns[name].as_factor for name in candidates]):
        return next((name for name in candidates if not name.lower().endswith("id")), candidates[0])
    raise UsageError(
        f"Several columns could be the {role}: {', '.join(candidates)}. Say which: --map {role}={candidates[0]} "
        f'(in Python: columns={{"{role}": "{candidates[0]}"}}), '
        f"or join them: --map {role}={JOINT.join(candidates[:2])}."
    )


def _say_the_same(factors: Sequence[Factor]) -> bool:
    """Whether the levels of factors go together one to one, so that each of them tells the same rows apart."""
    pairs = np.unique(np.stack([factor.codes for factor in factors]), axis=1)
    return pairs.shape[1] > 1 and all(np.unique(codes).size == pairs.shape[1] for codes in pairs)


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
    factor = values.factor.observed()
    said = [level.strip().lower() for level in factor.levels]
    known = [k for k, word in enumerate(said) if word not in FAILED_WORDS]
    if known and all(said[k] in TRUTH_WORDS for k in known):
        return np.array([*(TRUTH_WORDS.get(word, math.nan) for word in said), math.nan])[factor.codes]
    parsed = [_number(level) for level in factor.levels]
    rows = np.unique(factor.codes[factor.codes >= 0], return_index=True)[1]
    first = np.flatnonzero(factor.codes >= 0)[rows].tolist()

    def named(k: int) -> str:
        return f"{where} {int(lines[first[k]])} has {factor.levels[k]!r}"

    bad = sorted((k for k, number in enumerate(parsed) if number is None), key=lambda k: first[k])
    if bad:
        raise UsageError(_no_number(values.name, factor.levels, (known, bad), named))
    numbers = [math.nan if number is None else number for number in parsed]
    known = sorted((k for k in known if not math.isnan(numbers[k])), key=lambda k: first[k])
    signed = [k for k in known if said[k].endswith("%")]
    if signed and len(signed) < len(known):
        plain = next(k for k in known if k not in signed)
        raise UsageError(_mixed(values.name, named(signed[0]), named(plain)))
    return np.array([*numbers, math.nan])[factor.codes]


def holds_numbers(values: Column) -> bool:
    """Whether a column holds numbers, maybe with percent signs or words for a failure among them; not truth values.

    Example:
        >>> from cupel.stats.frame import columns_of
        >>> columns = columns_of({"acc": ["0.9", "OOM"], "id": ["0012", "0013"], "empty": [None, None]})
        >>> [holds_numbers(c) for c in columns.values()]
        [True, False, False]
    """
    if values.factor is None:
        return not values.is_bool and not bool(np.isnan(values.values).all())
    said = [level.strip() for level in values.factor.observed().levels]
    numbers = [text for text in said if text.lower() not in FAILED_WORDS]
    return bool(numbers) and all(map(_AS_WRITTEN.fullmatch, numbers))


def begins_with_numbers(values: Column) -> bool:
    """Whether most cells of a column of text begin like a number: values with something beside them."""
    levels = [] if values.factor is None else values.factor.observed().levels
    cells = [text for level in levels if (text := level.strip()).lower() not in FAILED_WORDS]
    with_digit = [text for text in cells if text.lstrip("+-.")[:1].isdigit() and not _AS_WRITTEN.fullmatch(text)]
    return 2 * len(with_digit) > len(cells)


def _no_number(
    name: str, levels: Sequence[str], which: tuple[Sequence[int], Sequence[int]], named: Callable[[int], str]
) -> str:
    """What is wrong with a column in which some values are no numbers, and what to do; `which`: values, bad ones."""
    known, bad = which
    units = {k: match[1] for k in bad if (match := _WITH_UNIT.fullmatch(levels[k].strip()))}
    if len(units) == len(bad):
        other = next((k for k in bad if units[k] != units[bad[0]]), None)
        other = next((k for k in known if k not in units), None) if other is None else other
        if other is not None:
            return _mixed(name, named(bad[0]), named(other))
        return (
            f"{name}: {named(bad[0])}; expected a number without its unit. Write the unit into a column `unit`, and "
            "the numbers alone here."
        )
    text = levels[bad[0]].strip()
    if _SPREAD.fullmatch(text):
        return (
            f"{name}: {named(bad[0])}, a mean with its spread; a comparison needs the single runs, one per row. "
            "cupel lint reads such a table, too."
        )
    hint = " Write numbers without a mark between thousands." if _THOUSANDS.fullmatch(text) else ""
    return (
        f"{name}: {named(bad[0])}; expected a number, or a word for a failure such as 'failed'.{hint} Correct it, or "
        "say in a column `status` which rows failed."
    )


def _mixed(name: str, one: str, other: str) -> str:
    return f"Units are mixed in {name}: {one}, {other}. Write all in the same unit."


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
