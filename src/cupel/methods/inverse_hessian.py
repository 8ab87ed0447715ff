"""Products with the inverse of a Hessian, from products with the Hessian alone.

Four ways to the same thing, each a small object that `implicit_gradient` takes as `inverse`:

    Neumann             alpha x sum over j = 0 .. terms of (I - alpha H)^j, the paper's; two vectors of memory
    ConjugateGradient   the fewest products where H is positive definite; four vectors of memory
    Identity            step_size x I: no product at all (T1-T2; Neumann with no terms)
    Exact               H made whole and solved: for small models and for checks

All use that H is symmetric. For a symmetric matrix A the lengths |A^j v| are log-convex in j, so a residual of the
Neumann series that has grown once grows for ever: divergence is seen for certain, at the cost of three inner products
a term.

Source: Lorraine, Vicol, Duvenaud (AISTATS 2020, arXiv 1911.02590), section 3 and algorithm 3 (Neumann); Luketina,
Berglund, Greff, Raiko (ICML 2016) for the identity; Pedregosa (ICML 2016) for conjugate gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from cupel.methods.weight_vectors import Vector, dot
from cupel.spec.errors import UsageError

Product = Callable[[Sequence[Tensor]], Vector]

POWER_ITERATIONS = 10
"""Products that a first estimate of the largest curvature may take; a later one takes one more."""
SETTLED = 0.02
"""Relative growth of that estimate at which it is good enough: it has to be right within a factor of two."""
RESTARTS = 6
"""Tries with a shorter step; each is at most half as long as the one before."""
LARGEST_EXACT = 4096
"""Weights of a model whose Hessian is made whole; 128 MiB in double precision."""
GROWTH = 1e-4
"""Growth of a residual that rounding in single precision does not explain."""


@dataclass(eq=False)
class WarmStart:
    """What one solution leaves for the next one on nearly the same Hessian.

    Attributes:
        solution: H^-1 v of the last time, or None: start from zero.
        keeps_solution: whether a solution is left here at all; it takes as much memory as the weights.
        direction: unit vector near the one of largest curvature, or None.
    """

    solution: Vector | None = None
    keeps_solution: bool = False
    direction: Vector | None = None

    def residual_of(self, product: Product, v: Sequence[Tensor], size: float) -> tuple[Vector, Vector, int]:
        """Where to start: a solution, v - H x solution, and the products that it took.

        A solution of the last time that is worse than none is left.
        """
        if self.solution is not None:
            rest = [a - b for a, b in zip(v, product(self.solution), strict=True)]
            if float(dot(rest, rest).sqrt()) < size:
                return self.solution, rest, 1
        return [torch.zeros_like(part) for part in v], [part.clone() for part in v], 0 if self.solution is None else 1


@dataclass(frozen=True, eq=False)
class Solution:
    """H^-1 v, and how far it is to be believed.

    Attributes:
        vector: the approximation p, shaped as v.
        residual: |v - H p| / |v|; 0 is exact. For Neumann that of the series without its last term, which costs nothing
            more, and which the last term can only lower while the series converges. NaN: not measured.
        products: products with the Hessian that it took.
        step_size: alpha; NaN where there is none.
        notes: what to know, in words.
    """

    vector: Vector
    residual: float
    products: int
    step_size: float = math.nan
    notes: tuple[str, ...] = ()


class InverseHessian(Protocol):
    """A way to H^-1 v."""

    def solve(self, product: Product, v: Vector, warm: WarmStart) -> Solution:
        """H^-1 v, with `product(u)` = H u; v is left as it is."""


@dataclass(frozen=True)
class Identity:
    """H^-1 taken for a multiple of the identity; no product with the Hessian.

    Args:
        step_size: the multiple; 1 is T1-T2.
    """

    step_size: float = 1.0

    def __post_init__(self) -> None:
        _check_step_size(self.step_size)

    def solve(self, product: Product, v: Vector, warm: WarmStart) -> Solution:
        """step_size x v."""
        del product, warm
        return Solution([self.step_size * part for part in v], math.nan, products=0, step_size=self.step_size)


@dataclass(frozen=True)
class Neumann:
    """H^-1 v by the Neumann series: alpha x sum over j = 0 .. terms of (I - alpha H)^j v.

    At the minimum of the training loss it is what unrolling `terms` + 1 steps of gradient descent at the rate alpha
    would give, without storing them (proved in the paper's section 4). Where a residual r has r' H r < 0, the loss
    curves downwards and the series would diverge at any step size: it is cut there, with a note.

    Args:
        terms: products with the Hessian (the paper's i), at most; 0 is the identity times alpha.
        step_size: alpha, below 2 / (largest curvature of the training loss, penalties included). The learning rate of
            plain gradient descent that converges will do. None: 1 / (largest curvature), estimated by at most 10 power
            iterations from v, and shortened where the series shows that to be too much.

    Raises:
        UsageError: a number is out of range; or the series at the step size given is worse than no series.
    """

    terms: int = 20
    step_size: float | None = None

    def __post_init__(self) -> None:
        _check_terms(self.terms, least=0)
        if self.step_size is not None:
            _check_step_size(self.step_size)

    def solve(self, product: Product, v: Vector, warm: WarmStart) -> Solution:
        """The series, from the last solution where one is kept."""
        size = float(dot(v, v).sqrt())
        if size == 0.0:
            return Solution([torch.zeros_like(part) for part in v], 0.0, products=0, step_size=self.step_size or 1.0)
        products, step_size = 0, self.step_size
        if step_size is None:
            curvature, products = largest_curvature(product, v, warm)
            step_size = 1.0 / curvature if curvature > 0.0 else 1.0
        for _ in range(RESTARTS):
            p, r, at_start = warm.residual_of(product, v, size)
            course = self._run(product, p, r, step_size)
            products += course.products + at_start
            if not course.overshoots(size):
                break
            if self.step_size is not None:
                raise UsageError(_too_large(step_size, course, size))
            step_size = 1.0 / course.steepness
        if warm.keeps_solution:
            warm.solution = p
        return Solution(p, course.lengths[-1] / size, products, step_size, course.notes(size))

    def _run(self, product: Product, p: Vector, r: Vector, step_size: float) -> _Course:
        """Add the series to p, from the residual r; both change in place."""
        course = _Course([math.sqrt(float(dot(r, r)))])
        _add(p, r, step_size)
        for _ in range(self.terms):
            bent = product(r)
            course.products += 1
            along, across = torch.stack([dot(r, bent), dot(bent, bent)]).tolist()
            _add(r, bent, -step_size)
            length = math.sqrt(float(dot(r, r)))
            if not math.isfinite(length + across):
                break
            course.along, course.steepness = along, across / along if along > 0.0 else math.nan
            if along < 0.0:
                break
            _add(p, r, step_size)
            course.lengths.append(length)
        return course


@dataclass(eq=False)
class _Course:
    """How a series went, up to where it was cut.

    Attributes:
        lengths: of the residuals r_0, r_1, ... that are in the sum.
        products: products with the Hessian that it took.
        along: r' H r of the last residual that was multiplied; below zero the loss curves downwards.
        steepness: |H r|^2 / (r' H r) there: no more than the largest curvature where none is negative.
    """

    lengths: list[float]
    products: int = 0
    along: float = math.nan
    steepness: float = math.nan

    def overshoots(self, size: float) -> bool:
        """Whether the series is worse than none, and would not be with a shorter step."""
        return self.lengths[-1] > size * (1.0 + GROWTH) and self.along > 0.0

    def notes(self, size: float) -> tuple[str, ...]:
        """What the residuals say about the series."""
        if self.along < 0.0:
            return (_downwards(f"the series was cut at term {self.products - 1}, from which on it would diverge"),)
        if len(self.lengths) < 2 or self.lengths[-1] <= self.lengths[-2] * (1.0 + GROWTH):
            return ()
        text = (
            f"The residual grew at the last term to {self.lengths[-1] / size:.3g} of the whole: further terms would "
            "make it worse. Take fewer terms or a smaller step_size."
        )
        return (text,)


@dataclass(frozen=True)
class ConjugateGradient:
    """H^-1 v by conjugate gradients, for a Hessian that is positive definite.

    Args:
        terms: products with the Hessian at most.
        tolerance: relative residual at which it stops.

    Raises:
        UsageError: a number is out of range.
    """

    terms: int = 20
    tolerance: float = 1e-10

    def __post_init__(self) -> None:
        _check_terms(self.terms, least=1)
        if not 0.0 <= self.tolerance < 1.0:
            raise UsageError(f"tolerance={self.tolerance} was asked; expected at least 0 and below 1.")

    def solve(self, product: Product, v: Vector, warm: WarmStart) -> Solution:
        """Search along conjugate directions until the residual is small, or until the loss curves downwards."""
        size = float(dot(v, v).sqrt())
        if size == 0.0:
            return Solution([torch.zeros_like(part) for part in v], 0.0, products=0)
        x, r, products = warm.residual_of(product, v, size)
        direction, square, notes = [part.clone() for part in r], float(dot(r, r)), list[str]()
        for _ in range(self.terms):
            if math.sqrt(square) <= self.tolerance * size:
                break
            bent = product(direction)
            products += 1
            curvature = float(dot(direction, bent))
            if not curvature > 0.0:
                notes.append(_downwards("conjugate gradients stopped there"))
                break
            _add(x, direction, square / curvature)
            _add(r, bent, -square / curvature)
            last, square = square, float(dot(r, r))
            direction = [a + (square / last) * b for a, b in zip(r, direction, strict=True)]
        if warm.keeps_solution:
            warm.solution = x
        return Solution(x, math.sqrt(square) / size, products, notes=tuple(notes))


@dataclass(frozen=True)
class Exact:
    """H^-1 v by making H whole, a product for each weight, and solving; for at most 4,096 weights.

    Raises:
        UsageError: there are more weights, or H is singular.
    """

    def solve(self, product: Product, v: Vector, warm: WarmStart) -> Solution:
        """Solve with the Hessian as a matrix."""
        del warm
        sizes = [part.numel() for part in v]
        n = sum(sizes)
        if n > LARGEST_EXACT:
            raise UsageError(
                f"Exact() makes an n x n matrix, and there are n = {n:,} weights; expected at most {LARGEST_EXACT:,}. "
                "Take Neumann() or ConjugateGradient()."
            )

        def shaped(flat: Tensor) -> Vector:
            return [piece.view_as(part) for piece, part in zip(torch.split(flat, sizes), v, strict=True)]

        def flattened(vector: Sequence[Tensor]) -> Tensor:
            return torch.cat([part.flatten() for part in vector])

        target = flattened(v)
        units = torch.eye(n, dtype=target.dtype, device=target.device)
        hessian = torch.stack([flattened(product(shaped(unit))) for unit in units])
        hessian = (hessian + hessian.T) / 2.0
        felt = hessian.any(dim=1) | target.bool()  # a weight that no curvature and no gradient is of stays at zero
        solution = torch.zeros_like(target)
        solution[felt], failed = torch.linalg.solve_ex(hessian[felt][:, felt], target[felt])
        if int(failed):
            raise UsageError(
                f"The training loss has no curvature along some direction of its {n} weights, so its Hessian has no "
                "inverse; add a penalty on all weights, or take Neumann(), which leaves such directions alone."
            )
        size = float(target.norm())
        residual = float((target - hessian @ solution).norm()) / size if size > 0.0 else 0.0
        return Solution(shaped(solution), residual, products=n)


def largest_curvature(product: Product, v: Vector, warm: WarmStart) -> tuple[float, int]:
    """The largest absolute eigenvalue of H that v has a part of, by power iteration; never too large.

    Starts from v, or from where the last call with this warm start ended, which then takes one product. For a
    symmetric H the estimates only rise, so the last is the best.

    Returns:
        The estimate (unit of the loss per squared weight), and the products that it took.
    """
    iterations = POWER_ITERATIONS if warm.direction is None else 1
    u = warm.direction or v
    u = [part / dot(u, u).sqrt().to(part) for part in u]
    estimate = 0.0
    for iteration in range(1, iterations + 1):
        u = product(u)
        last, estimate = estimate, float(dot(u, u).sqrt())
        if not 0.0 < estimate < math.inf:
            warm.direction = None
            return 0.0, iteration
        for part in u:
            part.div_(estimate)
        if estimate <= last * (1.0 + SETTLED):
            break
    warm.direction = u
    return estimate, iteration


def _add(left: Vector, right: Sequence[Tensor], factor: float) -> None:
    """Add factor x right to left, in place."""
    for one, other in zip(left, right, strict=True):
        one.add_(other, alpha=factor)


def _check_terms(terms: int, *, least: int) -> None:
    if terms < least:
        raise UsageError(f"terms={terms} was asked; expected {least} or more products with the Hessian.")


def _check_step_size(step_size: float) -> None:
    if not 0.0 < step_size < math.inf:
        raise UsageError(f"step_size={step_size} was asked; expected a finite number above 0.")


def _too_large(step_size: float, course: _Course, size: float) -> str:
    return (
        f"The Neumann series diverges: at step_size={step_size:.3g} its residual is {course.lengths[-1] / size:.3g} "
        f"times what it began with after {len(course.lengths) - 1} terms; expected it to shrink. The training loss has "
        f"a curvature of {course.steepness:.3g} or more, and a step must be below 2 / curvature: take "
        f"step_size={1.0 / course.steepness:.3g}, or None to have it estimated."
    )


def _downwards(what: str) -> str:
    return (
        f"The training loss curves downwards along some direction, so the weights are at no minimum of it: {what}. "
        "Train longer, or add a penalty."
    )
