"""Seconds of a mixed model here, in lme4 and in statsmodels, taking turns on the same tables.

    OMP_NUM_THREADS=1 python benchmarks/mixed_model_speed.py [--rounds 5] [--only NAME] [--statsmodels PYTHON]

Every engine holds the table in memory before the clock starts, with labels as factors (R) or categories (pandas). The
others are processes that are started once per case; in each round each fits once, so that other work on the machine
falls on all of them. A time is the median over rounds, a ratio the median of the ratios within rounds. The criterion
is compared too: a fast fit that is not the fit does not count. `lmer` is timed as it comes, and without the
derivatives that it computes after the fit to check it (`calc.derivs = FALSE`).

Needs Rscript with lme4; reference tables are read from ../shared/data or CUPEL_REFERENCE_DATA, without them only the
designs are run. Statsmodels is asked where the given interpreter has it.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cupel.stats.mixed import mixed_model

DATA = Path(os.environ.get("CUPEL_REFERENCE_DATA", Path(__file__).parents[1] / "../shared/data"))
ENGINES = ("ours", "lmer", "lmer without derivatives", "statsmodels")
R_SERVER = r"""
args <- commandArgs(TRUE)
suppressMessages(library(lme4))
d <- read.csv(args[1], stringsAsFactors = TRUE)
for (name in strsplit(args[4], ",")[[1]]) d[[name]] <- factor(d[[name]], levels = unique(d[[name]]))
formula <- as.formula(args[2])
fit <- function(derivs) suppressMessages(suppressWarnings(lmer(
  formula, d, REML = args[3] == "REML", control = lmerControl(calc.derivs = derivs))))
input <- file("stdin", "r")
cat("ready\n"); flush(stdout())
while (length(line <- readLines(input, 1)) > 0) {
  start <- Sys.time()
  m <- fit(line == "lmer")
  seconds <- as.numeric(Sys.time() - start, units = "secs")
  cat(sprintf("%.6f %.9f\n", seconds, -2 * as.numeric(logLik(m)))); flush(stdout())
}
"""
STATSMODELS_SERVER = r"""
import sys, time, warnings
import pandas as pd
import statsmodels.formula.api as smf
warnings.simplefilter("ignore")
path, formula, criterion, factors, grouping = sys.argv[1:6]
d = pd.read_csv(path, dtype={name: "category" for name in factors.split(",")})
d["all_rows"] = 1
groups, _, parts = grouping.partition("|")
options = {"groups": groups}
if groups != "all_rows":
    options["re_formula"] = "1"
if parts:
    options["vc_formula"] = {part: "0 + C(" + part + ")" for part in parts.split(",")}
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    fit = smf.mixedlm(formula, d, **options).fit(reml=criterion == "REML")
    print(time.perf_counter() - start, -2 * fit.llf, flush=True)
"""


@dataclass(frozen=True)
class Case:
    """One model on one table.

    Attributes:
        name: for the table.
        formula: of the model.
        frame: labels as categories.
        reml: which criterion.
        grouping: statsmodels' way to say it: groups, a bar, factors whose levels vary within them; empty: not asked.
    """

    name: str
    formula: str
    frame: Any
    reml: bool = True
    grouping: str = ""


@dataclass
class Times:
    """What was measured: engine to seconds of each round, to its criterion, or to why it has none."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    criterion: dict[str, float] = field(default_factory=dict)
    gave_up: dict[str, str] = field(default_factory=dict)


