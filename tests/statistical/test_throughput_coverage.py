"""Within-launch intervals hold what they promise, among those that are reported; the rest is refused, and counted.

The rates printed here (`pytest -s`) are the table of docs/statistics.md.
"""

import math

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import bdtr

from cupel.stats.throughput import throughput

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
CV, LEVEL = 0.02, 0.95
DRAWS = {60: 1000, 500: 250}
PERIODS = {"alternating": (46.8, 51.2), "period 3": (30.9, 77.1, 48.3)}
CHAINS = {"iid": 0.0, "AR(1) 0.5": 0.5, "AR(1) 0.9": 0.9}
MOST_REFUSED = {
    ("iid", 60): 0.01,
    ("AR(1) 0.5", 60): 0.80,
    ("AR(1) 0.9", 60): 1.0,
    ("alternating", 60): 0.0,
    ("period 3", 60): 0.0,
    ("iid", 500): 0.0,
    ("AR(1) 0.5", 500): 0.02,
    ("AR(1) 0.9", 500): 0.55,
    ("alternating", 500): 0.0,
    ("period 3", 500): 0.0,
}


def launch(law: str, n: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Step times of one launch, and the true long-run rate of one item per step."""
    noise = rng.normal(size=n)
    if law in PERIODS:
        pattern = 1 / np.asarray(PERIODS[law])
        shift = int(rng.integers(pattern.size))
        times = np.resize(np.roll(pattern, shift), n) * np.exp(0.005 * noise)
        return times, 1 / (float(pattern.mean()) * math.exp(0.005**2 / 2))
    rho = CHAINS[law]
    kicks = noise * math.sqrt(1 - rho**2)
    kicks[0] = noise[0]
    chain = np.asarray(lfilter([1.0], [1.0, -rho], kicks))
    return 0.1 * np.exp(CV * chain), 10 * math.exp(-(CV**2) / 2)


def count(law: str, n: int, draws: int, seed: int) -> tuple[int, int, float]:
    """Intervals reported, of those the ones that hold the truth, and their median half width."""
    rng = np.random.default_rng(seed)
    held, widths = 0, []
    for _ in range(draws):
        times, truth = launch(law, n, rng)
        interval = throughput(1, times, level=LEVEL).interval
        if interval is not None:
            held += interval.contains(truth)
            widths.append(interval.half_width_frac)
    return len(widths), held, float(np.median(widths)) if widths else math.nan


@pytest.mark.parametrize(("law", "n"), MOST_REFUSED)
def test_reported_intervals_hold_the_truth(law: str, n: int) -> None:
    reported, held, width = count(law, n, DRAWS[n], seed=n)
    refused = 1 - reported / DRAWS[n]
    share = held / reported if reported else math.nan
    print(f"| {law} | {n} | {refused:.1%} | {share:.1%} ({held} of {reported}) | {width:.2%} |")  # noqa: T201
    assert bdtr(held, reported, LEVEL) > 0.001, "the chance of so few, were coverage 95 %"
    assert refused <= MOST_REFUSED[law, n]


@pytest.mark.parametrize("n", [60, 500])
def test_the_refusal_is_needed(n: int) -> None:
    """Plain batch means without refusal or widening lose their coverage on strongly dependent steps."""
    rng = np.random.default_rng(1)
    held, draws, num = 0, 1500, 10
    for _ in range(draws):
        times, truth = launch("AR(1) 0.9", n, rng)
        logs = np.log([part.mean() for part in np.array_split(times[1:], num)])
        half = 2.262 * logs.std(ddof=1) / math.sqrt(num)
        held += abs(math.log(times[1:].mean()) + math.log(truth)) <= half
    assert bdtr(held, draws, LEVEL) < 1e-3


def test_stalls_at_random_are_covered() -> None:
    """A law that the method does not assume: one step in twenty takes five times as long."""
    rng = np.random.default_rng(2)
    held = reported = 0
    for _ in range(300):
        times = 0.1 * np.exp(0.01 * rng.normal(size=400)) * np.where(rng.random(400) < 0.05, 5, 1)
        interval = throughput(1, times).interval
        if interval is not None:
            reported += 1
            held += interval.contains(1 / (0.1 * math.exp(0.01**2 / 2) * 1.2))
    assert reported > 250
    assert bdtr(held, reported, 0.93) > 0.001  # skewed: 95 % nominal, at least 93 %


def test_same_seed_same_bytes() -> None:
    assert count("AR(1) 0.5", 60, 30, seed=3) == count("AR(1) 0.5", 60, 30, seed=3)
    assert count("AR(1) 0.5", 60, 30, seed=3) != count("AR(1) 0.5", 60, 30, seed=4)
