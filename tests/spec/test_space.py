"""Spaces of hyperparameters: their text, their scales, their conditions."""

import json
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.spec.cell import loose_ends, read_cell
from cupel.spec.constraint import Constraint
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.parameter import Choice, Float, Int, Parameter, prior_density, prior_draw
from cupel.spec.read_space import read_space, scalar
from cupel.spec.space import Condition, Space

TEXT = "lr=log(1e-5,1), width=int(32,512), act=cat(relu,gelu,1,true), x=float(-10,10), n=logint(1,1000)"


def test_a_text_is_read_into_parameters_in_its_order() -> None:
    assert read_space(TEXT).parameters == {
        "lr": Float(1e-5, 1, log=True),
        "width": Int(32, 512),
        "act": Choice(("relu", "gelu", 1, True)),
        "x": Float(-10, 10),
        "n": Int(1, 1000, log=True),
    }


def test_priors_conditions_and_constraints_are_read_too() -> None:
    space = read_space("opt=cat(sgd,adam)~adam, m=float(0,1)~0.9 if opt=sgd, w=int(1,8)", ["w % 2 == 0"])
    assert space.parameters["opt"].prior == "adam"
    assert space.parameters["m"].prior == 0.9
    assert space.conditions == {"m": Condition("opt", ("sgd",))}
    rng = random.Random(0)
    for _ in range(200):
        found = space.draw(rng)
        assert ("m" in found) == (found["opt"] == "sgd")
        assert int(found["w"]) % 2 == 0
        assert space.check(found) == found
    assert space.prior_mode == {"opt": "adam", "w": 4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The space is empty"),
        ("lr", "'lr' is not understood"),
        ("lr=log(1e-5)", "takes a least and a largest value; found 1"),
        ("lr=log(a,1)", "could not convert string to float"),
        ("w=int(1,2.5)", "2.5 is no whole number"),
        ("w=int(1,8)~many", "the prior many is no number"),
        ("w=int(1,8)~9", "lies outside"),
        ("a=cat()", "found none"),
        ("a=cat(b,b)", "b more than once"),
        ("m=float(0,1) if opt=sgd", "depends on opt"),
        ("o=cat(a,b), m=float(0,1) if o=c", "o never is"),
        ("net=cell(0,conv,pool)", "a cell has 0 nodes"),
        ("x=float(nan,1)", "finite"),
        ("x=float(0,inf)", "finite"),
    ],
)
def test_a_text_that_is_no_space_is_refused_with_the_part_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_space(text)


@pytest.mark.parametrize(
    "parameter",
    [Float(-3, 7), Float(1e-6, 10, log=True), Int(2, 9), Int(1, 1000, log=True), Choice(("a", "b", 3))],
    ids=str,
)
@given(place=st.floats(0, 1))
def test_values_and_their_places_lead_back_to_each_other(parameter: Parameter, place: float) -> None:
    value = parameter.value_at(place)
    assert parameter.holds(value)
    back = parameter.place_of(value)
    assert 0 <= back <= 1
    again = parameter.value_at(back)
    assert again == value or math.isclose(float(again), float(value), rel_tol=1e-9)
    if isinstance(parameter, Float):
        assert math.isclose(back, place, abs_tol=1e-9)


@pytest.mark.parametrize("parameter", [Int(0, 4), Choice(tuple("abcde"))], ids=str)
def test_whole_numbers_and_choices_are_equally_likely(parameter: Parameter) -> None:
    counts = Counter(parameter.value_at((k + 0.5) / 1000) for k in range(1000))
    assert set(counts.values()) == {200}


def test_truth_values_are_no_numbers_and_numbers_no_texts() -> None:
    assert not Int(0, 5).holds(True)
    assert not Choice((1, "1")[:1]).holds("1")
    assert not Float(0, 1).holds("0.5")
    assert [scalar(word) for word in ("1", "1.0", "1e-3", "true", "x y")] == [1, 1.0, 0.001, True, "x y"]


@pytest.mark.parametrize(
    "parameter", [Float(0, 1, prior=0.2), Int(1, 64, log=True, prior=4), Choice(("a", "b", "c"), "b")]
)
def test_a_prior_draws_what_its_density_says(parameter: Parameter) -> None:
    rng = random.Random(0)
    draws = [prior_draw(parameter, rng) for _ in range(20_000)]
    uniform = [parameter.value_at((k + 0.5) / 2000) for k in range(2000)]
    assert sum(prior_density(parameter, value) for value in uniform) / 2000 == pytest.approx(1, abs=0.03)
    near = [
        value for value in set(uniform) if abs(parameter.place_of(value) - parameter.place_of(parameter.prior)) < 0.1
    ]  # type: ignore[arg-type]
    low, high = min(map(parameter.place_of, near)), max(map(parameter.place_of, near))
    expected = sum(prior_density(parameter, v) for v in uniform if low <= parameter.place_of(v) <= high) / 2000
    share = sum(low <= parameter.place_of(value) <= high for value in draws) / 20_000
    assert share == pytest.approx(expected, abs=0.02)


