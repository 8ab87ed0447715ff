"""Linear mixed models by profiled deviance: a formula, a table, and what the table says beyond its groups.

Model
    y = X beta + Z b + e, with b ~ N(0, sigma^2 Lambda Lambda') by grouping
    and e ~ N(0, sigma^2). `value ~ method + (1 | task) + (1 | task:method)`
    lets tasks differ (1 | task), and lets every method suit every task
    differently (1 | task:method). Without the second term a claim is about
    these very tasks; with it, about tasks like these. (1 | task:seed) says
    that runs with the same seed share luck (pairing).

Method
    beta and sigma are profiled out; the relative covariance factors are
    found by a quasi-Newton search with the exact gradient, from two starts,
    and the gradient in the covariance certifies the minimum. The largest
    grouping is eliminated group by group, so that the cost does not grow
    with the number of rows. REML (the default) for estimates; ML to compare
    models with different fixed parts.

Names are R's: `(Intercept)`, `methodPB`, `methodPB:budget`; the first level
of a factor (sorted, or the first of a categorical column) is the reference.

Source: Bates, Mächler, Bolker & Walker (2015), Journal of Statistical
Software 67(1); checked against lme4 1.1-31 and lmerTest 3.1-3.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from cupel.spec.errors import UsageError
from cupel.stats.frame import Frame
from cupel.stats.mixed.interpolation import need_residual
from cupel.stats.mixed.model import MixedModel, fit
from cupel.stats.mixed.model_data import model_data


def mixed_model(formula: str, frame: Frame, *, reml: bool = True, factors: Collection[str] = ()) -> MixedModel:
    """Fit a linear mixed model.

    Args:
        formula: `value ~ method * budget + (1 | task) + (1 | task:method)`; random slopes `(budget | task)`, without
            correlations `(budget || task)`; nested `(1 | a/b)`; `C(x)` for a factor. Without a bar it is ordinary
            least squares.
        frame: a pandas or polars frame, any other table, or `Results`. Rows with a missing value are left out and
            counted in `.warnings`. It is not changed.
        reml: restricted likelihood (True) or likelihood (False).
        factors: columns of numbers that are labels, such as subject numbers.

    Returns:
        The fit: `.criterion`, `.log_likelihood`, `.coefficients`, `.standard_errors`, `.variance_components`,
        `.random_effects`, `.singular`, `.converged`, `.warnings`, `.to_frame()`, `.text()`.

    Raises:
        UsageError: the formula or an option cannot be read, a column is missing, a grouping has as many levels as there
            are rows, or nothing varies.

    Cost:
        Independent of the rows once their products are summed; cubic in the number of random effects outside the
        largest grouping.

    Source: Bates et al. (2015).

    Example:
        >>> table = {"y": [1.0, 1.2, 2.1, 2.2, 2.9, 3.3], "g": ["a", "a", "b", "b", "c", "c"]}
        >>> model = mixed_model("y ~ 1 + (1 | g)", table)
        >>> round(model.coefficients["(Intercept)"], 4), round(model.variance_components["g"], 3)
        (2.1167, 0.983)
    """
    if not isinstance(reml, bool | np.bool_ | int):
        raise UsageError(f"reml = {reml!r}; expected True (restricted likelihood) or False (likelihood).")
    model = fit(model_data(formula, frame, factors), reml=bool(reml))
    need_residual(model.data, model.response, model.evaluation.variance)
    return model
