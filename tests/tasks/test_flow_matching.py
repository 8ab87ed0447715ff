"""Levels and steps are those of the library's scheduler for FLUX."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the flow is of tensors")

from cupel.tasks.flow_matching import denoise, noise_levels


@pytest.mark.filterwarnings("ignore")  # what diffusers and what it imports warn of is theirs
@pytest.mark.parametrize("num_tokens", [256, 1024, 4096])
def test_they_are_those_of_the_library(num_tokens):
    pytest.importorskip("diffusers", reason="compared with diffusers, which is not installed")
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    even = [1.0 - step / 28 for step in range(28)]
    scheduler.set_timesteps(sigmas=even, mu=0.5 + (1.15 - 0.5) * (num_tokens - 256) / (4096 - 256))
    levels = noise_levels(28, num_tokens=num_tokens)
    assert levels == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)
    expected = noise = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    for timestep in scheduler.timesteps:
        expected = scheduler.step(torch.tanh(expected), timestep, expected).prev_sample
    torch.testing.assert_close(denoise(lambda x, _: torch.tanh(x), noise, levels), expected)


def test_large_images_spend_more_steps_on_high_levels():
    small, large = noise_levels(8, num_tokens=256), noise_levels(8, num_tokens=4096)
    assert small[0] == large[0] == 1.0
    assert small[-1] == large[-1] == 0.0
    assert all(a < b for a, b in zip(small[1:-1], large[1:-1], strict=True))


def test_many_steps_solve_the_equation():
    noise = torch.tensor([1.0, -2.0], dtype=torch.float64)
    found = denoise(lambda x, _: x.double(), noise, [1.0 - step / 1000 for step in range(1001)])
    torch.testing.assert_close(found, noise * torch.exp(torch.tensor(-1.0)).double(), rtol=1e-3, atol=0.0)
