from typing import Any

import pytest

from cupel.measure.energy_meter import EnergyMeter


class Machine:
    """A sampler with a clock of its own, at 10 W of processors and 100 W of each device."""

    def __init__(self, num_devices: int, *, has_cpu: bool = True) -> None:
        self.t = 0.0
        self.num_devices, self.has_cpu = num_devices, has_cpu

    def now(self) -> float:
        return self.t

    def sample(self) -> dict[str, Any]:
        device = {"power_w": 100.0, "energy_j": None}
        return {
            "cpu_energy_j": 10 * self.t if self.has_cpu else None,
            "devices": [device] * self.num_devices,
        }


def metered(machine: Machine, times: list[float]) -> EnergyMeter:
    meter = EnergyMeter(machine, machine.now)  # type: ignore[arg-type]
    for t in times:
        machine.t = t
        meter.tick()
    return meter


def test_energy_is_of_the_devices_or_else_of_the_processors() -> None:
    times = [0.0, 2.0, 4.0, 6.0]
    assert metered(Machine(2), times).energy_j() == pytest.approx(1200)
    assert metered(Machine(0), times).energy_j() == pytest.approx(60)
    assert metered(Machine(0, has_cpu=False), times).energy_j() is None


def test_readings_are_taken_every_two_seconds_and_gaps_are_not_guessed() -> None:
    meter = metered(Machine(1), [k / 10 for k in range(41)])
    assert len(meter._times) == 3
    assert metered(Machine(1), [0.0]).energy_j() is None
    assert metered(Machine(1), [0.0, 2.0, 30.0]).energy_j() is None
