import importlib.util
from pathlib import Path

import pytest

from cupel.cli import main
from cupel.spec.read_entry import read_entry
from cupel.spec.seeds import Seeds


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_template_is_an_entry_and_the_next_command_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "workload", "mine"]) == 0
    assert "cupel run ./mine.py --size tiny" in capsys.readouterr().out
    entry = read_entry(here / "mine.py")
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


@pytest.mark.parametrize("name", ["Mine", "1st", "two words", "a.b", "../up", "class", "", "matmul", "smoke"])
def test_a_bad_or_taken_name_is_refused(here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "workload", name]) == 2
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
