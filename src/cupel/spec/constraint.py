"""Conditions on hyperparameters, as text: `width * depth <= 4096`, `act == 'relu' or lr < 0.1`.

The text is parsed, checked to hold nothing but names, numbers, texts, arithmetic, comparisons and `and`, `or`, `not`,
and then evaluated by walking over it; nothing of it is ever executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from cupel.spec.card import Scalar
from cupel.spec.errors import UsageError

_TWO: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ONE: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
MAX_CHARACTERS = 1000


class Constraint:
    """A condition that configurations must meet. A configuration that lacks one of its names meets it.

    Args:
        text: the condition.

    Raises:
        UsageError: no condition, or it holds something else than the above.

    Example:
        >>> Constraint("width * depth <= 4096").is_met({"width": 64, "depth": 32})
        True
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if len(self.text) > MAX_CHARACTERS:
            raise UsageError(f"A constraint has {len(self.text)} characters; expected at most {MAX_CHARACTERS}.")
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UsageError(
                f"The constraint {self.text!r} cannot be read: {error}. Expected such as 'width*depth <= 4096'."
            ) from None
        self.names = frozenset(node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name))
        self._check()

    def is_met(self, parameters: Mapping[str, Scalar]) -> bool:
        """Whether a configuration meets it.

        Raises:
            UsageError: it cannot be worked out (a division by zero, a text compared with a number).
        """
        if not self.names <= parameters.keys():
            return True
        try:
            return bool(_value(self._tree, parameters))
        except (TypeError, ArithmeticError, ValueError) as error:
            raise UsageError(
                f"The constraint {self.text!r} cannot be worked out at {dict(parameters)}: {error}."
            ) from None

    def _check(self) -> None:
        for node in ast.walk(self._tree):
            is_known = isinstance(node, ast.BinOp | ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Name | ast.Load)
            is_operator = isinstance(node, (*_TWO, *_ONE, ast.And, ast.Or))
            is_value = isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | bool)
            if not (is_known or is_operator or is_value):
                found = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
                raise UsageError(
                    f"The constraint {self.text!r} holds {found!r}; expected names, numbers, texts, + - * / // %, "
                    "comparisons, and, or, not."
                )


def _value(node: ast.AST, names: Mapping[str, Scalar]) -> Any:
    """The value of a checked expression."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        return _ONE[type(node.op)](_value(node.operand, names))
    if isinstance(node, ast.BinOp):
        return _TWO[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.BoolOp):
        is_and = isinstance(node.op, ast.And)
        return (all if is_and else any)(_value(part, names) for part in node.values)
    assert isinstance(node, ast.Compare)
    return _compared(node, names)


def _compared(node: ast.Compare, names: Mapping[str, Scalar]) -> bool:
    """Whether every comparison of a chain holds."""
    sides = [_value(side, names) for side in (node.left, *node.comparators)]
    pairs = zip(node.ops, sides[:-1], sides[1:], strict=True)
    return all(_TWO[type(op)](left, right) for op, left, right in pairs)
