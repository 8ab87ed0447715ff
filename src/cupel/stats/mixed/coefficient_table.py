"""A fitted model in rows and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cupel.stats.mixed.satterthwaite import satterthwaite
from cupel.stats.student import t_p_value

if TYPE_CHECKING:
    from cupel.stats.mixed.model import MixedModel


def coefficient_table(model: MixedModel) -> dict[str, list[Any]]:
    """Columns term, estimate, se, df (Satterthwaite), t, p."""
    df = satterthwaite(model, np.eye(len(model.data.names))) if model.data.names else np.zeros(0)
    estimates, errors = model.beta.tolist(), np.sqrt(np.diag(model.covariance)).tolist()
    return {
        "term": list(model.data.names),
        "estimate": estimates,
        "se": errors,
        "df": df.tolist(),
        "t": [b / se if se > 0 else float("nan") for b, se in zip(estimates, errors, strict=True)],
        "p": [t_p_value(b, se, nu) for b, se, nu in zip(estimates, errors, df.tolist(), strict=True)],
    }


def model_text(model: MixedModel) -> str:
    """The fit in lines of at most 80 columns where names allow it."""
    kind, name = ("REML", "REML criterion") if model.reml else ("ML", "deviance")
    lines = [
        f"{model.data.formula.text}",
        f"{kind}, {model.n} rows, {name} {model.criterion:.4f}, log likelihood {model.log_likelihood:.4f}",
        "",
        f"{'random effect':<40}{'variance':>13}{'sd or r':>13}",
    ]
    for row in model.variance_components.rows:
        label = " ".join(part for part in (row.group, row.name, row.other) if part)
        lines.append(f"{label:<40}{row.variance:>13.6g}{row.sd:>13.6g}")
    table = coefficient_table(model)
    lines += ["", f"{'fixed effect':<28}{'estimate':>12}{'se':>11}{'df':>9}{'t':>9}{'p':>10}"]
    for term, b, se, df, t, p in zip(*table.values(), strict=True):
        lines.append(f"{term:<28}{b:>12.5g}{se:>11.4g}{df:>9.1f}{t:>9.3f}{p:>10.3g}")
    lines += [f"note: {note.text}" for note in model.warnings]
    return "\n".join(lines)
