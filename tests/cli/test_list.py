import json
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.spec import catalog, extras

SMOKE = {"matmul", "memory_copy", "resnet50", "bert", "llama", "unet_diffusion", "dlrm", "ppo"}


def listed(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main(["list", "--json", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert document["schema"] == 1
    entries: list[dict[str, object]] = document["entries"]
    return entries


def test_json_has_the_keys_that_scripts_rely_on(capsys: pytest.CaptureFixture[str]) -> None:
    entries = listed([], capsys)
    assert {e["name"] for e in entries} >= {*SMOKE, "smoke"}
    for entry in entries:
        assert {"name", "kind", "path"} <= set(entry)
        assert Path(str(entry["path"])).is_file()
        if entry["kind"] == "workload":
            keys = {"measures", "unit", "better", "tags", "sizes", "settings", "needs", "missing", "install", "source"}
            assert keys <= set(entry)
            assert set(entry["sizes"]) == {"tiny", "small", "full"}  # type: ignore[call-overload]
        if entry["kind"] == "claim":
            keys = {"says", "source", "statements", "arms", "varies", "published", "kept", "smaller", "tags", "needs"}
            assert keys <= set(entry)
            assert {"sizes", "most_pairs", "instances", "missing", "install", "digest"} <= set(entry)
            for statement in entry["statements"]:  # type: ignore[attr-defined]
                assert {"name", "kind", "sentence", "metric", "better", "bar", "margin", "rope"} <= set(statement)


def test_kind_and_tag_select(capsys: pytest.CaptureFixture[str]) -> None:
    assert {e["kind"] for e in listed(["--kind", "workload"], capsys)} == {"workload"}
    suites = listed(["--kind", "suite"], capsys)
    assert {e["kind"] for e in suites} == {"suite"}
    assert "smoke" in {e["name"] for e in suites}
    assert listed(["--kind", "method"], capsys) == []
    claims = {e["name"] for e in listed(["--kind", "claim"], capsys)}
    assert claims == set(catalog.load_catalog().claims) >= {"asha_vs_successive_halving"}
    of_tag = {e["name"]: e["kind"] for e in listed(["--tag", "simulated"], capsys)}
    assert of_tag["asha_vs_successive_halving"] == "claim"
    tag = listed(["--kind", "workload"], capsys)[0]["tags"][0]  # type: ignore[index]
    chosen = listed(["--tag", tag], capsys)
    assert chosen
    assert all(tag in e["tags"] for e in chosen)  # type: ignore[operator]


def test_an_unknown_tag_lists_the_close_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--tag", "kernl"]) == 2
    assert "No tag named 'kernl'. Close: kernel" in capsys.readouterr().err


def test_needs_selects_by_extra_and_by_gated_weights(capsys: pytest.CaptureFixture[str]) -> None:
    of_extra = listed(["--needs", "tabular"], capsys)
    assert [e["name"] for e in of_extra] == ["gradient_boosting"]
    gated = {e["name"]: e["checkpoint"] for e in listed(["--needs", "token"], capsys)}
    assert gated["flux_txt2img"] == "black-forest-labs/FLUX.1-dev"
    assert gated == {e["name"]: e["checkpoint"] for e in listed([], capsys) if e.get("gated")}
    both = {e["name"] for e in listed(["--needs", "token", "--needs", "tabular"], capsys)}
    assert both == {*gated, "gradient_boosting"}


def test_gated_weights_are_named_with_what_a_token_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--needs", "token"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.strip() for line in text.splitlines()]
    place = next(idx for idx, line in enumerate(lines) if line.startswith("flux_txt2img "))
    assert lines[place + 1] == "black-forest-labs/FLUX.1-dev"
    assert "Nothing here needs them: weights are random, unless" in " ".join(text.split())
    assert main(["list", "--needs", "tabular"]) == 0
    assert "token" not in capsys.readouterr().out


def test_an_unknown_need_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--needs", "tokens"]) == 2
    assert "--needs tokens was asked; expected one of: torch, models, media," in capsys.readouterr().err


def test_text_fits_80_columns_and_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"  {name} " in text for name in (*SMOKE, "smoke"))
    assert main(["list", "--kind", "method"]) == 0
    assert capsys.readouterr().out == "Nothing of that kind.\n"


def test_a_claim_is_listed_with_its_headline_and_its_arms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--kind", "claim"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for name, claim in catalog.load_catalog().claims.items():
        arms = f" arms: {', '.join(claim.card.arms)}" if claim.card.arms else ""
        assert f" {name} {' '.join(claim.card.said[0].says.split())}{arms}" in flat


def test_a_missing_extra_shows_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "has_extra", lambda extra: extra != "models")
    assert main(["list"]) == 0
    assert "not installed: pip install 'cupel[models]'" in capsys.readouterr().out
    lacking = [e for e in listed([], capsys) if e.get("missing")]
    assert {e["install"] for e in lacking} == {"pip install 'cupel[models]'"}


def test_a_broken_file_is_named_on_stderr_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text("CARD = 1\n")
    (tmp_path / "worse.toml").write_text("title = 1\n")
    (tmp_path / "fine.toml").write_text('title = "Fine"\n[[entries]]\nrun = "x"\n')
    broken = catalog.Catalog([catalog.Folder(tmp_path, None)])
    monkeypatch.setattr("cupel.cli.list.load_catalog", lambda: broken)
    assert main(["list", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [e["name"] for e in document["entries"]] == ["fine"]
    assert [e["name"] for e in document["broken"]] == ["bad", "worse"]
    assert "bad.py:1: CARD is 1" in err
    assert "worse.toml:1: title is 1" in err
