import json
from pathlib import Path

import pytest

from cupel.cli import main
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
