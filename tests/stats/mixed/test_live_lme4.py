"""Random designs fitted here and by lme4 at once, where R is installed; one R process for all of them."""

import csv
import math
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cupel.stats.mixed import Grid, contrasts, marginal_means, mixed_model, satterthwaite

FORMULAS = [
    "y ~ a + x + (1 | g)",
    "y ~ a * x + (1 | g) + (1 | h)",
    "y ~ a + x + (x | g)",
    "y ~ a + b + x + (x || g) + (1 | h)",
    "y ~ 0 + a + (1 | g)",
    "y ~ a + (1 | g) + (1 | g:h)",
    "y ~ a + (1 | g) + (1 | g:a) + (1 | g:h)",
    "y ~ a + x + (x | g) + (1 | h)",
    "y ~ a * b + (0 + b | g)",
    "y ~ a + (1 | g / h)",
    "y ~ a + x + (x | g) + (1 | g:h)",
    "y ~ a:x + a + (1 | g) + (0 + x | g)",
    "y ~ a * b + x + (1 | g)",
    "y ~ a + b:x + (1 | g)",
    "y ~ a + (a | g)",
]
PACKAGES = ("lme4", "lmerTest", "emmeans", "pbkrtest")
SCRIPT = r"""
suppressMessages({library(lme4); library(lmerTest); library(emmeans)})
folder <- commandArgs(TRUE)[1]
rows <- list()
put <- function(id, kind, name, value) rows[[length(rows) + 1]] <<-
  data.frame(id = id, kind = kind, name = as.character(name), value = sprintf("%.17g", as.numeric(value)))
quiet <- function(x) suppressMessages(suppressWarnings(x))
for (file in list.files(folder, "^design.*csv$")) {
  id <- sub("design(.*)[.]csv", "\\1", file)
  d <- read.csv(file.path(folder, file), stringsAsFactors = TRUE)
  formula <- as.formula(readLines(file.path(folder, paste0("formula", id, ".txt"))))
  m <- quiet(lmer(formula, d, control = lmerControl("nloptwrap", optCtrl = list(xtol_abs = 1e-9, ftol_abs = 1e-11))))
  names <- names(fixef(m))
  put(id, "criterion", "REML", -2 * logLik(m))
  put(id, "criterion", "ML", -2 * logLik(quiet(update(m, REML = FALSE))))
  put(id, "beta", names, fixef(m))
  put(id, "se", names, sqrt(diag(as.matrix(vcov(m)))))
  put(id, "theta", names(getME(m, "theta")), getME(m, "theta"))
  put(id, "singular", "singular", isSingular(m))
  put(id, "df", names, quiet(summary(m)$coefficients[, "df"]))
  means <- quiet(emmeans(m, "a", lmer.df = "satterthwaite"))
  s <- as.data.frame(means)
  put(id, "mean", s$a, s$emmean); put(id, "mean se", s$a, s$SE); put(id, "mean df", s$a, s$df)
  s <- as.data.frame(pairs(means))
  put(id, "tukey", s$contrast, s$p.value); put(id, "pair df", s$contrast, s$df)
  s <- as.data.frame(pairs(quiet(emmeans(m, "a", lmer.df = "kenward-roger"))))
  put(id, "kr se", s$contrast, s$SE); put(id, "kr df", s$contrast, s$df)
}
write.csv(do.call(rbind, rows), file.path(folder, "found.csv"), row.names = FALSE)
"""


