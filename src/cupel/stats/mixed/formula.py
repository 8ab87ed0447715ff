"""The formula of a mixed model, read: response, fixed terms, and random terms behind their bars.

Grammar, as in R and lme4
    value ~ method * budget + (1 | task) + (budget || task:method)
    +  both        :  interaction        *  main effects and interaction
    -  without     /  nested (a/b is a + a:b)   ^  up to that order
    0 or -1        without intercept     1  with intercept
    (left | group)  correlated random effects of `left` in each level of
    group; (left || group) uncorrelated ones; (1 | a/b) is (1 | a) + (1 | a:b)
    C(x), factor(x)  a column of numbers taken as a factor
    log, log2, log10, log1p, exp, sqrt, abs of an expression; I(x^2 + 1)
    `a name`  a column whose name is no word

Nothing is evaluated as code: what the grammar lacks is refused.

Source: Wilkinson & Rogers (1973), Applied Statistics 22, 392-399; R's
`terms.formula`; Bates et al. (2015), Journal of Statistical Software 67(1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from cupel.spec.errors import UsageError

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[^\W\d][\w.]*|\.[^\W\d][\w.]*)"
    r"|`(?P<quoted>[^`]+)`|(?P<sign>\|\||\*\*|[-+*/:^|~(),.]))"
)
FUNCTIONS = frozenset({"log", "log2", "log10", "log1p", "exp", "sqrt", "abs", "I", "C", "factor"})
AS_FACTOR = frozenset({"C", "factor"})
BETWEEN = {"+": " + ", "-": " - ", "*": " * ", "/": "/", "^": "^"}
MOST_ORDER = 12


@dataclass(frozen=True)
class Name:
    """A column."""

    name: str


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Call:
    """A function of an expression, or an operation (`+ - * / ^`, `neg`, `(` for parentheses) on expressions."""

    function: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = Name | Number | Call
Term: TypeAlias = tuple[str, ...]
"""Variables (as written in canonical form) whose product it is; empty for the intercept."""


@dataclass(frozen=True)
class Side:
    """One side of a formula or bar: terms in R's order.

    Attributes:
        terms: without the intercept, by order, then as written.
        has_intercept: whether there is one.
    """

    terms: tuple[Term, ...]
    has_intercept: bool


@dataclass(frozen=True)
class Bar:
    """Random effects of `left` in each level of the group."""

    left: Side
    group: Term


@dataclass(frozen=True)
class Formula:
    """A formula.

    Attributes:
        text: as it was given.
        response: canonical form of what is modelled.
        fixed: its fixed terms.
        bars: its random terms.
        variables: canonical form to expression, of everything named, in the order of appearance.
    """

    text: str
    response: str
    fixed: Side
    bars: tuple[Bar, ...]
    variables: dict[str, Expression]


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Args:
        text: such as `value ~ method + (1 | task) + (1 | task:method)`.

    Raises:
        UsageError: it is no formula; the place is shown.

    Example:
        >>> parsed = parse_formula("y ~ a * b + (x || g)")
        >>> parsed.fixed.terms
        (('a',), ('b',), ('a', 'b'))
        >>> [(bar.left, bar.group) for bar in parsed.bars][1]
        (Side(terms=(('x',),), has_intercept=False), ('g',))
    """
    if not isinstance(text, str):
        raise UsageError(
            f"A formula is expected as text, got {type(text).__name__}; such as 'value ~ method + (1 | task)'."
        )
    return _Reader(text).formula()


def written(expression: Expression) -> str:
    """The canonical form of an expression, as R writes it.

    Example:
        >>> written(Call("log", (Call("+", (Name("x"), Number(1.0))),)))
        'log(x + 1)'
    """
    if isinstance(expression, Name):
        return expression.name
    if isinstance(expression, Number):
        value = expression.value
        return str(int(value)) if value == int(value) else repr(value)
    args = [written(argument) for argument in expression.arguments]
    if expression.function == "neg":
        return f"-{args[0]}"
    if expression.function in BETWEEN:
        return BETWEEN[expression.function].join(args)
    name = "" if expression.function == "(" else expression.function
    return f"{name}({', '.join(args)})"


@dataclass(frozen=True)
class _Sum:
    """Terms while a side is read; the intercept is there, taken away, or not spoken of."""

    terms: tuple[Term, ...] = ()
    bars: tuple[Bar, ...] = ()
    intercept: bool | None = None


