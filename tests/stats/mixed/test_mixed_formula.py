"""The grammar of formulas: what it reads, what it refuses, and that nothing is evaluated."""

import pytest

from cupel.spec.errors import UsageError
from cupel.stats.mixed.formula import Side, parse_formula, written


def bars(text: str) -> list[tuple[str, str]]:
    """Left side and group of each random term, as short text."""

    def side(left: Side) -> str:
        return " + ".join(["1" if left.has_intercept else "0", *(":".join(term) for term in left.terms)])

    return [(side(bar.left), ":".join(bar.group)) for bar in parse_formula(text).bars]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ a + b", "a b"),
        ("y ~ b + a:c + a", "b a a:c"),  # by order, then as written
        ("y ~ b:a + a:b", "b:a"),
        ("y ~ (a + b) * c", "a b c a:c b:c"),
        ("y ~ a / b / c", "a a:b a:b:c"),
        ("y ~ (a + b) / c", "a b a:b:c"),
        ("y ~ (a + b + c)^2 - a:b", "a b c a:c b:c"),
        ("y ~ (a + b + c)**2 - b:a", "a b c a:c b:c"),
        ("y ~ a*b*c - a:b:c", "a b c a:b a:c b:c"),
        ("y ~ (a - b) * c", "a c a:c"),
        ("y ~ x + I(x^2) + x", "x I(x^2)"),
        ("y ~ (b | a) + x:b + x:a", "x:b x:a"),  # what stands in a bar has no place in the fixed part
        ("y ~ a * x - a", "x a:x"),
        ("y ~ `a name`:b", "a name:b"),
        ("y ~ .hidden + x.y + _z + größe", ".hidden x.y _z größe"),
        ("y ~\n a\n + b", "a b"),
    ],
)
def test_fixed_terms_stand_in_the_order_of_r(text: str, terms: str) -> None:
    assert " ".join(":".join(term) for term in parse_formula(text).fixed.terms) == terms


@pytest.mark.parametrize(
    ("text", "has_intercept"),
    [
        ("y ~ a", True),
        ("y ~ 1", True),
        ("y ~ 0", False),
        ("y ~ a - 1", False),
        ("y ~ -1 + a", False),
        ("y ~ 0 + a + 1", True),
        ("y ~ a - 1 + 1", True),
        ("y ~ a + (0 + b)", False),
        ("y ~ a + (0 + b | g)", True),
    ],
)
def test_the_intercept_is_what_was_said_last(text: str, has_intercept: bool) -> None:
    assert parse_formula(text).fixed.has_intercept is has_intercept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ (1 | g)", [("1", "g")]),
        ("y ~ (x | g)", [("1 + x", "g")]),
        ("y ~ (0 + x | g)", [("0 + x", "g")]),
        ("y ~ (x || g)", [("1", "g"), ("0 + x", "g")]),
        ("y ~ (a * x || g)", [("1", "g"), ("0 + a", "g"), ("0 + x", "g"), ("0 + a:x", "g")]),
        ("y ~ (0 + x || g)", [("0 + x", "g")]),
        ("y ~ (1 | a/b)", [("1", "a"), ("1", "a:b")]),
        ("y ~ (1 | a/b/c)", [("1", "a"), ("1", "a:b"), ("1", "a:b:c")]),
        ("y ~ (x || a/b)", [("1", "a"), ("0 + x", "a"), ("1", "a:b"), ("0 + x", "a:b")]),
        ("y ~ (1 | a:b)", [("1", "a:b")]),
        ("y ~ a + x + (x:a | a) + (0 + a * x | g)", [("1 + x:a", "a"), ("0 + a + x + a:x", "g")]),
        ("y ~ x + ((1 | g) + (1 | h))", [("1", "g"), ("1", "h")]),
    ],
)
def test_random_terms_are_expanded_as_in_lme4(text: str, expected: list[tuple[str, str]]) -> None:
    assert bars(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I(x^2)", "log(x + 1)", "I((x + z)^2)", "I(x - (z - 1))", "I(x - z - 1)", "I(x * (z + 1))", "I(x/(z * 2))",
        "I(-x^2)", "I(x^-1)", "I(x^2^3)", "I(1.5 * x)", "sqrt(abs(z))", "log1p(x/2)", "C(k)", "factor(k + 1)",
    ],
)  # fmt: skip
def test_an_expression_is_written_as_r_writes_it(text: str) -> None:
    parsed = parse_formula(f"y ~ {text.replace(' ', '')}")
    assert parsed.fixed.terms == ((text,),)
    assert written(parsed.variables[text]) == text