class Server:
    """A process that fits when it is told to."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._line(300)

    def _line(self, limit_s: float) -> str | None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], limit_s)
        return self.process.stdout.readline() if ready else None

    def fit(self, engine: str, limit_s: float) -> tuple[float, float] | str:
        """Seconds and criterion; or why there are none, and then the process is gone."""
        if self.process.poll() is not None:
            return "failed"
        assert self.process.stdin is not None
        self.process.stdin.write(engine + "\n")
        self.process.stdin.flush()
        line = self._line(limit_s)
        if line:
            seconds, criterion = line.split()
            return float(seconds), float(criterion)
        self.close()
        return "failed" if line == "" else f"over {1000 * limit_s:.0f}"

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def designs() -> Iterator[Case]:
    """3 methods on 50 tasks with 7, 67 and 667 seeds."""
    rng = np.random.default_rng(0)
    for seeds in (7, 67, 667):
        task, method, seed = (part.ravel() for part in np.meshgrid(range(50), range(3), range(seeds), indexing="ij"))
        value = 0.3 * method + rng.normal(size=50)[task] + 0.3 * rng.normal(size=(50, 3))[task, method]
        value += 0.5 * rng.normal(size=(50, seeds))[task, seed] + 0.3 * rng.normal(size=seeds)[seed]
        frame = pd.DataFrame({"value": value + rng.normal(size=value.size)})
        for name, codes in (("task", task), ("method", method), ("seed", seed)):
            frame[name] = pd.Categorical([f"{name[0]}{code:03d}" for code in codes])
        for terms, grouping in (
            ("(1|task)", "task"),
            ("(1|task) + (1|task:method)", "task|method"),
            ("(1|task) + (1|task:method) + (1|task:seed)", "task|method,seed"),
            ("(1|task) + (1|seed)", "all_rows|task,seed"),
        ):
            yield Case(f"{terms}, n = {value.size}", f"value ~ method + {terms}", frame, grouping=grouping)


def priorband() -> Iterator[Case]:
    """The four models of the published notebook, by maximum likelihood, on 86,400 rows."""
    path = DATA / "priorband" / "priorband_data.parquet"
    if not path.is_file():
        return
    frame = pd.read_parquet(path, columns=["value", "algorithm", "benchmark", "seed", "used_fidelity"])
    frame = frame.astype({"algorithm": "category", "benchmark": "category"})
    frame["seed"] = pd.Categorical([f"s{seed:02d}" for seed in frame["seed"]])
    for terms, grouping in (
        ("algorithm + (1|benchmark)", "benchmark"),
        ("algorithm + used_fidelity + (1|benchmark)", "benchmark"),
        ("algorithm + algorithm:used_fidelity + (1|benchmark)", "benchmark"),
        ("(0 + algorithm|seed)", ""),
    ):
        yield Case(f"PriorBand, {terms}", f"value ~ {terms}", frame, reml=False, grouping=grouping)


def insteval() -> Iterator[Case]:
    """73,421 ratings by 2,972 students of 1,128 lecturers in 14 departments."""
    path = DATA / "mixed_models" / "InstEval.csv.gz"
    if path.is_file():
        frame = pd.read_csv(path, dtype=dict.fromkeys(("s", "d", "dept", "service"), "category"))
        formula = "y ~ service + (1|s) + (1|d) + (1|dept)"
        yield Case("InstEval, service + (1|s) + (1|d) + (1|dept)", formula, frame, reml=False)


def factors(case: Case) -> str:
    """Columns of labels, with commas."""
    return ",".join(name for name in case.frame if str(case.frame[name].dtype) == "category")


def start(case: Case, folder: Path, statsmodels: str) -> dict[str, Server]:
    """The other engines, with the table in memory."""
    path = folder / "table.csv"
    case.frame.to_csv(path, index=False, float_format="%.17g")
    criterion = "REML" if case.reml else "ML"
    servers = {}
    if shutil.which("Rscript"):
        (folder / "fit.R").write_text(R_SERVER)
        command = ["Rscript", folder / "fit.R", path, case.formula, criterion, factors(case)]
        servers["lmer"] = servers["lmer without derivatives"] = Server([str(word) for word in command])
    if case.grouping and statsmodels:
        (folder / "fit.py").write_text(STATSMODELS_SERVER)
        fixed = case.formula.split(" + (1|")[0]
        command = [statsmodels, folder / "fit.py", path, fixed, criterion, factors(case), case.grouping]
        servers["statsmodels"] = Server([str(word) for word in command])
    return servers


def measure(case: Case, options: argparse.Namespace) -> Times:
    """Rounds in which each engine fits once; none after the case's time is up, and none for an engine that gave up."""
    found = Times()
    with tempfile.TemporaryDirectory() as folder:
        servers = start(case, Path(folder), options.statsmodels)
        mixed_model(case.formula, case.frame, reml=case.reml)
        begun = time.perf_counter()
        for number in range(options.rounds):
            if number and time.perf_counter() - begun > options.case_s:
                break
            begin = time.perf_counter()
            model = mixed_model(case.formula, case.frame, reml=case.reml)
            found.seconds.setdefault("ours", []).append(time.perf_counter() - begin)
            found.criterion["ours"] = model.criterion
            for engine, server in servers.items():
                if engine not in found.gave_up:
                    record(found, engine, server.fit(engine, options.limit_s))
        for server in servers.values():
            server.close()
    return found


def record(found: Times, engine: str, result: tuple[float, float] | str) -> None:
    """Keep a time, or why there was none."""
    if isinstance(result, str):
        found.gave_up[engine] = result
        return
    found.seconds.setdefault(engine, []).append(result[0])
    found.criterion[engine] = result[1]


def row(case: Case, found: Times) -> str:
    """A row of the table."""
    ours = found.seconds["ours"]
    cells = [case.name, f"{1000 * statistics.median(ours):.1f}"]
    for engine in ENGINES[1:]:
        theirs = found.seconds.get(engine)
        if not theirs:
            cells += [found.gave_up.get(engine, ""), ""]
        else:
            ratios = [b / a for a, b in zip(ours, theirs, strict=False)]
            spread = f" ({min(ratios):.2g} to {max(ratios):.2g})" if len(ratios) > 1 else ""
            cells += [f"{1000 * statistics.median(theirs):.1f}", f"{statistics.median(ratios):.2f}{spread}"]
    for engine in ("lmer", "statsmodels"):
        has = engine in found.criterion
        cells.append(f"{found.criterion['ours'] - found.criterion[engine]:.1e}" if has else "")
    return "| " + " | ".join([*cells, str(len(ours))]) + " |"


def has_statsmodels(python: str) -> bool:
    """Whether an interpreter can import it."""
    command = [python, "-c", "import statsmodels"]
    return bool(shutil.which(python)) and not subprocess.run(command, check=False, capture_output=True).returncode


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name has this")
    parser.add_argument("--statsmodels", default=sys.executable, help="an interpreter that has statsmodels, or none")
    parser.add_argument("--limit-s", type=float, default=100.0, help="seconds after which a fit is given up")
    parser.add_argument("--case-s", type=float, default=60.0, help="seconds after which a case gets no further round")
    options = parser.parse_args()
    if not has_statsmodels(options.statsmodels):
        options.statsmodels = ""
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, OMP_NUM_THREADS {threads}; milliseconds\n")
    heads = ["model", "ours"]
    for engine in ENGINES[1:]:
        heads += [engine, "x ours"]
    heads += ["criterion less lmer's", "less statsmodels'", "rounds"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for cases in (designs(), priorband(), insteval()):
        for case in cases:
            if options.only in case.name:
                print(row(case, measure(case, options)), flush=True)


if __name__ == "__main__":
    main()