class _Reader:
    """Reads one formula from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._split())
        self.at = 0
        self.variables: dict[str, Expression] = {}
        self.seen: list[str] = []  # of the side that is being read: bars have variables and an order of their own

    def _split(self) -> Iterator[tuple[str, str, int]]:
        place = 0
        while self.text[place:].strip():
            match = TOKEN.match(self.text, place)
            if match is None or match.lastgroup is None:
                self._fail("this sign is not part of a formula", place)
            kind = match.lastgroup
            yield kind, match[kind], match.start(kind)
            place = match.end()
        yield "end", "", len(self.text)

    def _fail(self, why: str, place: int | None = None) -> NoReturn:
        at = self.tokens[self.at][2] if place is None else place
        raise UsageError(
            f"The formula {self.text!r} cannot be read at position {at + 1} ({self.text[at : at + 12]!r}): {why}. "
            "Expected such as: value ~ method + (1 | task) + (1 | task:method)."
        )

    def _next(self, *signs: str) -> bool:
        """Take the next token if it is one of these signs."""
        kind, word, _ = self.tokens[self.at]
        if kind == "sign" and word in signs:
            self.at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._next(sign):
            self._fail(f"'{sign}' was expected")

    def formula(self) -> Formula:
        """The whole."""
        response = self._arithmetic()
        name = self._known(response)
        self._expect("~")
        right = self._sum()
        if self.tokens[self.at][0] != "end":
            is_bar = self.tokens[self.at][1] in ("|", "||")
            self._fail("a random term stands in parentheses, (1 | task)" if is_bar else "an operator was expected")
        return Formula(self.text, name, _side(right, self.seen), right.bars, self.variables)

    def _known(self, expression: Expression) -> str:
        """Remember an expression under its canonical form."""
        name = written(expression)
        if self.variables.setdefault(name, expression) != expression:
            self._fail(f"'{name}' is both a column and a function of columns; rename the column")
        self.seen.append(name)
        return name

    def _sum(self) -> _Sum:
        if self._next("-"):
            total = _without(_Sum(), self._product())
        else:
            self._next("+")
            total = self._product()
        while True:
            if self._next("+"):
                total = _plus(total, self._product())
            elif self._next("-"):
                taken = self._product()
                if taken.bars:
                    self._fail("a random term cannot be taken away; leave it out")
                total = _without(total, taken)
            else:
                return total

    def _product(self) -> _Sum:
        left = self._interaction()
        while True:
            if self._next("*"):
                right = self._without_bars(left, self._interaction())
                left = _plus(_plus(left, right), _times(left, right))
            elif self._next("/"):
                right = self._without_bars(left, self._interaction())
                everything = tuple(dict.fromkeys(v for term in left.terms for v in term))
                left = _plus(left, _times(_Sum((everything,)), right))
            else:
                return left

    def _interaction(self) -> _Sum:
        left = self._power()
        while self._next(":"):
            left = _times(left, self._without_bars(left, self._power()))
        return left

    def _without_bars(self, left: _Sum, right: _Sum) -> _Sum:
        """The right one, if neither has a random term."""
        if left.bars or right.bars:
            self._fail("a random term has no interactions; add it with +")
        return right

    def _power(self) -> _Sum:
        base = self._atom()
        if not self._next("^", "**"):
            return base
        kind, word, _ = self.tokens[self.at]
        if kind != "number" or not word.isdigit() or not 1 <= int(word) <= MOST_ORDER:
            self._fail(f"a whole number from 1 to {MOST_ORDER} was expected as the order of interactions")
        self.at += 1
        total = self._without_bars(base, base)
        for _ in range(int(word) - 1):
            total = _plus(total, _times(total, base))
        return total

    def _atom(self) -> _Sum:
        kind, word, _ = self.tokens[self.at]
        if self._next("("):
            inner = self._bar_or_sum()
            self._expect(")")
            return inner
        if kind == "number":
            if word not in ("0", "1"):
                self._fail("only 0 and 1 stand for terms; write I(2 * x) for arithmetic")
            self.at += 1
            return _Sum(intercept=word == "1")
        if kind in ("name", "quoted"):
            return _Sum(((self._known(self._value()),),))
        return self._fail("'.' is not supported: name the columns" if word == "." else "a column or '(' was expected")

    def _bar_or_sum(self) -> _Sum:
        outside, self.seen = self.seen, []
        left = self._sum()
        if not self._next("|", "||"):
            self.seen = [*outside, *self.seen]
            return left
        is_split = self.tokens[self.at - 1][1] == "||"
        side = _side(left, self.seen)
        group = self._sum()
        self.seen = outside
        if not group.terms or left.bars or group.bars:
            self._fail("a grouping column was expected behind the bar, as in (1 | task)")
        if not side.terms and not side.has_intercept:
            self._fail("the left of the bar names no effect; write (1 | group) for an intercept")
        sides = _split_side(side) if is_split else (side,)
        return _Sum(bars=tuple(Bar(s, g) for g in group.terms for s in sides))

    def _value(self) -> Expression:
        """A column or a function of columns."""
        kind, word, _ = self.tokens[self.at]
        self.at += 1
        if kind == "name" and self._next("("):
            if word not in FUNCTIONS:
                self.at -= 2
                self._fail(f"no function named '{word}'; there are {', '.join(sorted(FUNCTIONS))}")
            inner = self._arithmetic()
            self._expect(")")
            return Call(word, (inner,))
        return Name(word)

    def _arithmetic(self) -> Expression:
        left = self._scaled()
        while self.tokens[self.at][1] in ("+", "-") and self.tokens[self.at][0] == "sign":
            sign = self.tokens[self.at][1]
            self.at += 1
            left = Call(sign, (left, self._scaled()))
        return left

    def _scaled(self) -> Expression:
        left = self._raised()
        while self.tokens[self.at][1] in ("*", "/") and self.tokens[self.at][0] == "sign":
            sign = self.tokens[self.at][1]
            self.at += 1
            left = Call(sign, (left, self._raised()))
        return left

    def _raised(self) -> Expression:
        if self._next("-"):
            return Call("neg", (self._raised(),))
        base = self._operand()
        return Call("^", (base, self._raised())) if self._next("^", "**") else base

    def _operand(self) -> Expression:
        kind, word, _ = self.tokens[self.at]
        if self._next("("):
            inner = self._arithmetic()
            self._expect(")")
            return Call("(", (inner,))
        if kind == "number":
            if math.isinf(float(word)):
                self._fail("this number is too large")
            self.at += 1
            return Number(float(word))
        if kind in ("name", "quoted"):
            return self._value()
        return self._fail("a column, a number or '(' was expected")


def _side(total: _Sum, seen: Sequence[str]) -> Side:
    """Terms in R's order: by order, then as written; variables of a term in the order in which the side has them."""
    place = {name: k for k, name in enumerate(dict.fromkeys(seen))}
    ordered = [tuple(sorted(term, key=place.__getitem__)) for term in total.terms]
    return Side(tuple(sorted(ordered, key=len)), total.intercept is not False)


