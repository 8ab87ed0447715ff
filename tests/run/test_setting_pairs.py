"""Every two settings of an entry together: its check and a launch at tiny, by jobs as users run them.

Run by hand (`make test-manual`, or `make test-manual ARGS="-k 'bert or llama'"`): hours on two cores, most of it spent
compiling. What only some of all combinations show (a setting that another one undoes) needs no more than pairs, mostly.

Source: Cohen et al. 1997, The AETG System: An Approach to Testing Based on Combinatorial Design.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cupel.spec.card import Scalar
from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.events import JobEnded
from cupel.spec.extras import missing_extras

ENTRIES = [entry for entry in load_catalog().entries.values() if entry.kind == "workload"]
LACKED = {"precision": ("tf32", "fp8"), "weights": ("pretrained",)}
"""What a CPU has not, and what needs files of the user's: refused in words, which is tried once for each."""
LACKED_BY_SOME = {"matmul": {"precision": ("tf32", "fp8", "fp16")}}
"""A CPU without fp16 units does it by way of fp32 in models; a measure of products says so."""
Row = dict[str, Any]


def all_pairs(factors: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Rows in which every two values of different factors meet, as few as a greedy search finds.

    A row begins with a pair that has not met; each further factor takes the value that meets most others anew.
    """
    numbered = [(name, value) for name, values in factors.items() for value in range(len(values))]
    apart = {pair for pair in itertools.combinations(numbered, 2) if pair[0][0] != pair[1][0]}
    if not apart:
        return [{name: factors[name][value]} for name, value in numbered] or [{}]
    rows = []
    while apart:
        row = dict(min(apart, key=lambda pair: [numbered.index(one) for one in pair]))
        for name, values in factors.items():
            if name not in row:
                met = [sum(_pair(numbered, (name, k), one) in apart for one in row.items()) for k in range(len(values))]
                row[name] = met.index(max(met))
        apart -= {_pair(numbered, *two) for two in itertools.combinations(row.items(), 2)}
        rows.append({name: factors[name][row[name]] for name in factors})
    return rows


def _pair(order: Sequence[Any], one: Any, other: Any) -> tuple[Any, Any]:
    return (one, other) if order.index(one) < order.index(other) else (other, one)


@pytest.mark.parametrize(
    ("sizes", "most"),
    [((), 1), ((3,), 3), ((2, 2), 4), ((2, 2, 2), 5), ((3, 2, 2, 4), 13), ((3, 2, 2, 2, 4, 2), 15), ((6, 2, 2), 13)],
)
def test_every_two_values_meet_in_few_rows(sizes: tuple[int, ...], most: int) -> None:
    factors = {f"f{k}": [f"{k}:{v}" for v in range(size)] for k, size in enumerate(sizes)}
    rows = all_pairs(factors)
    assert len(rows) <= most
    assert all(list(row) == list(factors) for row in rows)
    for one, other in itertools.combinations(factors, 2):
        met = {(row[one], row[other]) for row in rows}
        assert met == set(itertools.product(factors[one], factors[other]))
    for name, values in factors.items():
        assert {row[name] for row in rows} == set(values)


def factors_of(entry: Entry) -> dict[str, list[Row]]:
    """What can be varied on a CPU, each value as the settings that it stands for.

    A strategy is one of work over all devices, so the two are one factor.
    """
    settings = entry.card.all_settings
    factors = {
        name: [{name: value} for value in values if value not in lacked_by(entry).get(name, ())]
        for name, values in settings.items()
        if name not in ("devices", "strategy")
    }
    devices = [{"devices": value} for value in settings.get("devices", ()) if value != "all"]
    over_all = [{"devices": "all", "strategy": value} for value in settings.get("strategy", ())]
    factors["devices"] = devices + (over_all or [{"devices": "all"}] * ("all" in settings.get("devices", ())))
    return {name: values for name, values in factors.items() if len(values) > 1}


def test_a_strategy_is_varied_over_all_devices_only() -> None:
    (entry,) = (one for one in ENTRIES if one.stem == "dlrm")
    rows = all_pairs(factors_of(entry))
    assert all(len(row) == 3 for row in rows)
    assert [value for value in factors_of(entry)["devices"] if "strategy" in value] == [
        {"devices": "all", "strategy": "ddp"}
    ]


def rows_of(entry: Entry) -> list[dict[str, Scalar]]:
    """Settings of each job: the pairs, then each value that a CPU lacks by itself."""
    pairs = [
        {key: value for part in row.values() for key, value in part.items()} for row in all_pairs(factors_of(entry))
    ]
    lacked = [
        {name: value}
        for name, values in lacked_by(entry).items()
        for value in values
        if value in entry.card.settings.get(name, ())
    ]
    return pairs + lacked


def lacked_by(entry: Entry) -> Mapping[str, Sequence[Scalar]]:
    return LACKED_BY_SOME.get(entry.stem, LACKED)


@pytest.mark.manual
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_every_two_settings_work_together(entry: Entry, driver: Any, tmp_path: Any) -> None:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs the extras {', '.join(missing)}, not installed")
    rows = rows_of(entry)
    suite = tmp_path / "pairs.toml"
    cells = [f"[[entries]]\nrun = {json.dumps(str(entry.path))}\nlabel = '{k}'\nset = {_toml(row)}\n"
             for k, row in enumerate(rows)]  # fmt: skip
    suite.write_text("\n".join(['title = "Pairs"', *cells]))
    folder, events = driver.run(str(suite), launches=1, timeout_s=1800.0)
    ended = [event for event in events if isinstance(event, JobEnded)]
    lacked = [event for event in ended if any(event.job.settings.get(name) in values
                                              for name, values in lacked_by(entry).items())]  # fmt: skip
    assert {event.reason for event in lacked} <= {"", "not supported here", "refused"}
    tried = [event for event in ended if event not in lacked]
    assert len(folder.asked["plan"]["cells"]) == len(rows)
    if all(event.status == "skipped" for event in tried):
        pytest.skip(tried[0].message)
    wrong = [f"{event.job.kind} {dict(event.job.settings)}: {event.reason}: {event.message}"
             for event in tried if event.status != "ok"]  # fmt: skip
    assert wrong == []


def _toml(row: Mapping[str, Scalar]) -> str:
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in row.items()) + " }"
