"""The closed form of the hypergradient, against training anew; and the condition that was asked for."""

import pytest

torch = pytest.importorskip("torch", reason="these tasks need torch")

from cupel.tasks.ill_conditioned_ridge import Ridge, ill_conditioned_ridge


def valid_at(problem: Ridge, log_decay: torch.Tensor) -> float:
    """The validation loss after training with other decays."""
    weight = torch.linalg.solve(problem.curvature + torch.diag(log_decay.exp()), problem.pull)
    away = weight - problem.wanted
    return float(away @ problem.valid_curvature @ away / 2)


def test_the_hypergradient_is_that_of_differences() -> None:
    problem = ill_conditioned_ridge(3, size=6, condition=50.0)
    logs, width = problem.log_decay.detach(), 1e-5
    units = torch.eye(6, dtype=torch.float64) * width
    differences = [(valid_at(problem, logs + u) - valid_at(problem, logs - u)) / (2 * width) for u in units]
    torch.testing.assert_close(
        problem.hypergradient, torch.tensor(differences, dtype=torch.float64), rtol=1e-6, atol=1e-8
    )


def test_it_is_at_rest_and_as_ill_conditioned_as_asked() -> None:
    problem = ill_conditioned_ridge(0, size=9, condition=200.0)
    (slope,) = torch.autograd.grad(problem.train_loss(), problem.weight)
    assert float(slope.abs().max()) < 1e-12
    values = torch.linalg.eigvalsh(problem.curvature)
    assert float(values[-1] / values[0]) == pytest.approx(200.0, rel=1e-8)
    away = problem.weight.detach() - problem.wanted
    assert float(problem.valid_loss().detach()) == pytest.approx(float(away @ problem.valid_curvature @ away) / 2)


def test_seeds_give_different_problems_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (ill_conditioned_ridge(seed, size=4, condition=9.0) for seed in (1, 1, 2))
    assert torch.equal(first.curvature, again.curvature)
    assert not torch.equal(first.curvature, other.curvature)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_hypergradient_is_judged_by_distance_and_by_angle() -> None:
    problem = ill_conditioned_ridge(5, size=3, condition=9.0)
    truth = problem.hypergradient
    assert problem.error_of(3 * truth) == pytest.approx(2.0)
    assert problem.sine_of(3 * truth) == pytest.approx(0.0, abs=1e-7)
    assert problem.sine_of(-truth) == 1.0
    across = torch.linalg.cross(truth, torch.ones(3, dtype=torch.float64))
    across = across / across.norm() * truth.norm()
    assert problem.sine_of(truth + across) == pytest.approx(0.5**0.5)
    assert problem.error_of(truth + across) == pytest.approx(1.0)