def _unique(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Terms without repeats: a:b and b:a are one."""
    seen: dict[frozenset[str], Term] = {}
    for term in terms:
        seen.setdefault(frozenset(term), term)
    return tuple(seen.values())


def _plus(a: _Sum, b: _Sum) -> _Sum:
    intercept = a.intercept if b.intercept is None else b.intercept
    return _Sum(_unique((*a.terms, *b.terms)), (*a.bars, *b.bars), intercept)


def _without(a: _Sum, b: _Sum) -> _Sum:
    dropped = {frozenset(term) for term in b.terms}
    kept = tuple(term for term in a.terms if frozenset(term) not in dropped)
    return _Sum(kept, a.bars, a.intercept if b.intercept is None else not b.intercept)


def _times(a: _Sum, b: _Sum) -> _Sum:
    left, right = [(*((),) * (s.intercept is True), *s.terms) for s in (a, b)]
    products = _unique(tuple(dict.fromkeys((*s, *t))) for s in left for t in right)
    return _Sum(tuple(term for term in products if term))


def _split_side(side: Side) -> tuple[Side, ...]:
    """Each term by itself, for uncorrelated random effects; a factor keeps the correlations between its own levels."""
    intercept = (Side((), has_intercept=True),) if side.has_intercept else ()
    return (*intercept, *(Side((term,), has_intercept=False) for term in side.terms))
