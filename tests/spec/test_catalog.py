import importlib.util
import sys
from pathlib import Path

import pytest

from cupel.spec.catalog import Catalog, Folder, load_catalog
from cupel.spec.errors import CardError, UsageError
from cupel.spec.extras import install_line, missing_extras
from cupel.spec.job import digest_text
from cupel.spec.read_entry import read_entry
from cupel.spec.suite import Suite

CARD = """\
CARD = Workload(
    measures="training " "throughput",
    unit="images",
    better="higher",
    source="a paper",
    tiny={"batch": 2},
    small={"batch": 4},
    full={"batch": 8},
)
"""
BODY = """

def setup(sizes, slot, rng):
    return None


def sane(sizes, slot, rng):
    return None
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_an_entry_is_read_without_being_imported(tmp_path: Path) -> None:
    text = "raise SystemExit('imported')\n" + CARD + BODY
    entry = read_entry(write(tmp_path, "mine.py", text), "outside.mine")
    assert (entry.stem, entry.kind, entry.key, entry.module) == ("mine", "workload", "workload/mine", "outside.mine")
    assert entry.card.measures == "training throughput"
    assert entry.card.sizes("full") == {"batch": 8}
    assert entry.digest == digest_text(text)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('unit="images"', "unit=UNIT", ":3: unit is 'UNIT'; expected a literal"),
        ('unit="images"', 'unti="images"', ":3: No field of a Workload card named 'unti'. Close: unit"),
        ('unit="images"', "unit=3", ":3: unit is 3; expected a string"),
        ('unit="images"', 'unit="images", tags=("vision")', ":3: tags is 'vision'; expected a tuple of strings"),
        ('unit="images"', 'unit="images", needs=("jax",)', ":1: needs names 'jax'; expected extras of cupel"),
        ('unit="images"', 'unit="images", gated="yes"', ":3: gated is 'yes'; expected True or False"),
        ('unit="images"', 'unit="images", gated=True', ":1: The card's 'checkpoint' is empty"),
        (
            'unit="images"',
            'unit="images", settings={"weights": ("random", "pretrained")}',
            ":1: The card's 'checkpoint'",
        ),
        (
            'unit="images"',
            'unit="images", settings={"strategy": ("tp", "ddp")}',
            ":1: The setting 'strategy' begins with 'tp', the default then; put 'ddp' or 'fsdp' first.",
        ),
        ('better="higher"', 'better="up"', ":1: The card's 'better' is 'up'"),
        ('    source="a paper",\n', "", ":1: the card lacks source"),
        ('tiny={"batch": 2}', 'tiny={"bach": 2}', ":1: The sizes have different keys"),
        ('tiny={"batch": 2}', "tiny=[2]", ":6: tiny is [2]; expected a dict"),
        ('measures="training "', '"x", measures="training "', ":2: the card has an argument without a name"),
        ("CARD = Workload(", "CARD = Wrkload(", ":1: CARD is Wrkload("),
        ("CARD = ", "CARD_ = ", ": no module-level CARD; expected one"),
        ("CARD = ", "CARD = 3\nCARD = ", ": CARD is set on lines 1 and 2"),
        ("def sane", "def insane", ": no function 'sane'; expected def sane(sizes, slot, rng)"),
        ("def sane", "def sane sane", ":16: not Python:"),
    ],
)
def test_a_malformed_card_is_refused_with_file_and_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in CARD + BODY
    path = write(tmp_path, "mine.py", (CARD + BODY).replace(old, new))
    with pytest.raises(CardError) as caught:
        read_entry(path)
    assert str(caught.value).startswith(f"{path}{expected}")


def test_a_broken_file_leaves_the_rest_usable(tmp_path: Path) -> None:
    write(tmp_path, "good.py", CARD + BODY)
    write(tmp_path, "bad.py", "CARD = 1\n")
    write(tmp_path, "_private.py", "no card")
    catalog = Catalog([Folder(tmp_path, "outside")])
    assert list(catalog.entries) == ["good"]
    assert list(catalog.broken) == ["bad"]
    with pytest.raises(CardError, match=r"bad\.py:1"):
        catalog.find("bad")


def test_two_files_of_one_name_are_refused_naming_both(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first = write(tmp_path / "a", "twin.py", CARD + BODY)
    second = write(tmp_path / "b", "twin.toml", "")
    catalog = Catalog([Folder(tmp_path / "a", "a"), Folder(tmp_path / "b", None)])
    assert not catalog.entries
    with pytest.raises(CardError) as caught:
        catalog.find("twin")
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_find_takes_stem_kind_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "room").mkdir()
    inside = write(tmp_path / "room", "good.py", CARD + BODY)
    write(tmp_path, "other.py", CARD + BODY)
    write(tmp_path / "room", "small.toml", 'title = "S"\n[[entries]]\nrun = "good"\n')
    catalog = Catalog([Folder(tmp_path / "room", "outside.room")])
    monkeypatch.chdir(tmp_path)
    for name in ("good", "workload/good", "./room/good.py", str(inside)):
        found = catalog.find(name)
        assert not isinstance(found, Suite)
        assert found.module == "outside.room.good"
    outside = catalog.find("./other.py")
    assert not isinstance(outside, Suite)
    assert (outside.module, outside.path) == (None, tmp_path / "other.py")
    assert isinstance(catalog.find("suite/small"), Suite)
    assert isinstance(catalog.find("room/small.toml"), Suite)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("goood", "No workload, claim or suite named 'goood'. Close: good. See them all: cupel list"),
        ("suite/good", "No suite named 'good'. There is a workload of that name."),
        ("wrkload/good", "No kind named 'wrkload'. Close: workload."),
        ("./oter.py", "No file named './oter.py'. Close: other.py"),
        ("/etc/passwd", "'/etc/passwd' is no .py or .toml file; expected such a file, or a name."),
        ("./t.sh", "is no .py or .toml file"),
        ("room/t.sh", "is no .py or .toml file"),
        ("../room", "is no .py or .toml file"),
        ("./good.py", "A name means one thing"),
        ("two words.py", "its name 'two words' should be letters"),
    ],
)
def test_an_unknown_name_lists_the_close_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    (tmp_path / "room").mkdir()
    write(tmp_path / "room", "good.py", CARD + BODY)
    write(tmp_path, "other.py", CARD + BODY)
    write(tmp_path, "two words.py", CARD + BODY)
    write(tmp_path / "room", "t.sh", "")
    write(tmp_path, "good.py", CARD + BODY)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        Catalog([Folder(tmp_path / "room", None)]).find(name)
    assert expected in str(caught.value)


def test_an_installed_package_adds_its_folder_unimported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "outside_work"
    (package / "works").mkdir(parents=True)
    write(package, "__init__.py", "raise SystemExit('imported')\n")
    write(package / "works", "theirs.py", CARD + BODY)
    info = tmp_path / "outside_work-1.dist-info"
    info.mkdir()
    write(info, "METADATA", "Metadata-Version: 2.1\nName: outside-work\nVersion: 1\n")
    write(
        info,
        "entry_points.txt",
        "[cupel.catalog]\nworks = outside_work:works\ngone = outside_gone:works\nno = outside_work:no\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog = load_catalog()
    assert catalog.entries["theirs"].module == "outside_work.works.theirs"
    assert "outside_work" not in sys.modules
    assert "names no installed package 'outside_gone'" in str(catalog.broken["gone"])
    assert "names a folder that is not there" in str(catalog.broken["no"])


def test_missing_extras_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CARD.replace('unit="images"', 'unit="images", needs=("torch", "models")') + BODY
    card = read_entry(write(tmp_path, "mine.py", text)).card
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "diffusers" else real(name))
    from cupel.spec import extras

    extras.has_extra.cache_clear()
    try:
        missing = missing_extras(card)
    finally:
        extras.has_extra.cache_clear()
    assert "models" in missing
    assert install_line(("torch", "models")) == "pip install 'cupel[torch,models]'"


def test_cupels_own_catalogue_has_no_broken_file() -> None:
    catalog = load_catalog()
    assert catalog.entries
    assert catalog.broken == {}
    assert {"smoke"} <= set(catalog.suites)
