from pathlib import Path

import pytest

from cupel.spec.catalog import Catalog, Folder
from cupel.spec.errors import CardError
from cupel.spec.suite import load_suite

GOOD = '''\
# a comment
title = "Small"
about = """
Two
lines."""
reference = "laptop-cpu"
size = "tiny"
scores = ["cupel", "milabench"]

[[entries]]
run = "good"
weight = 2

[[entries]]
run = "good"
set = { precision = "bf16", batch = 3 }
label = "in bf16"
'''
ENTRY = """\
CARD = Workload(measures="rate", unit="images", better="higher", source="a paper",
    settings={"precision": ("fp32", "bf16")}, tiny={"batch": 2}, small={"batch": 4}, full={"batch": 8})


def setup(sizes, slot, rng): ...


def sane(sizes, slot, rng): ...
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(ENTRY)
    return tmp_path


def write(room: Path, text: str) -> Path:
    path = room / "small.toml"
    path.write_text(text)
    return path


def test_a_suite_is_read_whole(room: Path) -> None:
    suite = load_suite(write(room, GOOD))
    assert (suite.stem, suite.title, suite.size, suite.reference) == ("small", "Small", "tiny", "laptop-cpu")
    assert suite.scores == ("cupel", "milabench")
    first, second = suite.entries
    assert (first.run, first.weight, first.label, first.line) == ("good", 2.0, "good", 10)
    assert (second.weight, dict(second.settings), second.label, second.line) == (
        1.0,
        {"precision": "bf16", "batch": 3},
        "in bf16",
        14,
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('size = "tiny"', 'siz = "tiny"', ":7: No key named 'siz'. Close: size"),
        ('size = "tiny"', 'size = "huge"', ":7: size is 'huge'; expected one of tiny, small, full."),
        ('size = "tiny"', "size = 3", ":7: size is 3; expected a string."),
        ('"milabench"]', '"mila"]', ":8: there is no score 'mila'; expected some of cupel, milabench."),
        ('"milabench"]', "3]", ":8: there is no score 3"),
        ("weight = 2", "wieght = 2", ":12: No key named 'wieght'. Close: weight"),
        ("weight = 2", "weight = -1", ":12: weight is -1; expected 0 or more"),
        ("weight = 2", "weight = nan", ":12: weight is nan"),
        ("weight = 2", "weight = true", ":12: weight is True; expected a number."),
        (
            'set = { precision = "bf16", batch = 3 }',
            "set = { batch = [3] }",
            ":16: batch is [3]; expected a string, a number",
        ),
        (
            'set = { precision = "bf16", batch = 3 }\nlabel = "in bf16"',
            "",
            ":14: 'good' has the same cell as the entry on line 10",
        ),
        ('label = "in bf16"', 'label = "good"', ":14: 'good' has the same label as the entry on line 10"),
        ('run = "good"\nset', "set", ":14: entry 2 lacks 'run'"),
        ('title = "Small"\n', "", ": the suite lacks 'title'"),
        ('about = """', 'abuot = """', ":3: No key named 'abuot'. Close: about"),
        ('size = "tiny"', "size = ", ": not TOML: Invalid value (at line 7"),
    ],
)
def test_a_malformed_suite_is_refused_with_file_and_line(room: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    path = write(room, GOOD.replace(old, new, 1))
    with pytest.raises(CardError) as caught:
        load_suite(path)
    assert str(caught.value).startswith(f"{path}{expected}")


def test_weights_that_are_all_zero_are_refused(room: Path) -> None:
    with pytest.raises(CardError, match="every weight is 0"):
        load_suite(write(room, 'title = "Z"\n[[entries]]\nrun = "good"\nweight = 0\n'))


def test_a_suite_in_one_array_names_the_line_of_the_statement(room: Path) -> None:
    path = write(room, 'title = "A"\n\nentries = [\n  { run = "good" },\n  { run = "good", wight = 2 },\n]\n')
    with pytest.raises(CardError, match=r"small\.toml:3: No key named 'wight'"):
        load_suite(path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('run = "good"', 'run = "goood"', ":11: No workload, claim or suite named 'goood'. Close: good"),
        ('run = "good"', 'run = "other"', ":11: run names the suite 'other'"),
        ("precision =", "precison =", ":16: No setting of good named 'precison'. Close: precision"),
        ('"bf16", batch', '"fp8", batch', ":16: good takes precision = fp32, bf16; asked was 'fp8'."),
        ("batch = 3", "batch = 3.5", ":16: good's batch is like 2; asked was 3.5."),
    ],
)
def test_a_suite_that_asks_for_what_is_not_there_is_refused(room: Path, old: str, new: str, expected: str) -> None:
    (room / "other.toml").write_text('title = "O"\n[[entries]]\nrun = "good"\n')
    path = write(room, GOOD.replace(old, new, 1))
    with pytest.raises(CardError) as caught:
        Catalog([Folder(room, None)]).find("small")
    assert str(caught.value).startswith(f"{path}{expected}")


def test_an_entry_by_path_is_relative_to_the_suite(
    room: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    path = write(room, 'title = "P"\n[[entries]]\nrun = "./good.py"\n')
    suite = load_suite(path)
    assert suite.entries[0].run == str(room / "good.py")
    assert suite.entries[0].label == "good"
    Catalog([]).find(str(path))


AFTER = """\
title = "After another's model"

[[entries]]
label = "theirs"
run = "good"
differs = \"\"\"\\
Ours counts what \\
it says.\"\"\"

[[entries]]
label = "theirs over nodes"
run = "good"
nodes = 2

[[entries]]
label = "theirs by another name"
run = "good"
weight = 0

[without]
server = "Later."
"""


def test_a_suite_after_anothers_model_says_what_differs_and_what_is_left_out(room: Path) -> None:
    suite = load_suite(write(room, AFTER))
    assert [cell.nodes for cell in suite.entries] == [1, 2, 1]
    assert suite.entries[0].differs == "Ours counts what it says."
    assert dict(suite.without) == {"server": "Later."}
    assert [cell.line for cell in suite.entries] == [3, 10, 15]


def test_what_counts_is_counted_once(room: Path) -> None:
    with pytest.raises(CardError, match="'theirs by another name' has the same cell as the entry on line 3"):
        load_suite(write(room, AFTER.replace("weight = 0", "weight = 1")))
    with pytest.raises(CardError, match="nodes is 0; expected 1 or more"):
        load_suite(write(room, AFTER.replace("nodes = 2", "nodes = 0")))