def design(seed: int) -> dict[str, np.ndarray]:
    """Unbalanced, with variances from none to large."""
    rng = np.random.default_rng(seed)
    n, num_g, num_h = int(rng.integers(80, 200)), int(rng.integers(6, 13)), int(rng.integers(4, 8))
    a, b, g, h = (rng.integers(0, size, n) for size in (3, 2, num_g, num_h))
    x = rng.normal(rng.choice([0, 3]), 2, n)
    sd_g, sd_h, sd_x, sd_a = rng.choice([0.0, 0.3, 0.6, 1.0], 4)
    y = rng.normal(size=n) + sd_g * rng.normal(size=num_g)[g] + sd_h * rng.normal(size=num_h)[h] + 0.3 * a
    y += sd_x * x * rng.normal(size=num_g)[g] + sd_a * rng.normal(size=(num_g, 3))[g, a]
    labels = {"a": "pqr", "b": "uv", "g": "ABCDEFGHIJKLM", "h": "STUVWXYZ"}
    codes = {"a": a, "b": b, "g": g, "h": h}
    return {"y": y, "x": x} | {name: np.array(list(labels[name]))[code] for name, code in codes.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[int, dict[str, dict[str, float]]]:
    """What lme4 says of each design: kind, name, value."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("needs R (Rscript) to compare with lme4")
    wanted = " && ".join(f'requireNamespace("{name}", quietly = TRUE)' for name in PACKAGES)
    check = subprocess.run([rscript, "-e", f"quit(status = !({wanted}))"], check=False, capture_output=True)
    if check.returncode:
        pytest.skip(f"needs the R packages {', '.join(PACKAGES)}")
    folder: Path = tmp_path_factory.mktemp("lme4")
    for k, formula in enumerate(FORMULAS):
        columns = {name: values.tolist() for name, values in design(k).items()}
        with (folder / f"design{k}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        (folder / f"formula{k}.txt").write_text(formula + "\n")
    (folder / "fit.R").write_text(SCRIPT)
    run = subprocess.run([rscript, folder / "fit.R", folder], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    out: dict[int, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    with (folder / "found.csv").open() as file:
        for row in csv.DictReader(file):
            out[int(row["id"])][row["kind"]][row["name"]] = float(row["value"])
    return out


def parts(name: str) -> frozenset[str]:
    """Of a name of theta, whatever the order in which the columns of a grouping are written."""
    group, _, rest = name.partition(".")
    return frozenset([*group.split(":"), "|", *rest.split(".")])


@pytest.mark.slow
@pytest.mark.parametrize("k", range(len(FORMULAS)))
def test_lme4_finds_the_same(found, k: int) -> None:
    expected: dict[str, dict[str, Any]] = found[k]
    model = mixed_model(FORMULAS[k], design(k))
    for name, one in (("REML", model), ("ML", model.refit(reml=False))):
        assert one.criterion < expected["criterion"][name] + 1e-6
        assert one.criterion > expected["criterion"][name] - 1e-4
    assert model.coefficients == pytest.approx(expected["beta"], rel=1e-4, abs=1e-5)
    assert model.standard_errors == pytest.approx(expected["se"], rel=1e-3)
    assert model.singular == bool(expected["singular"]["singular"])
    ours = {parts(name): value for name, value in model.theta.items()}
    assert ours == pytest.approx({parts(name): value for name, value in expected["theta"].items()}, abs=5e-3)
    df = dict(zip(model.coefficients, satterthwaite(model, np.eye(len(model.beta))), strict=True))
    assert df == pytest.approx(expected["df"], rel=5e-3)
    means = marginal_means(model, "a")
    assert dict(zip(means.levels, means.estimate, strict=True)) == pytest.approx(expected["mean"], rel=1e-4, abs=1e-5)
    assert dict(zip(means.levels, means.standard_errors, strict=True)) == pytest.approx(expected["mean se"], rel=1e-3)
    assert dict(zip(means.levels, means.df, strict=True)) == pytest.approx(expected["mean df"], rel=5e-3)
    pairs = contrasts(model, "a")
    assert {row.contrast: row.p for row in pairs} == pytest.approx(expected["tukey"], abs=1e-4)
    assert {row.contrast: row.df for row in pairs} == pytest.approx(expected["pair df"], rel=5e-3)
    kr = contrasts(model, "a", grid=Grid(df="kenward-roger"))
    assert {row.contrast: row.se for row in kr} == pytest.approx(expected["kr se"], rel=1e-3)
    assert {row.contrast: row.df for row in kr} == pytest.approx(expected["kr df"], rel=5e-3)
    assert not math.isnan(model.criterion)
