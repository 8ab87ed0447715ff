"""BOHB's model against the reference implementation's, on the same losses; by hand, in an environment of its own.

    pip install hpbandster statsmodels && python benchmarks/bohb_reference.py

HpBandSter 0.7.4 takes its densities from statsmodels. Compared after each of 60 losses of 30 searches in a mixed space:
the resource that the model is of, its good and bad configurations, the kernels' widths, and the densities at 20 places
where every choice is in the data (else the reference's are no numbers, and it proposes by chance). Losses are all
different: among equal ones the reference's order is not defined. Then the proposals of both from the same model, in a
space of numbers: two-sample Kolmogorov-Smirnov for either parameter.
"""

from __future__ import annotations

import math
import random
import types
import warnings
from typing import Any

import ConfigSpace
import numpy as np
from ConfigSpace.hyperparameters import CategoricalHyperparameter, UniformFloatHyperparameter
from scipy.stats import ks_2samp

from cupel.methods.samplers.kernel_density import KernelDensity
from cupel.spec.read_space import read_space
from cupel.spec.search import Search
from cupel.spec.space import Configuration

SPACE = read_space("x=float(0,1), y=log(1e-4,1), act=cat(a,b,c)")
NUMBERS = read_space("x=float(0,1), y=float(0,1)")
NUM_SEARCHES, NUM_LOSSES, NUM_PLACES, NUM_PROPOSERS, NUM_PROPOSALS = 30, 60, 20, 10, 300


def main() -> None:
    """Compare, and print the largest differences."""
    _make_compatible()
    from hpbandster.optimizers.config_generators.bohb import BOHB

    kind: Any = BOHB
    worst = {"points": 0.0, "widths": 0.0, "densities": 0.0}
    num_models = 0
    for seed in range(NUM_SEARCHES):
        rng, space = random.Random(seed), _reference_space(seed)
        order = [list(space.keys()).index(name) for name in SPACE]
        reference = kind(space, random_fraction=0.0)
        ours = KernelDensity(Search(SPACE, trials=1000, seed=seed, max_resource=9), random_frac=0.0)
        for k in range(NUM_LOSSES):
            parameters, resource = SPACE.draw(rng), rng.choice([1, 3, 9]) if k > 15 else 1
            loss = _loss(parameters) + rng.gauss(0, 0.05) if rng.random() > 0.05 else 1e6 + k
            job = {"result": {"loss": loss}, "kwargs": {"budget": resource, "config": parameters}}
            reference.new_result(types.SimpleNamespace(**job, id=(0, 0, k), exception=None))
            ours.learn(parameters, resource, loss)
            num_models += _compare(reference, ours, order, worst)
    print(f"densities of {num_models} pairs of models compared; largest differences: {worst}")
    p_values = [p for seed in range(NUM_PROPOSERS) for p in _proposals(kind, seed)]
    print(f"proposals: least p-value {min(p_values):.3g} of {len(p_values)} (Holm at 5 %: {0.05 / len(p_values):.2g})")


def _proposals(kind: Any, seed: int) -> list[float]:
    """P-values that the proposals of both, from a model of the same 40 losses, are of one law; for x and for y."""
    space = ConfigSpace.ConfigurationSpace(seed=seed)
    space.add([UniformFloatHyperparameter(name, 0, 1) for name in NUMBERS])
    reference = kind(space, random_fraction=0.0)
    ours = KernelDensity(Search(NUMBERS, trials=10_000, seed=seed), random_frac=0.0)
    rng = random.Random(seed)
    for k in range(40):
        parameters = NUMBERS.draw(rng)
        loss = sum((float(value) - 0.4) ** 2 for value in parameters.values()) + rng.gauss(0, 0.02)
        job = {"result": {"loss": loss}, "kwargs": {"budget": 1, "config": parameters}}
        reference.new_result(types.SimpleNamespace(**job, id=(0, 0, k), exception=None))
        ours.learn(parameters, 1, loss)
    np.random.seed(seed)  # noqa: NPY002 (the reference draws from the global generator)
    theirs = [reference.get_config(1)[0] for _ in range(NUM_PROPOSALS)]
    own = [ours.sample(1) for _ in range(NUM_PROPOSALS)]
    return [float(ks_2samp([p[n] for p in theirs], [float(p[n]) for p in own]).pvalue) for n in NUMBERS]


def _compare(reference: Any, ours: KernelDensity, order: list[int], worst: dict[str, float]) -> int:
    """Compare the models in use; returns how many densities were."""
    model = ours._fitted()  # noqa: SLF001
    if not reference.kde_models:
        assert model is None
        return 0
    resource = max(reference.kde_models)
    assert model is not None
    assert ours._model_resource == resource  # noqa: SLF001
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.random(NUM_PLACES), rng.random(NUM_PLACES), rng.integers(3, size=NUM_PLACES)])
    in_order = np.empty_like(places)
    in_order[:, order] = places
    num = 0
    for own, kde in zip(model, (reference.kde_models[resource][key] for key in ("good", "bad")), strict=True):
        worst["points"] = max(worst["points"], float(np.abs(np.asarray(kde.data)[:, order] - own.points).max()))
        worst["widths"] = max(worst["widths"], float(np.abs(kde.bw[order] - own.widths).max()))
        if len(np.unique(own.points[:, 2])) == 3 and own.widths[2] <= 1:
            ratio = np.asarray(kde.pdf(in_order)) / own.at(places)
            worst["densities"] = max(worst["densities"], float(np.abs(ratio - 1).max()))
            num += 1
    return num


def _loss(parameters: Configuration) -> float:
    x, y, act = float(parameters["x"]), float(parameters["y"]), str(parameters["act"])
    return (x - 0.3) ** 2 + (math.log10(y) + 2) ** 2 / 10 + {"a": 0.0, "b": 0.2, "c": 0.4}[act]


def _reference_space(seed: int) -> Any:
    space = ConfigSpace.ConfigurationSpace(seed=seed)
    numbers = [UniformFloatHyperparameter("x", 0, 1), UniformFloatHyperparameter("y", 1e-4, 1, log=True)]
    space.add([*numbers, CategoricalHyperparameter("act", ["a", "b", "c"])])
    return space


def _make_compatible() -> None:
    """Names that the reference was written for and its dependencies have given up."""
    warnings.simplefilter("ignore")
    for name, kind in (("float", float), ("int", int)):
        setattr(np, name, kind)
    space: Any = ConfigSpace.ConfigurationSpace
    space.get_hyperparameters = lambda self: list(self.values())
    space.get_hyperparameter = lambda self, name: self[name]
    space.get_hyperparameter_by_idx = lambda self, index: list(self.keys())[index]
    configuration: Any = ConfigSpace.Configuration
    configuration.get_dictionary = lambda self: dict(self)  # noqa: PLW0108 (a type is not bound as a method)


if __name__ == "__main__":
    main()
