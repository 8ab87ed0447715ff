"""One question asked of a table by comparing two models: the smaller, the larger, and what the data say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from cupel.spec.errors import UnknownNameError
from cupel.stats.frame import frame_of
from cupel.stats.mixed.likelihood_ratio_test import likelihood_ratio_test
from cupel.stats.mixed.model import MixedModel
from cupel.stats.student import p_words

Variant: TypeAlias = Literal["repaired", "published"]


@dataclass(frozen=True)
class ModelComparison:
    """A question and its answer.

    Attributes:
        question: in words.
        small: formula of the smaller model.
        large: formula of the larger one.
        log_likelihoods: of both.
        chi2: twice their difference.
        df: degrees of freedom that were used.
        p: of the smaller model.
        method: in words.
    """

    question: str
    small: str
    large: str
    log_likelihoods: tuple[float, float]
    chi2: float
    df: int
    p: float
    method: str

    @property
    def is_shown(self) -> bool:
        """Whether the larger model is better, at 5 %."""
        return self.p <= 0.05 and self.log_likelihoods[1] > self.log_likelihoods[0]

    def text(self) -> str:
        """The question, its answer at 5 %, and the test."""
        answer = "yes" if self.is_shown else "not shown"
        return f"{self.question}: {answer} (chi2 = {self.chi2:.4g}, df {self.df}, {p_words(self.p)})"


def compared(question: str, small: MixedModel, large: MixedModel) -> ModelComparison:
    """Ask with nested models and the right law."""
    test = likelihood_ratio_test(small, large)
    formulas = (small.data.formula.text, large.data.formula.text)
    return ModelComparison(question, *formulas, test.log_likelihoods, test.chi2, test.df, test.p, test.method)


def compared_as_published(question: str, small: MixedModel, large: MixedModel) -> ModelComparison:
    """Ask as the package of Geburek et al. does: |difference|, degrees of freedom from fixed effects alone.

    Random effects are not counted, nesting is not asked for, and a worse larger model counts like a better one.
    """
    from scipy.special import chdtrc

    logs = (small.log_likelihood, large.log_likelihood)
    chi2 = 2 * abs(logs[1] - logs[0])
    df = abs(len(small.data.kept) - len(large.data.kept))
    p = float(chdtrc(df, chi2)) if df else 0.0
    formulas = (small.data.formula.text, large.data.formula.text)
    return ModelComparison(question, *formulas, logs, chi2, df, p, "as published: fixed effects counted alone")


def comparisons_frame(rows: Sequence[ModelComparison]) -> Any:
    """One row per question."""
    names = ("question", "small", "large", "chi2", "df", "p", "method")
    return frame_of({name: [getattr(row, name) for row in rows] for name in names})


def check_variant(variant: str) -> None:
    """Refuse what is no variant.

    Raises:
        UnknownNameError: it is none.
    """
    if variant not in get_args(Variant):
        raise UnknownNameError("variant", variant, get_args(Variant))
