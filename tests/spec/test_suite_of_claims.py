"""Suites of claims: read like those of workloads, never mixed with them."""

from pathlib import Path

import pytest

from cupel.spec.catalog import Catalog, Folder
from cupel.spec.errors import CardError
from cupel.spec.suite import Suite

WORKLOAD = """\
CARD = Workload(measures="rate", unit="images", better="higher", source="a paper",
    tiny={"batch": 2}, small={"batch": 4}, full={"batch": 8})


def setup(sizes, slot, rng): ...


def sane(sizes, slot, rng): ...
"""
CLAIM = """\
CARD = Claim(says="It is right.", source="a paper", settings={"precision": ("fp32", "bf16")},
    statements=({"name": "right", "kind": "exact", "says": "It is.", "metric": "x", "better": "lower", "bar": 0.1},),
    tiny={"n": 2}, small={"n": 4}, full={"n": 8})


def instance(sizes, rng): ...


def check(instance): ...
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORKLOAD)
    for stem in ("a_vs_b", "a_vs_c"):
        (tmp_path / f"{stem}.py").write_text(CLAIM)
    return tmp_path


def find(room: Path, text: str) -> Suite:
    (room / "mine.toml").write_text(f'title = "M"\n{text}')
    found = Catalog([Folder(room, None)]).find("mine")
    assert isinstance(found, Suite)
    return found


def test_a_suite_holds_claims_with_settings_and_numbers(room: Path) -> None:
    suite = find(
        room, '[[entries]]\nrun = "a_vs_b"\nset = { precision = "bf16", n = 3 }\n[[entries]]\nrun = "a_vs_c"\n'
    )
    assert [cell.run for cell in suite.entries] == ["a_vs_b", "a_vs_c"]
    assert dict(suite.entries[0].settings) == {"precision": "bf16", "n": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[entries]]\nrun = "a_vs_d"\n', ":3: No workload, claim or suite named 'a_vs_d'. Close: a_vs_c, a_vs_b"),
        ('[[entries]]\nrun = "a_vs_b"\nset = { n = "x" }\n', ":4: a_vs_b's n is like 2; asked was 'x'."),
        (
            '[[entries]]\nrun = "a_vs_b"\n\n[[entries]]\nrun = "work"\n',
            ":6: 'work' is a workload, and those before it are claims; expected one of the two",
        ),
        (
            '[[entries]]\nrun = "work"\n\n[[entries]]\nrun = "a_vs_c"\n',
            ":6: 'a_vs_c' is a claim, and those before it are workloads; expected one of the two",
        ),
        (
            'reference = "laptop"\n[[entries]]\nrun = "a_vs_b"\n',
            ":2: reference is 'laptop'; expected none, since claims have verdicts and no score.",
        ),
    ],
)
def test_what_a_suite_of_claims_cannot_be_is_refused_with_its_line(room: Path, text: str, expected: str) -> None:
    with pytest.raises(CardError) as caught:
        find(room, text)
    assert str(caught.value).startswith(f"{room / 'mine.toml'}{expected}")
