"""A tuning run as a page, as CSV and as Markdown, from records that are invented."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import math
import random
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from cupel.report import json as strict_json
from cupel.report.csv import render_tuning as render_csv
from cupel.report.tuning_document import tuning_document
from cupel.report.tuning_figures import compared
from cupel.report.tuning_markdown import render_tuning as render_markdown
from cupel.report.tuning_page import render_tuning
from cupel.report.tuning_words import by_merit
from cupel.spec.parameter import Choice, Float
from cupel.spec.read_space import read_space
from cupel.spec.space import Space
from cupel.spec.tuning import TuningRequest

SPACE = read_space("lr=log(1e-5,1), opt=cat(adam,sgd,lion), momentum=float(0,1) if opt=sgd, layers=int(1,12)")
RUNGS = (1, 3, 9)
VOID = {"meta", "input"}


class Balanced(HTMLParser):
    """Checks that elements are closed in order; keeps ids, targets, names, attributes and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def check_page(text: str) -> tuple[Balanced, str]:
    """The page is well formed and loads nothing; returns what the reader sees."""
    page = Balanced()
    page.feed(text)
    page.close()
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.values("href")} <= set(ids)
    assert not {name for name, _ in page.attributes} & {"src", "style", "onclick", "onload", "onerror", "srcset"}
    assert not set(page.names) & {"link", "img", "iframe", "object", "base", "form"}
    assert page.names.count("script") == 2
    assert not re.search(r"https?://|url\(|@import", text)
    words = " ".join(" ".join(page.words).split())
    assert not re.search(r"\b(nan|inf|None|undefined)\b", words), words
    return page, words


def embedded(text: str) -> dict[str, Any]:
    found = re.search(r'id="data">([A-Za-z0-9+/=]*)</script>', text)
    assert found
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


def loss(parameters: dict[str, Any], step: int, rng: random.Random) -> float:
    bent = (math.log10(parameters.get("lr", 1e-3)) + 3) ** 2
    return 0.3 + 0.1 * bent + 1 / step + rng.gauss(0, 0.02)


def invent(num: int, *, space: Space = SPACE, failing: float = 0.1, fresh: int = 5, **request: Any) -> dict[str, Any]:
    """The document of a run in which one in three goes on at each rung; of those that fail some report first."""
    rng = random.Random(num)
    rows: list[dict[str, Any]] = []
    now = 0.0
    for trial in range(num):
        parameters, key, had = space.draw(rng), f"{trial:06d}.0", 0
        reach = rng.choices(RUNGS, [6, 2, 1])[0]
        for resource in (rung for rung in RUNGS if rung <= reach):
            rows.append({"kind": "asked", "t": now, "trial": trial, "parameters": parameters})
            rows[-1] |= {"start": had, "milestones": [resource]}
            rows.append({"kind": "started", "t": now, "trial": trial, "attempt": 0, "key": key, "seed": trial + 7})
            ends = {"status": "ok", "elapsed_s": 0.5 * (resource - had)}
            value: float | None = None
            for step in range(had + 1, resource + 1):
                now += 0.5
                value = loss(parameters, step, rng)
                rows.append({"kind": "report", "t": now, "trial": trial, "step": step, "value": value})
            if rng.random() < failing:
                value = None
                rows.append({"kind": "report", "t": now, "trial": trial, "step": resource, "value": None})
                ends |= {"status": "failed", "reason": "no number", "message": "its last value is no finite number"}
            told = {"resource": resource, "value": value, "goes_on": False}
            rows.append({"kind": "told", "t": now, "trial": trial, **told})
            rows.append({"kind": "ended", "t": now, "trial": trial, "key": key, **ends})
            had = resource
            if value is None:
                break
    asked = TuningRequest(
        **{"script": "train.py", "metric": "loss", "max_resource": 9, **request}, space=space.as_dict()
    )
    best = tuning_document(asked, rows)["best"]
    for number in range(fresh if best else 0):
        value = best["value"] + 0.05 + 0.01 * number
        rows.append({"kind": "reevaluated", "t": now, "trial": best["trial"], "number": number, "seed": number})
        rows[-1] |= {"value": value, "elapsed_s": 4.5}
    rows.append({"kind": "finished", "t": now, "reason": "trials"})
    about = {"run": "runs/x-tune-train", "name": "tune-train", "started": "2026-11-20T12:00:00Z", "cupel": "0.1.0"}
    machine = {"label": "2 cores", "host": "node", "hardware": {"num_cores": 2}, "software": {"python": "3.11"}}
    return {**about, "machine": machine, "directory": "/data/a b", **tuning_document(asked, rows, "/data/a b")}


