"""What a statement of a claim asks for, in words: which number, of which arms, and when it counts as shown."""

from __future__ import annotations

from cupel.spec.statement import WITH_ARMS, Statement

EVIDENCE = {
    "quality": "pairs of trials",
    "speed": "interleaved launches",
    "exact": "random instances",
    "simulated": "pairs of simulated trials",
    "published": "recorded data",
}
"""What counts as evidence, by the kind of a statement."""


def what_counts(statement: Statement) -> str:
    """The metric, and when the statement counts as shown; without its own sentence.

    Example:
        >>> what_counts(Statement(name="s", kind="quality", says="A beats B", metric="loss", better="lower", bar=0.1))
        'loss (lower is better), method against baseline: better by more than 0.1'
    """
    unit = f" in {statement.unit}" if statement.unit else ""
    metric = f"{statement.metric}{unit} ({statement.better} is better)"
    sign = ">=" if statement.better == "higher" else "<="
    if statement.kind == "exact":
        return f"{statement.metric}{unit}: {sign} {statement.bar:g} in every instance"
    if statement.kind == "published":
        return f"{metric}: {'above' if statement.better == 'higher' else 'below'} {statement.bar:g}"
    return f"{metric}, {' against '.join(statement.arms)}: {_asked(statement)}"


def _asked(statement: Statement) -> str:
    """When the difference or the ratio of two arms counts."""
    is_ratio = statement.scale == "log"
    assert statement.kind in WITH_ARMS
    if statement.sentence == "superiority":
        better = (
            f"better by a ratio above {1 + statement.bar:g}" if is_ratio else f"better by more than {statement.bar:g}"
        )
        if statement.rope is None:
            return better
        return f"{better}; {_within(statement.rope, is_ratio=is_ratio)} they are equal in practice"
    assert statement.margin is not None
    if statement.sentence == "equivalence":
        return f"equal, {_within(statement.margin, is_ratio=is_ratio)}"
    least = f"by a ratio of {1 + statement.margin:g} or more" if is_ratio else f"by {statement.margin:g} or more"
    return f"not worse {least}"


def _within(width: float, *, is_ratio: bool) -> str:
    return f"within a ratio of {1 + width:g}" if is_ratio else f"within {width:g} of each other"
