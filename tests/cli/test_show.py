import json
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.spec import extras
from cupel.spec.catalog import load_catalog


@pytest.mark.parametrize("name", sorted(load_catalog().entries))
def test_every_entry_is_shown_with_what_its_card_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    text = capsys.readouterr().out
    entry = load_catalog().entries[name]
    flat = " ".join(text.split())
    assert f"run it cupel run {name}" in flat
    assert f"{entry.card.unit}/s" in flat
    assert " ".join(entry.card.source.split()) in flat
    assert f"{name}.py" in flat
    for setting, values in entry.card.settings.items():
        assert f"{setting} {' | '.join(map(str, values))} (default {values[0]})" in flat
    for key, value in entry.card.full.items():
        assert key in flat
        assert str(value) in flat


@pytest.mark.parametrize("name", sorted(load_catalog().claims))
def test_every_claim_is_shown_with_what_its_card_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    flat = " ".join(capsys.readouterr().out.split())
    card = load_catalog().claims[name].card
    for text in (card.says, card.source, card.kept, card.smaller, *card.arms.values()):
        assert " ".join(text.split()) in flat
    if card.published:
        assert f"{' '.join(card.published.split())} (As published; not compared with runs here.)" in flat
    for index, said in enumerate(card.said):
        headline = ", the headline" if index == 0 else ""
        assert f"{said.name} ({said.kind}{headline}) {' '.join(said.says.split())} {said.metric}" in flat
    for source in card.varies:
        assert source in flat
    for key, value in card.full.items():
        assert f"{key} " in flat
        assert str(value) in flat
    assert f"in full cupel run {name} --size full" in flat


CLAIM = """
CARD = Claim(
    says="A beats B.", source="a paper", arms={"method": "A", "baseline": "B"}, varies=("init",), needs=("tabular",),
    statements=(
        {"name": "more", "kind": "quality", "says": "A is more.", "metric": "x", "better": "higher", "unit": "m",
         "bar": 0.1, "rope": 0.02},
        {"name": "alike", "kind": "quality", "says": "A is like B.", "metric": "y", "better": "lower", "scale": "log",
         "sentence": "equivalence", "margin": 0.25},
        {"name": "hardly_worse", "kind": "simulated", "says": "A is hardly worse.", "metric": "y", "better": "lower",
         "sentence": "non-inferiority", "margin": 0.5},
        {"name": "right", "kind": "exact", "says": "A is right.", "metric": "error", "better": "lower", "bar": 1e-6},
        {"name": "as_said", "kind": "published", "says": "It is so.", "metric": "z", "better": "higher", "bar": 3},
    ),
    tiny={"n": 1}, small={"n": 2}, full={"n": 3}, most_pairs={"small": 30},
)


def task(sizes, slot, rng): ...
def method(task, slot, rng, hp): ...
def baseline(task, slot, rng, hp): ...
def instance(sizes, rng): ...
def check(instance): ...
def recompute(): ...
"""


def test_what_each_statement_asks_for_is_said_in_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extras, "has_extra", lambda extra: extra != "tabular")
    Path("a_vs_b.py").write_text(CLAIM)
    assert main(["show", "./a_vs_b.py"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    pair = "method against baseline:"
    for words in (
        f"x in m (higher is better), {pair} better by more than 0.1; within 0.02 of each other they are equal in",
        f"y (lower is better), {pair} equal, within a ratio of 1.25",
        f"y (lower is better), {pair} not worse by 0.5 or more",
        "error: <= 1e-06 in every instance",
        "z (higher is better): above 3",
        "evidence quality: pairs of trials; simulated: pairs of simulated trials; exact: random instances; published:",
        "needs tabular; not installed: pip install 'cupel[tabular]'",
        "pairs at most 8 30 50",
        "instances 8 60 300",
        "run it cupel run ./a_vs_b.py",
    ):
        assert words in flat
    assert main(["show", "./a_vs_b.py", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["missing"], record["most_pairs"]["small"]) == ("claim", ["tabular"], 30)
    assert [said["sentence"] for said in record["statements"]][:2] == ["superiority", "equivalence"]


def test_published_weights_are_named_and_whether_they_can_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "flux_txt2img"]) == 0
    flat = " ".join(capsys.readouterr().out.split())
    assert "weights published as black-forest-labs/FLUX.1-dev (gated: by a token, once their licence is" in flat
    assert "accepted); not loaded, weights are random" in flat
    assert main(["show", "matmul"]) == 0
    assert "weights published" not in " ".join(capsys.readouterr().out.split())


def test_a_suite_is_shown_with_its_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "suite/smoke"]) == 0
    flat = " ".join(capsys.readouterr().out.split())
    assert "matmul 0.5 - matmul" in flat
    assert "reference epyc-vm-cpu" in flat


def test_a_suite_of_claims_is_shown_with_what_they_say_and_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "suite/claims"]) == 0
    text = capsys.readouterr().out
    flat = " ".join(text.split())
    for name, claim in load_catalog().claims.items():
        assert f" {name} {' '.join(claim.card.says.split())}" in flat
    assert "run it cupel run suite/claims --budget 30min" in flat
    assert not {"reference", "scores", "weight"} & {line.split()[0] for line in text.splitlines() if line.strip()}


def test_json_has_the_card_and_what_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "matmul", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["schema"], record["name"], record["kind"]) == (1, "matmul", "workload")
    assert record["about"]
    assert main(["show", "smoke", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["schema"], record["kind"], len(record["entries"])) == (1, "suite", 8)


def test_a_file_outside_any_package_is_shown_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "workload", "mine"]) == 0
    capsys.readouterr()
    assert main(["show", "./mine.py"]) == 0
    assert "cupel run ./mine.py" in capsys.readouterr().out


def test_a_suite_is_run_by_the_name_it_was_shown_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('title = "M"\n[[entries]]\nrun = "matmul"\n')
    assert main(["show", "./mine.toml"]) == 0
    assert "cupel run ./mine.toml" in capsys.readouterr().out


def test_an_unknown_name_lists_the_close_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "matmull"]) == 2
    assert "Close: matmul" in capsys.readouterr().err