def test_the_page_has_all_its_parts() -> None:
    document = invent(60)
    page, words = check_page(render_tuning(document))
    ids = set(page.values("id"))
    assert {"best", "curves", "parameters", "cost", "trials", "machine", "table", "filter", "theme"} <= ids
    best = document["best"]
    again = best["reevaluated"]
    for part in (
        "train.py tuned by random_search: loss",
        f"{best['value']:.5g} as selected",
        "too good by having been selected",
        f"95 % interval {again['low']:.5g} to {again['high']:.5g}",
        "energy not measurable",
        "1e-05 to 1, logarithmic",
        "0 to 1, if opt=sgd",
        "adam | sgd | lion",
        "1 to 12, whole",
        "no part",
        "Learning curves",
        "The best over time",
        "Parallel coordinates",
        "main effect: share of the variance of the",
        "that failed there are left out",
        "up to 9",
        "fresh seeds",
        "its last value is no finite number",
        "node",
        "cupel report runs/x-tune-train",
    ):
        assert part in words, part
    assert page.names.count("svg") == 4 + len(document["costs"]["rungs"]) + 1
    rows = re.findall(r"<tr>.*?</tr>", render_tuning(document).partition('id="table"')[2])
    assert len([row for row in rows if "pill" in row]) == 60


def test_the_same_document_gives_the_same_bytes_and_its_downloads() -> None:
    document = invent(30)
    text = render_tuning(document)
    assert text == render_tuning(invent(30))
    data = embedded(text)
    assert data["csv"] == render_csv(document)
    assert data["json"]["best"] == strict_json.plain_data(document["best"])
    assert data["json"]["trials"] is None


def test_texts_of_scripts_and_users_are_never_markup() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m'\"&"
    space = Space({evil: Choice((evil, "b")), "x": Float(0.0, 1.0)})
    document = invent(30, space=space, script=evil, metric=evil)
    document |= {"run": evil, "name": evil, "directory": evil, "script_digest": evil, "notes": [evil]}
    document["machine"] = {"label": evil, "host": evil, "packages": {evil: evil}}
    for trial in document["trials"]:
        trial["message"] = evil
    page, words = check_page(render_tuning(document))
    assert "alert(1)" in words
    assert "\x1b" not in render_tuning(document)
    assert "img" not in page.names
    lines = render_markdown(document).splitlines()
    outside = [line for line in lines if not line.startswith("cd ")]
    assert not any(re.search(r"(?<!\\)<", line) for line in outside)


@pytest.mark.parametrize(
    ("num", "failing", "said"),
    [
        (0, 0.0, "No trial was begun."),
        (1, 0.0, "of 1 trial reached a value"),
        (1, 1.0, "No trial reached a value, so that none was best."),
        (40, 1.0, "of 40 trials reached a value, 40 failed"),
    ],
)
def test_little_or_nothing_is_a_page_too(num: int, failing: float, said: str) -> None:
    document = invent(num, failing=failing)
    _, words = check_page(render_tuning(document))
    assert said in words
    if failing or not num:
        assert "no trial reached a value" in words
        assert document["best"] is None
        assert "Train it again" not in words
    else:
        assert "lr: 1 trials with a value; 10 are needed" in words
    check_page(render_tuning({**document, "machine": None, "started": None}))
    assert render_csv(document).count("\n") == num + 1
    assert ("no trial reached a value" in render_markdown(document)) == (document["best"] is None)


def test_a_run_without_a_resource_or_fresh_seeds_says_so() -> None:
    document = invent(12, max_resource=None, fresh=0)
    _, words = check_page(render_tuning(document))
    assert "not trained again with fresh seeds" in words
    assert "the best was not trained again" in words
    assert f"trial {document['best']['trial']} at" not in words


def test_where_higher_is_better_the_highest_is_the_best() -> None:
    document = invent(40, better="higher", failing=0.0)
    furthest = [trial["value"] for trial in document["trials"] if trial["resource"] == 9]
    assert document["best"]["value"] == max(furthest)
    first = next(iter(by_merit(document)))
    assert first["value"] == max(furthest)
    values = [value for _, value in compared(document)]
    assert values == sorted(values, reverse=True)
    assert "loss (higher is better)" in check_page(render_tuning(document))[1]


def test_a_run_that_was_stopped_says_how_to_go_on() -> None:
    document = {**invent(12), "status": "partial", "ended": "interrupted"}
    _, words = check_page(render_tuning(document))
    assert "not finished Go on with: cupel resume runs/x-tune-train" in words


def test_ten_thousand_trials_are_a_small_file() -> None:
    document = invent(10_000, failing=0.02)
    text = render_tuning(document)
    assert len(text.encode()) < 3_000_000
    page, words = check_page(text)
    assert "9000 further trials not shown here: the CSV has all of them." in words
    assert embedded(text)["csv"].count("\n") == 10_001
    assert page.names.count("tr") < 1_100


