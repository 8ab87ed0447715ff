"""ASHA against synchronous successive halving, in a simulated cluster of 1 to 500 workers.

What is claimed: asynchronous promotion keeps every worker busy, so that a good configuration is found sooner than by
successive halving whose rungs wait to be complete, the more so with many workers, stragglers and lost jobs; and in half
the time of batch Bayesian optimisation without early stopping, which is what the paper's Vizier stands for.

Terms: r 1, R `max_resource`, eta 4, s 0, n 256 (a bracket of SHA); time(R) the mean time of one full training. A
trial is one made-up problem with nine hyperparameters (`cupel.tasks.surrogate_curves`), searched once for each number
of workers. `time_W` is the time with W workers until the best that was trained in full is good when it is *trained
again*: below the loss that a share of the space reaches, and 0.6 %. A search that is given up counts as the limit,
which makes ratios smaller than they are. `in_full_lost` and `in_full_again` are the paper's appendix: how many
configurations 25 workers train in full where work straggles and is lost, and lost work is given up or done again.

What a reader should know
    Which SHA matters. The baseline opens a new bracket when a worker would idle, as the paper's does and as good
    implementations do; `waiting` does not. Against the latter ASHA wins by far, against the former by a little.
    Nothing here is measured: the kind is `simulated`. The whole table, with scaling against the ideal, is
    docs/asha_simulated.md; the searches that are compared are `cupel tune --searcher` on a user's own script.
    Vizier cannot be run outside its company. Its stand-in is our own Gaussian process with expected improvement
    (`batch_bayesian`), which is the recipe that Vizier's authors describe (from memory, not checked). The losses are
    smooth bowls, which suits such a model: where good is one in 10,000 and workers are few it is several times sooner
    than ASHA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cupel.methods.find_searcher import find_searcher
from cupel.spec.claim import Claim
from cupel.spec.outcome import Outcome
from cupel.spec.search import Search, Searcher
from cupel.spec.seeds import Seeds
from cupel.tasks.cluster import Cluster
from cupel.tasks.cluster_run import ClusterRun
from cupel.tasks.surrogate_curves import SurrogateCurves
from cupel.tasks.until_good import UntilGood, time_to_good

CARD = Claim(
    says="ASHA finds a good configuration sooner than synchronous successive halving, from 1 to 500 workers.",
    source="Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (MLSys; arXiv 1810.05934)",
    statements=(
        {
            "name": "sooner_25_workers", "kind": "simulated",
            "says": "With 25 workers ASHA finds a good configuration sooner than successive halving that opens "
            "a new bracket when a worker would idle.",
            "metric": "time_25", "better": "lower", "unit": "time(R)", "scale": "log", "rope": 0.05,
        },
        {
            "name": "sooner_500_workers", "kind": "simulated",
            "says": "With 500 workers ASHA finds a good configuration sooner than successive halving that opens "
            "a new bracket when a worker would idle.",
            "metric": "time_500", "better": "lower", "unit": "time(R)", "scale": "log", "rope": 0.05,
        },
        {
            "name": "one_worker", "kind": "simulated",
            "says": "With one worker ASHA is no slower than successive halving, within a quarter.",
            "metric": "time_1", "better": "lower", "unit": "time(R)", "scale": "log", "sentence": "non-inferiority",
            "margin": 0.25,
        },
        {
            "name": "sooner_than_waiting", "kind": "simulated",
            "says": "With 25 workers ASHA finds a good configuration sooner than successive halving that waits.",
            "metric": "time_25", "better": "lower", "unit": "time(R)", "scale": "log", "arms": ("method", "waiting"),
        },
        {
            "name": "half_of_batch_bayesian", "kind": "simulated",
            "says": "With 500 workers ASHA takes half the time of batch Bayesian optimisation, or less.",
            "metric": "time_500", "better": "lower", "unit": "time(R)", "scale": "log", "bar": 1.0,
            "arms": ("method", "batch_bayesian"),
        },
        {
            "name": "sooner_than_batch_bayesian", "kind": "simulated",
            "says": "With 25 workers ASHA finds a good configuration sooner than batch Bayesian optimisation.",
            "metric": "time_25", "better": "lower", "unit": "time(R)", "scale": "log",
            "arms": ("method", "batch_bayesian"),
        },
        {
            "name": "like_stopping", "kind": "simulated",
            "says": "With 25 workers promotion and the stopping variant of other tools take the same time, "
            "within a quarter.",
            "metric": "time_25", "better": "lower", "unit": "time(R)", "scale": "log", "sentence": "equivalence",
            "margin": 0.25, "arms": ("method", "stopping"),
        },
        {
            "name": "lost_work_given_up", "kind": "simulated",
            "says": "Where work straggles and lost work is given up, ASHA trains more configurations in full.",
            "metric": "in_full_lost", "better": "higher", "unit": "configurations",
        },
        {
            "name": "lost_work_done_again", "kind": "simulated",
            "says": "Where work straggles and lost work is done again, ASHA trains more configurations in full.",
            "metric": "in_full_again", "better": "higher", "unit": "configurations",
        },
    ),
    published="Abstract: ASHA scales linearly with the number of workers and takes half the time of Vizier with 500 "
    "workers. Text: with 25 workers about 1.5 times as fast as synchronous SHA and BOHB on the harder of two tasks "
    "(from memory, not checked against the paper).",
    kept="The algorithm (promotion, its rungs), eta 4, r = R / 64, 25 and 500 workers, brackets of 256; stragglers "
    "(1 + |z|) and dropped jobs of the appendix, with 25 workers and R / r = 256.",
    smaller="Learning curves are made up instead of trained, at every size. At full a good configuration is one in "
    "10,000, and at small one in 500. At tiny more workers than 16 count as 16.",
    arms={
        "method": "ASHA, by promotion",
        "baseline": "successive halving that opens a new bracket when a worker would idle",
        "waiting": "successive halving whose workers wait for a bracket to be complete",
        "stopping": "ASHA by stopping at each rung, as other tools have it",
        "random": "random search, all trained in full",
        "batch_bayesian": "batch Bayesian optimisation, all trained in full",
    },
    varies=("instance", "hpo", "sampling"),
    tags=("hpo", "simulated"),
    tiny={
        "max_resource": 16, "share": 0.1, "drawn": 1000, "patience": 0.05, "bracket": 16, "most_workers": 16,
        "lost_resource": 16, "lost_until": 40,
    },
    small={
        "max_resource": 64, "share": 0.002, "drawn": 20_000, "patience": 1.0, "bracket": 256, "most_workers": 500,
        "lost_resource": 256, "lost_until": 2000,
    },
    full={
        "max_resource": 64, "share": 0.0001, "drawn": 100_000, "patience": 1.0, "bracket": 256, "most_workers": 500,
        "lost_resource": 256, "lost_until": 2000,
    },
    most_pairs={"small": 60},
    memory_gib={"tiny": 0.3, "small": 0.5, "full": 0.5},
)  # fmt: skip

LIMITS = {1: 400, 4: 150, 16: 60, 25: 40, 64: 25, 256: 12, 500: 8}
"""Workers to the time, in time(R), after which a search is given up; times `patience`, but 1.5 at the least."""
TOLERANCE = 0.006
ETA, MANY_TRIALS = 4, 10**9
STRAGGLER_SD = 0.2
LOST = Cluster(workers=25, straggler_sd=0.56, drop_rate=0.005)
AGAIN = 10_000
"""Retries without an end."""


@dataclass(frozen=True)
class World:
    """A problem, when it counts as solved, and the seeds of the search and of the cluster's luck."""

    sizes: Any
    curves: SurrogateCurves
    long_curves: SurrogateCurves
    target: float
    search_seed: int
    cluster_seed: int

    def searcher(self, text: str, curves: SurrogateCurves) -> Searcher:
        """A searcher by name, as `cupel tune --searcher` makes it."""
        search = Search(curves.space, MANY_TRIALS, self.search_seed, curves.max_resource, eta=ETA)
        return find_searcher(text, search)

    def time(self, text: str, workers: int) -> tuple[float, ClusterRun]:
        """When a good configuration was found, in units of R; the limit where none was. And the run."""
        full = self.curves.max_resource
        limit = max(1.5, LIMITS[workers] * self.sizes.patience)
        watched = UntilGood(self.searcher(text, self.curves), self.curves, self.target)
        cluster = Cluster(min(workers, self.sizes.most_workers), STRAGGLER_SD, seed=self.cluster_seed)
        found, run = time_to_good(watched, cluster, until=limit * full)
        return min(found / full, limit), run

    def num_in_full(self, text: str, retries: int) -> int:
        """Configurations that are trained in full where work straggles and is lost."""
        cluster = Cluster(LOST.workers, LOST.straggler_sd, LOST.drop_rate, retries, seed=self.cluster_seed)
        searcher = self.searcher(text, self.long_curves)
        run = cluster.run(searcher, self.long_curves, until=self.sizes.lost_until)
        return run.num_trained(self.long_curves.max_resource)


