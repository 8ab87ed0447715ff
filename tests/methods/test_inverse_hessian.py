"""Inverse-Hessian products: one contract for all ways, then what each does where it cannot work."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="these methods need torch")

from cupel.methods.inverse_hessian import (
    ConjugateGradient,
    Exact,
    Identity,
    Neumann,
    WarmStart,
    largest_curvature,
)
from cupel.spec.errors import UsageError

SHAPES = [(3, 2), (), (5,)]
N = 12
COMPLETE = [Neumann(terms=4000), Neumann(terms=4000, step_size=0.2), ConjugateGradient(terms=40), Exact()]


class Hessian:
    """A symmetric matrix of given eigenvalues that counts its products with vectors kept as tensors of some shapes."""

    def __init__(self, eigenvalues, seed=0, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        values = torch.tensor(eigenvalues, dtype=torch.float64)
        self.vectors = torch.linalg.qr(torch.randn(N, N, generator=generator, dtype=torch.float64))[0]
        self.matrix = ((self.vectors * values) @ self.vectors.T).to(dtype)
        self.v = shaped(torch.randn(N, generator=generator, dtype=torch.float64).to(dtype))
        self.num_products = 0

    def __call__(self, vector):
        self.num_products += 1
        return shaped(self.matrix @ flat(vector))

    def residual(self, solution):
        rest = flat(self.v) - self.matrix @ flat(solution)
        return float(rest.norm() / flat(self.v).norm())


def flat(vector):
    return torch.cat([part.flatten() for part in vector])


def shaped(values):
    return [piece.view(shape) for piece, shape in zip(values.split([6, 1, 5]), SHAPES, strict=True)]


def between(low, high):
    return torch.linspace(low, high, N).tolist()


@pytest.mark.parametrize("inverse", COMPLETE, ids=repr)
def test_each_way_solves_what_is_positive_definite(inverse):
    hessian = Hessian(between(0.05, 9.0))
    before = [part.clone() for part in hessian.v]
    found = inverse.solve(hessian, hessian.v, WarmStart())
    expected = torch.linalg.solve(hessian.matrix, flat(hessian.v))
    torch.testing.assert_close(flat(found.vector), expected, rtol=1e-7, atol=1e-7)
    assert [part.shape for part in found.vector] == [torch.Size(shape) for shape in SHAPES]
    assert all(torch.equal(a, b) for a, b in zip(before, hessian.v, strict=True))
    assert found.products == hessian.num_products
    assert found.residual < 1e-8
    assert found.notes == ()


@pytest.mark.parametrize("inverse", [*COMPLETE, Identity(), Neumann(terms=0)], ids=repr)
def test_nothing_to_solve_for_is_solved_by_nothing(inverse):
    hessian = Hessian(between(0.05, 9.0))
    found = inverse.solve(hessian, [torch.zeros_like(part) for part in hessian.v], WarmStart())
    assert not flat(found.vector).any()
    assert math.isnan(found.residual) if isinstance(inverse, Identity) else found.residual == 0.0


@settings(max_examples=60, deadline=None)
@given(
    eigenvalues=st.lists(st.floats(0.01, 50.0), min_size=N, max_size=N),
    seed=st.integers(0, 999),
    terms=st.integers(1, 30),
)
def test_the_series_is_the_sum_that_it_is_named_after(eigenvalues, seed, terms):
    hessian = Hessian(eigenvalues, seed)
    alpha = 1.0 / max(eigenvalues)
    found = Neumann(terms, alpha).solve(hessian, hessian.v, WarmStart())
    contraction = torch.eye(N, dtype=torch.float64) - alpha * hessian.matrix
    powers = [torch.linalg.matrix_power(contraction, j) @ flat(hessian.v) for j in range(terms + 1)]
    torch.testing.assert_close(flat(found.vector), alpha * sum(powers), rtol=1e-9, atol=1e-9)
    without_last = shaped(alpha * sum(powers[:-1]))
    assert found.residual == pytest.approx(hessian.residual(without_last), rel=1e-6, abs=1e-9)
    assert hessian.residual(found.vector) <= found.residual + 1e-9


@settings(max_examples=60, deadline=None)
@given(eigenvalues=st.lists(st.floats(0.01, 50.0), min_size=N, max_size=N), seed=st.integers(0, 999))
def test_an_estimated_step_never_makes_the_series_worse_than_none(eigenvalues, seed):
    hessian = Hessian(eigenvalues, seed)
    found = Neumann(terms=25).solve(hessian, hessian.v, WarmStart())
    assert found.residual <= 1.0
    assert found.step_size >= (1.0 - 1e-9) / max(eigenvalues)
    assert found.products == hessian.num_products


def test_the_largest_curvature_is_never_overrated_and_soon_near():
    for seed in range(20):
        hessian = Hessian([0.01] * (N - 1) + [7.0], seed)
        estimate, products = largest_curvature(hessian, hessian.v, WarmStart())
        assert 3.5 < estimate <= 7.0 + 1e-9
        assert products == hessian.num_products <= 10
    flat_loss = Hessian([0.0] * N)
    assert largest_curvature(flat_loss, flat_loss.v, WarmStart()) == (0.0, 1)


def test_a_warm_start_takes_one_product_for_the_curvature_and_rates_it_higher_each_time():
    hessian, warm = Hessian(between(1.0, 9.0), seed=3), WarmStart()
    first, _ = largest_curvature(hessian, hessian.v, warm)
    estimates = []
    for _ in range(30):
        estimate, products = largest_curvature(hessian, hessian.v, warm)
        assert products == 1
        estimates.append(estimate)
    assert first <= estimates[0]
    assert sorted(estimates) == pytest.approx(estimates)
    assert estimates[-1] == pytest.approx(9.0, rel=0.03)


def test_a_step_that_is_too_large_is_refused_with_one_that_works():
    hessian = Hessian(between(0.5, 8.0))
    with pytest.raises(UsageError, match=r"The Neumann series diverges: at step_size=0\.4") as caught:
        Neumann(terms=20, step_size=0.4).solve(hessian, hessian.v, WarmStart())
    advised = float(str(caught.value).split("take step_size=")[1].split(",")[0])
    assert 1.0 / 8.0 <= advised < 2.0 / 8.0
    assert Neumann(20, advised).solve(hessian, hessian.v, WarmStart()).residual < 0.2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_series_that_overflows_is_refused_in_the_same_words(dtype):
    hessian = Hessian(between(0.5, 8.0), dtype=dtype)
    with pytest.raises(UsageError, match="take step_size="):
        Neumann(terms=400, step_size=1e4).solve(hessian, hessian.v, WarmStart())


def test_an_estimate_that_was_too_low_is_mended():
    hessian = Hessian([0.5] * (N - 1) + [40.0])
    warm = WarmStart(direction=shaped(hessian.vectors[:, 0].clone()))  # where the curvature is 0.5, and never more
    found = Neumann(terms=30).solve(hessian, hessian.v, warm)
    assert found.step_size < 2.0 / 40.0
    assert found.residual < 1.0
    assert found.products == hessian.num_products > 60


def test_a_residual_that_begins_to_grow_is_noted():
    hessian = Hessian([1.0] * (N - 1) + [10.0])
    top = hessian.vectors[:, -1]
    hessian.v = shaped(hessian.vectors[:, 0] + 1e-7 * top)  # next to nothing of the direction that diverges
    found = Neumann(terms=10, step_size=0.5).solve(hessian, hessian.v, WarmStart())
    assert found.residual < 1.0
    assert "further terms would make it worse" in found.notes[0]


@pytest.mark.parametrize("inverse", [Neumann(terms=20), Neumann(20, 0.2), ConjugateGradient()], ids=repr)
def test_a_loss_that_curves_downwards_is_noted(inverse):
    hessian = Hessian([*between(0.5, 4.0)[1:], -3.0])
    found = inverse.solve(hessian, hessian.v, WarmStart())
    assert any("curves downwards" in note for note in found.notes)
    assert bool(flat(found.vector).isfinite().all())


@pytest.mark.parametrize("step_size", [None, 0.2])
def test_where_the_loss_curves_downwards_the_series_is_cut_before_it_runs_away(step_size):
    hessian = Hessian([*between(0.5, 4.0)[1:], -3.0])
    found = Neumann(terms=500, step_size=step_size).solve(hessian, hessian.v, WarmStart())
    assert found.residual < 1.0
    assert found.products == hessian.num_products < 30
    last = int(found.notes[0].split("cut at term ")[1].split(",")[0])
    sums = [Neumann(terms, found.step_size).solve(hessian, hessian.v, WarmStart()) for terms in (last - 1, last)]
    assert torch.equal(flat(sums[1].vector), flat(found.vector))
    assert sums[1].residual <= sums[0].residual


def test_directions_without_curvature_are_left_alone_or_refused():
    hessian = Hessian([0.0, 0.0, *between(1.0, 4.0)[2:]])
    with pytest.raises(UsageError, match="no curvature along some direction of its 12 weights"):
        Exact().solve(exactly_singular, hessian.v, WarmStart())
    found = Neumann(terms=200, step_size=0.4).solve(hessian, hessian.v, WarmStart())
    curved = hessian.vectors[:, 2:]
    expected = curved.T @ torch.linalg.pinv(hessian.matrix) @ flat(hessian.v)
    torch.testing.assert_close(curved.T @ flat(found.vector), expected, rtol=1e-6, atol=1e-6)


def exactly_singular(vector):
    return [torch.full_like(part, float(flat(vector).sum())) for part in vector]


def test_a_weight_without_gradient_and_curvature_does_not_make_the_exact_inverse_fail():
    v = [torch.tensor([2.0, 0.0])]
    found = Exact().solve(lambda vector: [vector[0] * torch.tensor([4.0, 0.0])], v, WarmStart())
    assert found.vector[0].tolist() == [0.5, 0.0]


def test_the_exact_inverse_refuses_what_would_fill_the_memory():
    with pytest.raises(UsageError, match="n = 5,000 weights; expected at most 4,096"):
        Exact().solve(list, [torch.ones(5000)], WarmStart())


@pytest.mark.parametrize("inverse", [Neumann(terms=3), ConjugateGradient(terms=2)], ids=repr)
def test_a_warm_start_goes_on_from_the_last_solution(inverse):
    hessian, warm = Hessian(between(0.3, 5.0)), WarmStart(keeps_solution=True)
    residuals = []
    for _ in range(12):
        before = hessian.num_products
        found = inverse.solve(hessian, hessian.v, warm)
        assert found.products == hessian.num_products - before
        residuals.append(hessian.residual(found.vector))
    assert residuals[-1] < 0.2 * residuals[0]
    assert all(later < earlier for earlier, later in itertools.pairwise(residuals))


@pytest.mark.parametrize("inverse", [Neumann(terms=3, step_size=0.2), ConjugateGradient(terms=2)], ids=repr)
def test_a_last_solution_that_is_worse_than_none_is_left(inverse):
    hessian = Hessian(between(0.3, 5.0))
    stale = WarmStart(solution=[-100.0 * part for part in hessian.v], keeps_solution=True)
    fresh = inverse.solve(hessian, hessian.v, WarmStart())
    found = inverse.solve(hessian, hessian.v, stale)
    assert torch.equal(flat(found.vector), flat(fresh.vector))
    assert found.products == fresh.products + 1
    assert stale.solution is found.vector


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Neumann(terms=-1), "terms=-1 was asked; expected 0 or more"),
        (lambda: ConjugateGradient(terms=0), "terms=0 was asked; expected 1 or more"),
        (lambda: Neumann(step_size=0.0), "step_size=0.0 was asked; expected a finite number above 0"),
        (lambda: Identity(step_size=math.inf), "step_size=inf was asked"),
        (lambda: ConjugateGradient(tolerance=1.0), "tolerance=1.0 was asked; expected at least 0 and below 1"),
    ],
)
def test_numbers_out_of_range_are_refused(make, words):
    with pytest.raises(UsageError, match=words):
        make()