def test_the_csv_has_a_row_for_each_trial() -> None:
    document = invent(25)
    rows = list(csv.DictReader(io.StringIO(render_csv(document))))
    assert [int(row["trial"]) for row in rows] == list(range(25))
    for row, trial in zip(rows, document["trials"], strict=True):
        assert row["status"] == trial["status"]
        assert row["value"] == ("" if trial["value"] is None else str(trial["value"]))
        assert (row["resource"] == "") == (trial["value"] is None)
        assert float(row["elapsed_s"]) == trial["elapsed_s"]
        own = {f"parameters.{name}": str(value) for name, value in trial["parameters"].items()}
        assert {key: row[key] for key in own} == own
        assert (row["parameters.momentum"] == "") == ("momentum" not in trial["parameters"])


def test_markdown_has_the_best_ten_and_the_command() -> None:
    document = invent(40)
    text = render_markdown(document)
    table = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(table) == 10
    assert table[0].startswith(f"| {document['best']['trial']} | {document['best']['value']:.5g} | 9 |")
    assert document["best"]["command"] in text
    assert "| parameter | share of the variance | 95 % interval |" in text
    assert "95 % interval" in text.splitlines()[2]


def test_the_command_trains_the_best_as_it_was_trained() -> None:
    best = invent(20)["best"]
    assert best["seeds"] == [best["trial"] + 7]
    seed = best["trial"] + 7
    start = f"cd '/data/a b' && CUPEL_SEED={seed} CUPEL_CHECKPOINT=best.checkpoint CUPEL_RESOURCE=9 python train.py"
    assert best["command"].startswith(f"{start} --lr={best['parameters']['lr']} --opt=")
    assert "CUPEL_RESOURCE" not in invent(20, max_resource=None)["best"]["command"]
    assert " ./x.sh " in invent(20, script="x.sh")["best"]["command"]


def test_values_are_compared_where_most_trials_have_one() -> None:
    document = invent(80)
    importance = document["importance"]
    assert importance["resource"] == 1
    assert importance["n"] == sum(
        math.isfinite(value) for t in document["trials"] for at, value in t["told"] if at == 1
    )
    shares = {row["name"]: row for row in importance["parameters"]}
    assert shares["lr"]["share"] > 0.9
    assert shares["layers"]["low"] == 0
    assert shares["momentum"]["n"] < importance["n"]
    assert importance["notes"][0].endswith("failed there are left out: what makes trials fail is not in the shares.")
    assert "bohb draws where values were good" in invent(20, searcher="bohb:a=1")["importance"]["notes"][-1]


def rung(document: dict[str, Any], resource: float) -> dict[str, Any]:
    (found,) = (row for row in document["costs"]["rungs"] if row["resource"] == resource)
    return found


def test_what_rungs_cost_adds_up() -> None:
    document = invent(80)
    costs = document["costs"]
    assert sum(row["device_s"] for row in costs["rungs"]) == pytest.approx(costs["search_s"])
    assert costs["device_s"] == pytest.approx(costs["search_s"] + 5 * 4.5)
    assert [row["resource"] for row in costs["rungs"]] == [1, 3, 9]
    assert rung(document, 1)["valued"] + rung(document, 1)["failed"] == 80
    assert rung(document, 1)["device_s"] == pytest.approx(40.0)


def test_a_start_that_passes_several_rungs_is_split_where_they_were_told() -> None:
    rows: list[dict[str, Any]] = [
        {"kind": "asked", "t": 0.0, "trial": 0, "parameters": {"lr": 0.1}, "start": 0, "milestones": [1, 3, 9]},
        {"kind": "started", "t": 0.0, "trial": 0, "attempt": 0, "key": "0", "seed": 1},
        {"kind": "told", "t": 2.0, "trial": 0, "resource": 1, "value": 2.0, "goes_on": True},
        {"kind": "told", "t": 6.0, "trial": 0, "resource": 3, "value": 1.0, "goes_on": False},
        {"kind": "ended", "t": 8.0, "trial": 0, "key": "0", "status": "stopped", "elapsed_s": 16.0},
        {"kind": "finished", "t": 8.0, "reason": "trials"},
    ]
    space = read_space("lr=log(1e-5,1)")
    asked = TuningRequest(script="t.py", max_resource=9, space=space.as_dict())
    document = tuning_document(asked, rows)
    found = {row["resource"]: row["device_s"] for row in document["costs"]["rungs"]}
    assert found == {1: 4.0, 3: pytest.approx(12.0), 9: 0.0}
    assert [step["device_s"] for step in document["incumbents"]] == [2.0, 6.0]
    cut = [*rows[:4], rows[5], {"kind": "power", "t": 8.0, "energy_j": 7.0}]
    assert "1 start of a trial was cut off" in tuning_document(asked, cut)["notes"][-1]
    assert tuning_document(asked, cut)["costs"]["energy_j"] is None
    assert tuning_document(asked, [*rows, cut[-1], cut[-1]])["costs"]["energy_j"] == 14.0