def test_a_space_survives_being_stored() -> None:
    space = read_space(f"{TEXT}, m=float(0,1)~0.5 if act=relu|gelu", ["width * x < 100"]).with_initial([{"lr": 0.5}])
    again = Space.from_dict(json.loads(json.dumps(space.as_dict())))
    assert again.as_dict() == space.as_dict()
    rngs = random.Random(1), random.Random(1)
    assert [space.draw(rngs[0]) for _ in range(20)] == [again.draw(rngs[1]) for _ in range(20)]
    with pytest.raises(UsageError, match="function as constraint"):
        Space({"x": Float(0, 1)}, constraints=[lambda _: True]).as_dict()


def test_a_change_gives_parts_and_takes_them_away() -> None:
    space = read_space("opt=cat(sgd,adam), m=float(0,1) if opt=sgd, lr=log(1e-4,1)")
    rng = random.Random(0)
    gained = space.changed({"opt": "adam", "lr": 0.1}, "opt", rng)
    assert gained is not None
    assert gained.keys() == {"opt", "m", "lr"}
    assert gained["lr"] == 0.1
    assert space.changed({"opt": "sgd", "m": 0.5, "lr": 0.1}, "opt", rng) == {"opt": "adam", "lr": 0.1}
    assert read_space("a=cat(only)").changed({"a": "only"}, "a", rng) is None


def test_a_configuration_is_checked_whole() -> None:
    space = read_space("opt=cat(sgd,adam), m=float(0,1) if opt=sgd, w=int(1,9)", ["w < 5"])
    assert space.check({"w": 3, "opt": "adam"}) == {"opt": "adam", "w": 3}
    with pytest.raises(UsageError, match="lacks m"):
        space.check({"opt": "sgd", "w": 3})
    with pytest.raises(UsageError, match="has m, whose condition"):
        space.check({"opt": "adam", "m": 0.5, "w": 3})
    with pytest.raises(UsageError, match="misses a constraint"):
        space.check({"opt": "adam", "w": 7})
    with pytest.raises(UnknownNameError, match="No parameter named 'width'"):
        space.check({"width": 7})


def test_constraints_that_nothing_meets_are_found_out() -> None:
    space = read_space("x=float(0,1)", ["x > 2"])
    with pytest.raises(UsageError, match="10000 configurations in a row missed"):
        space.draw(random.Random(0))


@pytest.mark.parametrize(
    ("text", "parameters", "expected"),
    [
        ("a * b <= 6", {"a": 2, "b": 3}, True),
        ("1 < a < 3", {"a": 3}, False),
        ("act == 'relu' or lr < 0.1", {"act": "gelu", "lr": 0.5}, False),
        ("not flag", {"flag": False}, True),
        ("a // 2 % 2 == 1 and -a < 0", {"a": 6}, True),
        ("missing > 3", {"a": 1}, True),
    ],
)
def test_constraints_are_worked_out(text: str, parameters: dict[str, str | int | float | bool], expected: bool) -> None:
    assert Constraint(text).is_met(parameters) is expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "a.b",
        "a[0]",
        "(lambda: 1)()",
        "[a for a in b]",
        "a ** 9",
        "f'{a}'",
        "a := 1",
        "x" * 2000,
        "a <",
    ],
)
def test_a_constraint_that_does_more_than_compare_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Constraint(text)


def test_a_constraint_that_cannot_be_worked_out_says_so() -> None:
    with pytest.raises(UsageError, match="cannot be worked out"):
        Constraint("1 / a > 2").is_met({"a": 0})
    with pytest.raises(UsageError, match="cannot be worked out"):
        Constraint("a < 2").is_met({"a": "relu"})


def test_a_cell_is_choices_of_inputs_and_operations() -> None:
    space = read_space("net=cell(3,conv,pool)")
    assert len(space) == 12
    assert space.parameters["net.2.b.from"] == Choice((0, 1, 2, 3))
    nodes = read_cell("net", space.draw(random.Random(4)))
    assert len(nodes) == 3
    assert all(source < k + 2 for k, node in enumerate(nodes) for source in node.inputs)
    assert all(op in ("conv", "pool") for node in nodes for op in node.operations)
    ends = loose_ends(nodes)
    assert 4 in ends
    assert set(ends) == {2, 3, 4} - {source for node in nodes for source in node.inputs}