def task(sizes: Any, slot: Any, rng: Seeds) -> World:
    """One problem of the family, and the loss that one configuration in so many stays below."""
    del slot
    problem = rng.seed("instance")
    curves = SurrogateCurves(problem, max_resource=sizes.max_resource)
    target = curves.good(sizes.share, num=sizes.drawn) * (1 + TOLERANCE)
    long_curves = SurrogateCurves(problem, max_resource=sizes.lost_resource)
    return World(sizes, curves, long_curves, target, rng.seed("hpo"), rng.seed("sampling"))


def _searched(world: World, text: str) -> Outcome:
    """Times to a good configuration by workers, and configurations in full where work is lost."""
    found = {workers: world.time(text, workers) for workers in LIMITS}
    value = {f"time_{workers}": time for workers, (time, _) in found.items()}
    value["in_full_lost"] = float(world.num_in_full(text, 0))
    value["in_full_again"] = float(world.num_in_full(text, AGAIN))
    run = found[25][1]
    costs = {"configurations_25": float(run.num_configurations), "busy_25": run.busy, "idle_25": run.idle}
    return Outcome(value, costs)


def method(task: World, slot: Any, rng: Seeds, hp: Any) -> Outcome:
    """ASHA."""
    del slot, rng, hp
    return _searched(task, "asha")


def baseline(task: World, slot: Any, rng: Seeds, hp: Any) -> Outcome:
    """Successive halving that opens new brackets."""
    del slot, rng, hp
    return _searched(task, f"successive_halving:size={task.sizes.bracket}")


def waiting(task: World, slot: Any, rng: Seeds, hp: Any) -> Outcome:
    """Successive halving that waits."""
    del slot, rng, hp
    return _searched(task, f"successive_halving:size={task.sizes.bracket},when_idle=wait")


def stopping(task: World, slot: Any, rng: Seeds, hp: Any) -> Outcome:
    """The stopping variant."""
    del slot, rng, hp
    return _searched(task, "asha_stopping")


def random(task: World, slot: Any, rng: Seeds, hp: Any) -> Outcome:
    """Random search."""
    del slot, rng, hp
    return _searched(task, "random_search")


def batch_bayesian(task: World, slot: Any, rng: Seeds, hp: Any) -> Outcome:
    """Batch Bayesian optimisation."""
    del slot, rng, hp
    return _searched(task, "batch_bayesian")
