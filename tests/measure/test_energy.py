from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cupel.measure.energy import Rapl, joules, total_j


def test_constant_power_is_power_times_the_timed_part_and_not_the_whole() -> None:
    t_s, power_w = list(range(11)), [50.0] * 11
    assert joules(t_s, power_w) == pytest.approx(500)
    assert joules(t_s, power_w, t0_s=2.25, t1_s=7.75) == pytest.approx(275)


def test_a_ramp_is_integrated_exactly() -> None:
    t_s = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert joules(t_s, [10 * t for t in t_s], t0_s=0.5, t1_s=3.5) == pytest.approx(5 * (3.5**2 - 0.5**2))


def test_a_sine_agrees_with_its_integral_within_the_error_of_the_rule() -> None:
    t_s = np.linspace(0, 10, 101)
    power_w = 200 + 50 * np.sin(t_s)
    exact = 200 * 8 + 50 * (math.cos(1) - math.cos(9))
    assert joules(t_s.tolist(), power_w.tolist(), t0_s=1, t1_s=9) == pytest.approx(exact, rel=1e-4)


@given(
    gaps_s=st.lists(st.floats(0.1, 2.0), min_size=2, max_size=20),
    power_w=st.lists(st.floats(1, 700), min_size=21, max_size=21),
)
def test_agrees_with_numpy_on_the_whole(gaps_s: list[float], power_w: list[float]) -> None:
    t_s = np.concatenate([[0.0], np.cumsum(gaps_s)])
    values = np.asarray(power_w[: len(t_s)])
    assert joules(t_s.tolist(), values.tolist()) == pytest.approx(float(np.trapezoid(values, t_s)))


def test_the_counter_is_used_where_there_is_one() -> None:
    t_s = [0.0, 1.0, 2.0, 3.0]
    assert joules(t_s, [1.0] * 4, counter_j=[1000.0, 1300.0, 1600.0, 1900.0], t0_s=0.5, t1_s=2.5) == pytest.approx(600)
    assert joules(t_s, [None] * 4, counter_j=[1000.0, None, 1600.0, 1900.0]) == pytest.approx(900)


def test_beyond_the_readings_power_holds_and_the_counter_goes_on() -> None:
    t_s = [0.5, 1.5, 2.5]
    assert joules(t_s, [100.0, 100.0, 200.0], t0_s=0, t1_s=3) == pytest.approx(50 + 100 + 150 + 100)
    assert joules(t_s, [None] * 3, counter_j=[0.0, 100.0, 300.0], t0_s=0, t1_s=3) == pytest.approx(50 + 300 + 100)


def test_a_counter_that_starts_anew_is_not_believed() -> None:
    assert joules([0, 1, 2], [100, 100, 100], counter_j=[900.0, 5.0, 105.0]) == pytest.approx(200)
    assert joules([0, 1, 2], [None, None, None], counter_j=[900.0, 5.0, 105.0]) is None


@pytest.mark.parametrize(
    ("t_s", "power_w", "part"),
    [
        ([], [], (None, None)),
        ([1.0], [100.0], (None, None)),
        ([0.0, 1.0], [None, 100.0], (None, None)),
        ([0.0, 1.0], [math.nan, 100.0], (None, None)),
        ([0.0, 1.0, 2.0], [100.0] * 3, (0.5, 1.4)),
        ([0.0, 1.0, 9.0], [100.0] * 3, (None, None)),
        ([0.0, 1.0, 2.0], [100.0] * 3, (0.0, 60.0)),
        ([0.0, 1.0, 2.0], [100.0] * 3, (2.0, 0.0)),
        ([1.0, 1.0], [100.0] * 2, (None, None)),
    ],
    ids=["none", "one", "one known", "nan", "one inside", "gap", "ends early", "backwards", "no time"],
)
def test_not_measurable_is_none_and_not_zero(
    t_s: list[float], power_w: list[float | None], part: tuple[float | None, float | None]
) -> None:
    assert joules(t_s, power_w, t0_s=part[0], t1_s=part[1]) is None


def test_the_sum_over_devices_is_unknown_when_one_is() -> None:
    assert total_j([1.5, 2.5]) == 4.0
    assert total_j([1.5, None]) is None
    assert total_j([]) is None


def zones(first_uj: str, second_uj: str) -> dict[str, str]:
    top = "sys/class/powercap"
    return {
        f"{top}/intel-rapl:0/name": "package-0\n",
        f"{top}/intel-rapl:0/energy_uj": first_uj,
        f"{top}/intel-rapl:0/max_energy_range_uj": "1000000\n",
        f"{top}/intel-rapl:1/name": "package-1\n",
        f"{top}/intel-rapl:1/energy_uj": second_uj,
        f"{top}/intel-rapl:1/max_energy_range_uj": "1000000\n",
        f"{top}/intel-rapl:0:0/name": "core\n",
        f"{top}/intel-rapl:0:0/energy_uj": "77\n",
        f"{top}/intel-rapl:2/name": "psys\n",
        f"{top}/intel-rapl:2/energy_uj": "99\n",
        f"{top}/intel-rapl-mmio:0/name": "package-0\n",
        f"{top}/intel-rapl-mmio:0/energy_uj": "5\n",
    }


def test_rapl_adds_packages_alone_and_unfolds_a_counter_that_starts_anew(plant: Callable[..., Path]) -> None:
    rapl = Rapl(plant(zones("900000\n", "100000\n")))
    assert rapl.has_packages
    assert rapl.read_j() == 0.0
    plant(zones("950000\n", "300000\n"))
    assert rapl.read_j() == pytest.approx(0.25)
    plant(zones("50000\n", "300000\n"))
    assert rapl.read_j() == pytest.approx(0.35)


def test_rapl_that_may_not_be_read_is_none(plant: Callable[..., Path], tmp_path: Path) -> None:
    assert Rapl(tmp_path / "nothing").read_j() is None
    rapl = Rapl(plant(zones("", "100000\n")))
    assert rapl.has_packages
    assert rapl.read_j() is None
