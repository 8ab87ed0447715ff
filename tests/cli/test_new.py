import importlib.util
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.spec.catalog import load_catalog
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.read_entry import read_entry
from cupel.spec.seeds import Seeds

TAKEN = "asha_vs_successive_halving"
"""The name of a claim."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_template_is_an_entry_and_the_next_command_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "workload", "mine"]) == 0
    assert "cupel run ./mine.py --size tiny" in capsys.readouterr().out
    entry = read_entry(here / "mine.py")
    assert isinstance(entry, Entry)
    assert (entry.stem, entry.card.unit) == ("mine", "samples")
    assert (here / "mine.py").read_text().startswith('"""mine: ')


def test_the_template_does_its_work_as_it_is(here: Path) -> None:
    pytest.importorskip("torch", reason="the template needs torch")
    import types

    from cupel.run.slot import TorchSlot

    assert main(["new", "workload", "mine"]) == 0
    spec = importlib.util.spec_from_file_location("mine", here / "mine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sizes = types.SimpleNamespace(**module.CARD.sizes("tiny"))
    for precision in module.CARD.settings["precision"]:
        slot = TorchSlot(device="cpu", settings={"precision": precision}, threads=1)
        module.sane(sizes, slot, Seeds(0))
        done = module.setup(sizes, slot, Seeds(0))()
        assert done.items == sizes.batch * sizes.num_loops


def test_a_claim_is_made_in_few_lines_and_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "claim", "mine_vs_adam"]) == 0
    assert "cupel run ./mine_vs_adam.py --size tiny" in capsys.readouterr().out
    text = (here / "mine_vs_adam.py").read_text()
    assert text.startswith('"""mine_vs_adam: my optimiser against Adam')
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 55, "few enough to fill in"
    entry = read_entry(here / "mine_vs_adam.py")
    assert isinstance(entry, ClaimEntry)
    assert [said.sentence for said in entry.card.said] == ["superiority", "non-inferiority"]
    assert main(["run", "./mine_vs_adam.py", "--size", "tiny", "--dry-run"]) == 0
    assert "quality   lower_loss: at most 8 pairs" in capsys.readouterr().out


def test_the_claims_arms_train_as_they_are_on_the_same_data(here: Path) -> None:
    pytest.importorskip("torch", reason="the template needs torch")
    from cupel.run.claim_plan import ClaimRequest, make_claim_plan
    from cupel.run.trial_worker import claim_space, do_trial

    assert main(["new", "claim", "mine_vs_adam"]) == 0
    (cell,) = make_claim_plan(ClaimRequest(names=("./mine_vs_adam.py",), size="tiny"), load_catalog()).cells
    space = claim_space(cell.job)
    assert set(space) == set(cell.card.arms)
    for arm, grid in space.items():
        low, high = ({"lr": grid["lr"][end]} for end in (0, -1))
        first, again = (do_trial(cell.trial(arm, 0, hp=high)) for _ in range(2))
        assert first == again
        assert first.values != do_trial(cell.trial(arm, 1, hp=high)).values
        assert first.values != do_trial(cell.trial(arm, 0, hp=low)).values
        assert first.values["loss"] < 1.0
        assert first.costs == {"steps": 20}
    still, far = (do_trial(cell.trial("method", 0, hp={"lr": lr})).values["loss"] for lr in (0.0, 0.1))
    assert far < still, "it learns"


BAD = ["Mine", "1st", "two words", "a.b", "../up", "class", "", "matmul", "smoke"]


@pytest.mark.parametrize(("kind", "name"), [*(("workload", name) for name in BAD), ("claim", "Mine"), ("claim", TAKEN)])
def test_a_bad_or_taken_name_is_refused(here: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", kind, name]) == 2
    assert repr(name) in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.py").write_text("mine")
    assert main(["new", "workload", "mine"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (here / "mine.py").read_text() == "mine"


def test_another_folder_must_be_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "workload", "mine", "--dir", "sub"]) == 2
    assert "The folder 'sub' is not there" in capsys.readouterr().err
    (here / "sub").mkdir()
    assert main(["new", "workload", "mine", "--dir", "sub"]) == 0
    assert (here / "sub/mine.py").is_file()