def test_parentheses_keep_two_expressions_apart() -> None:
    assert len(parse_formula("y ~ I(x - (z - 1)) + I(x - z - 1) + I((x + z)^2) + I(x + z^2)").fixed.terms) == 4


def test_the_response_may_be_a_function() -> None:
    assert parse_formula("log(y + 1) ~ a").response == "log(y + 1)"


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("", 1, "a column, a number or '\\(' was expected"),
        ("value", 6, "'~' was expected"),
        ("y ~", 4, "a column or '\\(' was expected"),
        ("y ~ x +", 8, "a column or '\\(' was expected"),
        ("y ~ x ~ z", 7, "an operator was expected"),
        ("y ~ a b", 7, "an operator was expected"),
        ("y ~ (x", 7, "'\\)' was expected"),
        ("y ~ x)", 6, "an operator was expected"),
        ("y ~ x $ z", 6, "not part of a formula"),
        ("y ~ I(x > 1)", 8, "not part of a formula"),
        ("y ~ `x", 4, "not part of a formula"),
        ("y ~ x | g", 7, "parentheses"),
        ("y ~ (x | )", 10, "a column or '\\(' was expected"),
        ("y ~ (1 | 1)", 11, "grouping column"),
        ("y ~ (0 | g)", 11, "names no effect"),
        ("y ~ ((1 | g) | h)", 17, "grouping column"),
        ("y ~ a:(1 | g)", 14, "no interactions"),
        ("y ~ (1 | g) * a", 16, "no interactions"),
        ("y ~ a / (1 | g)", 16, "no interactions"),
        ("y ~ (a + (1 | g))^2", 20, "no interactions"),
        ("y ~ a - (1 | g)", 16, "cannot be taken away"),
        ("y ~ .", 5, "name the columns"),
        ("y ~ 2 * x", 5, "only 0 and 1"),
        ("y ~ x^0", 7, "whole number from 1 to 12"),
        ("y ~ x^2.5", 7, "whole number from 1 to 12"),
        ("y ~ x^99", 7, "whole number from 1 to 12"),
        ("y ~ sin(x)", 5, "no function named 'sin'"),
        ("y ~ poly(x, 2)", 5, "no function named 'poly'"),
        ("y ~ I()", 7, "a column, a number"),
        ("y ~ I(x + 1e999)", 11, "too large"),
        ("y ~ log(x) + `log(x)`", 22, "both a column and a function"),
    ],
)
def test_what_cannot_be_read_is_shown_with_its_place(text: str, place: int, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        parse_formula(text)
    assert f"at position {place} " in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ __import__('os')",
        "y ~ __import__(os)",
        "y ~ os.system(x)",
        "y ~ eval(x)",
        "y ~ (lambda: x)()",
        "y ~ x.__class__()",
        "y ~ [x for x in x]",
        "y ~ x[0]",
        "y ~ {x}",
        "y ~ x; import os",
        "__import__('os').system('true') ~ x",
    ],
)
def test_nothing_is_evaluated_as_code(text: str) -> None:
    with pytest.raises(UsageError):
        parse_formula(text)


@pytest.mark.parametrize("formula", [None, 3, ["y ~ x"]])
def test_a_formula_is_text(formula: object) -> None:
    with pytest.raises(UsageError, match="expected as text"):
        parse_formula(formula)  # type: ignore[arg-type]
