"""A space of hyperparameters from a text.

    lr=log(1e-5,1), width=int(32,512), act=cat(relu,gelu), x=float(-10,10)

Definitions are parted by commas. Kinds:
    float(low,high)      a real number
    log(low,high)        a real number whose ratios matter
    int(low,high)        a whole number
    logint(low,high)     a whole number whose ratios matter
    cat(a,b,...)         one of the values; what reads as a number or as true or false is one
    cell(nodes,a,b,...)  an architecture: a cell of that many nodes, each with two inputs among what is before it and
                         an operation on each (Real et al. 2019; `cupel.spec.cell`)

After a definition:
    ~VALUE               an expert's expectation of the best value (a prior):  lr=log(1e-5,1)~3e-4
    if NAME=VALUE|VALUE  it has a part only then:  momentum=float(0,1) if opt=sgd|nesterov
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cupel.spec.card import Scalar
from cupel.spec.cell import cell_parameters
from cupel.spec.errors import UnknownNameError, UsageError
from cupel.spec.parameter import Choice, Float, Int, Parameter
from cupel.spec.space import Condition, Space

KINDS = ("float", "log", "int", "logint", "cat", "cell")
EXAMPLE = "lr=log(1e-5,1),width=int(32,512),act=cat(relu,gelu)"
_DEFINITION = re.compile(
    r"(?P<name>[A-Za-z_][\w.\-]*)\s*=\s*(?P<kind>[a-z]+)\s*\((?P<inside>[^()]*)\)"
    r"\s*(?:~\s*(?P<prior>[^\s,]+))?\s*(?:\bif\s+(?P<other>[\w.\-]+)\s*=\s*(?P<values>[^\s,]+))?"
)


def read_space(text: str, constraints: Sequence[str] = ()) -> Space:
    """The space that a text describes.

    Args:
        text: as above.
        constraints: texts that configurations must meet, such as `width*depth <= 4096`.

    Raises:
        UsageError: the text is no space; the message quotes the part that is not understood.

    Example:
        >>> list(read_space("lr=log(1e-5,1), act=cat(relu,gelu)"))
        ['lr', 'act']
    """
    parameters: dict[str, Parameter] = {}
    conditions: dict[str, Condition] = {}
    for part in _parts(text):
        found = _DEFINITION.fullmatch(part)
        if found is None:
            raise UsageError(f"--space: {part!r} is not understood; expected NAME=KIND(...), such as {EXAMPLE}.")
        for name, parameter in _parameters(found).items():
            if name in parameters:
                raise UsageError(f"--space: {name} is there twice; give each parameter once.")
            parameters[name] = parameter
            if found["other"]:
                values = tuple(scalar(value) for value in found["values"].split("|"))
                conditions[name] = Condition(found["other"], values)
    return Space(parameters, conditions=conditions, constraints=constraints)


def scalar(text: str) -> Scalar:
    """A value as people write it: a whole number, a real one, true or false, else the text itself."""
    word = text.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _parts(text: str) -> list[str]:
    """The definitions: cut at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _parameters(found: re.Match[str]) -> dict[str, Parameter]:
    """The parameters of one definition: one, but for a cell."""
    name, kind, words = found["name"], found["kind"], [word.strip() for word in found["inside"].split(",")]
    prior = scalar(found["prior"]) if found["prior"] else None
    where = found.group().strip()
    if kind not in KINDS:
        raise UnknownNameError("kind of parameter", kind, KINDS)
    try:
        if kind == "cat":
            return {name: Choice(tuple(scalar(word) for word in words if word), prior)}
        if kind == "cell":
            if prior is not None:
                raise UsageError("a cell takes no prior")
            return dict(cell_parameters(name, int(words[0]), tuple(words[1:])))
        if len(words) != 2:
            raise UsageError(f"{kind} takes a least and a largest value; found {len(words)} values")
        if prior is not None and (isinstance(prior, str | bool)):
            raise UsageError(f"the prior {prior} is no number")
        if kind in ("int", "logint"):
            return {name: Int(_whole(words[0]), _whole(words[1]), log=kind == "logint", prior=prior)}
        return {name: Float(float(words[0]), float(words[1]), log=kind == "log", prior=prior)}
    except ValueError as error:  # a UsageError, or a word that is no number
        raise UsageError(f"--space: {where!r}: {error}") from None


def _whole(word: str) -> int:
    number = float(word)
    if number != int(number):
        raise UsageError(f"{word} is no whole number; take float or log for others")
    return int(number)
