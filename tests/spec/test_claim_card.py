"""The card of a claim: what it refuses, in which words, and what its file must define."""

import pytest

from cupel.spec.claim import Claim
from cupel.spec.errors import CardError
from cupel.spec.read_entry import read_entry
from cupel.spec.seeds import Seeds, TrialSeeds
from cupel.spec.statement import Statement, read_statement

SAID = {"name": "s", "kind": "quality", "says": "a is larger", "metric": "v", "better": "higher"}
CARD = {
    "says": "a beats b", "source": "a test", "varies": ("init",), "arms": {"method": "a", "baseline": "b"},
    "statements": (SAID,), "tiny": {"n": 1}, "small": {"n": 1}, "full": {"n": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"kind": "qualty"}, "kind is 'qualty'; expected one of quality, speed"),
        ({"better": "more"}, "better is 'more'; expected 'higher' or 'lower'"),
        ({"name": "Big Name"}, "named 'Big Name'; expected small letters"),
        ({"says": ""}, "says is ''; expected words"),
        ({"bar": -1}, "bar is -1; expected a number of at least 0"),
        ({"bar": "x"}, "bar is 'x'; expected a number"),
        ({"bar": float("nan")}, "expected a number of at least 0"),
        ({"margin": 0.1}, "only equivalence and non-inferiority"),
        ({"sentence": "equivalence"}, "margin is None; expected a number above 0"),
        ({"sentence": "equivalence", "margin": 0.1, "rope": 0.1}, "rope is 0.1; expected"),
        ({"arms": ("method", "method")}, "two different arms"),
        ({"arms": "method"}, "names of two arms"),
        ({"bounds": (1, 0)}, "lowest and the highest"),
        ({"bounds": (0, 1), "scale": "log"}, "a ratio has no bounds"),
        ({"scale": "cubic"}, "scale is 'cubic'"),
        ({"metric": 3}, "metric is 3; expected words"),
        ({"metrc": "v"}, "No key of a statement named 'metrc'. Close: metric"),
    ],
)
def test_a_statement_that_could_only_be_misread_is_refused(changed, match):
    with pytest.raises(CardError, match=match):
        read_statement({**SAID, **changed})


def test_a_statement_lacks_what_it_lacks():
    with pytest.raises(CardError, match="lacks metric, better"):
        read_statement({k: v for k, v in SAID.items() if k not in ("metric", "better")})


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"says": ""}, "'says' is empty"),
        ({"statements": ()}, "no statements"),
        ({"statements": (SAID, SAID)}, "Two statements are named 's'"),
        ({"varies": ()}, "'varies' is empty"),
        ({"varies": ("inits",)}, "No source of variation named 'inits'. Close: init"),
        ({"arms": {"method": "a"}}, "No arm named 'baseline'"),
        ({"small": {"m": 1}}, "different keys"),
        ({"most_pairs": {"huge": 3}}, r"'most_pairs' names \['huge'\]"),
    ],
)
def test_a_card_that_could_only_be_misread_is_refused(changed, match):
    with pytest.raises(CardError, match=match):
        Claim(**{**CARD, **changed})


def test_a_card_survives_json():
    card = Claim(**CARD, most_pairs={"tiny": 3})
    assert Claim.from_dict(card.as_dict()) == card
    assert card.said == (Statement(**SAID),)
    assert (card.pairs("tiny"), card.pairs("small"), card.num_instances("small")) == (3, 40, 60)


def test_functions_follow_the_kinds():
    exact = {**SAID, "kind": "exact", "name": "e"}
    published = {**SAID, "kind": "published", "name": "p"}
    assert Claim(**CARD).functions == ("task", "method", "baseline")
    assert Claim(**{**CARD, "statements": (exact,)}).functions == ("instance", "check")
    assert Claim(**{**CARD, "statements": (published,)}).functions == ("recompute",)


FILE = """
from cupel.spec.claim import Claim

CARD = Claim(
    says="a beats b", source="a test", varies=("init",), arms={{"method": "a", "baseline": "b"}},
    statements=({{"name": "s", "kind": "{kind}", "says": "x", "metric": "v", "better": "higher"}},{more}),
    tiny={{"n": 1}}, small={{"n": 1}}, full={{"n": 1}},
)

{functions}
"""
SPEED = '{"name": "t", "kind": "speed", "says": "x", "metric": "rate", "better": "higher", "scale": "log"},'


@pytest.mark.parametrize(
    ("kind", "more", "functions", "missing"),
    [
        ("quality", "", ("task", "method"), "baseline"),
        ("exact", "", ("instance",), "check"),
        ("published", "", (), "recompute"),
        ("quality", SPEED, ("task", "method", "baseline", "method_step"), "baseline_step"),
        ("speed", "", ("task", "method"), "baseline_step"),
        ("speed", "", ("task", "method", "baseline"), None),
    ],
)
def test_a_file_defines_what_its_statements_need(tmp_path, kind, more, functions, missing):
    path = tmp_path / "a_vs_b.py"
    text = "\n".join(f"def {name}(*_):\n    pass\n" for name in functions)
    path.write_text(FILE.format(kind=kind, more=more, functions=text), encoding="utf-8")
    if missing is None:
        assert read_entry(path).kind == "claim"
        return
    with pytest.raises(CardError, match=f"no function '{missing}'; expected def {missing}"):
        read_entry(path)


def test_streams_that_vary_differ_and_all_others_stand_still():
    trials = [TrialSeeds(7, k, ("init", "split")) for k in range(5)]
    for name, num in (("init", 5), ("split", 5), ("order", 1), ("data", 1)):
        assert len({trial.seed(name) for trial in trials}) == num
    assert len({trial.seed("init", "layer", 2) for trial in trials}) == 5
    assert trials[0].seed("order") == Seeds(7).seed("order")
    assert TrialSeeds(8, 0, ("init",)).seed("init") != trials[0].seed("init")
