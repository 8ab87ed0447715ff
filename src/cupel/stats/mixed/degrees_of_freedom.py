"""Covariance and degrees of freedom of contrasts of fixed effects, by the method that was asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from cupel.spec.errors import UnknownNameError
from cupel.stats.checked import Floats
from cupel.stats.mixed.kenward_roger import kenward_roger
from cupel.stats.mixed.satterthwaite import satterthwaite

if TYPE_CHECKING:
    from cupel.stats.mixed.model import MixedModel

Method: TypeAlias = Literal["satterthwaite", "kenward-roger", "residual", "asymptotic"]


def contrast_errors(model: MixedModel, contrasts: Floats, method: Method) -> tuple[Floats, Floats, Floats]:
    """What a test of contrasts needs.

    Args:
        model: a fit.
        contrasts: (c, p) weights of the fixed effects.
        method: of the degrees of freedom; `kenward-roger` also corrects the covariance.

    Returns:
        (c, c) covariance of the contrasts, (c,) standard errors, (c,) degrees of freedom.

    Raises:
        UnknownNameError: there is no such method.
    """
    if method not in get_args(Method):
        raise UnknownNameError("method of degrees of freedom", method, get_args(Method))
    if method == "kenward-roger":
        found = kenward_roger(model, contrasts)
        return found.covariance, found.standard_errors, found.df
    covariance = contrasts @ model.covariance @ contrasts.T
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if method == "satterthwaite":
        return covariance, errors, satterthwaite(model, contrasts)
    value = math.inf if method == "asymptotic" else float(model.n - len(model.data.kept))
    return covariance, errors, np.full(len(contrasts), value)
