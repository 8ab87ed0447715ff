"""A weight W (D x d) kept as V U + 1 omega^T, so that a gradient step that changes all of it costs O(d^2).

One step of gradient descent on a spherical loss adds to W a matrix that is sparse, plus W times a matrix of d x d,
plus the same row everywhere. The three go to V (`rows`), to U (`inner`) and to omega (`common`). What a loss and its
gradient need beside single rows is kept too: Q = W^T W (`gram`) and the sum of W's rows (`total`).

U shrinks for ever along directions in which the inputs point, and V grows against it, until nothing is left of the
digits: the step is exact, but not stable. So the condition of U is watched at every step, by |U| |U^-1| / d in
Frobenius norms, which is at most the condition number and at least a d-th of it; where it is too large, the singular
values that stand out are set back to the middle one and V is stretched accordingly (of all rows at once, see
`cupel.methods.lagging_rows`). A step that makes U singular is exact as well, since U is set back before V is divided
by it. Where digits would be lost, float64 is used whatever the dtype of V is: for what is summed up from step to step,
for U times rows of V, which are large where U is small, and for the inverse. All else is computed in the dtype of V.

Paper to code: V `rows`, U `inner`, U^-1 `inverse`, Q `gram`; h `inputs`, Q h `gram_inputs`, U h `inner_inputs`, a
`at_targets`, eta `learning_rate`. omega `common`, wbar `total`, for losses that see the outputs' sum, are of the
authors' code. M examples, K targets each, d inputs.

Source: Vincent, de Brebisson, Bouthillier (NIPS 2015, arXiv 1412.7091), sections 3.2 to 3.7; the authors' code
pascal20100/factored_output_layer for omega. The trigger and the lagging rows are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cupel.methods.lagging_rows import LaggingRows, pieces_of
from cupel.methods.spherical_losses import OutputSlopes
from cupel.spec.errors import UsageError

MANY = 1e6
"""How far U as a whole may have shrunk or grown before its scale goes to V."""
REFRESH = 256
"""Updates after which the inverse of U is computed anew."""


@dataclass(frozen=True, eq=False)
class Views:
    """What the inputs of M examples meet in W: all that a spherical loss and its gradient need.

    Attributes:
        inputs: h, (M, d).
        index: positions of the targets, (M, K).
        rows: rows of V there, (M, K, d).
        inner_inputs: U h, (M, d).
        gram_inputs: Q h, (M, d).
        common_inputs: omega h, (M,).
        at_targets: outputs at the targets, (M, K).
        total: sums of the outputs, (M,).
    """

    inputs: Tensor
    index: Tensor
    rows: Tensor
    inner_inputs: Tensor
    gram_inputs: Tensor
    common_inputs: Tensor
    at_targets: Tensor
    total: Tensor


@dataclass(frozen=True, eq=False)
class Descent:
    """The gradient of M losses, by W in parts and by the inputs.

    Attributes:
        views: what the inputs met in W.
        slopes: derivatives by the outputs.
        pull: what the sparse part of the gradient by the outputs gives to that by the inputs, (M, d).
        by_inputs: the gradient by the inputs, (M, d).
    """

    views: Views
    slopes: OutputSlopes
    pull: Tensor
    by_inputs: Tensor


def joined(descents: Sequence[Descent]) -> Descent:
    """The gradients of several batches at the same W, as one of all their examples."""
    if len(descents) == 1:
        return descents[0]
    most = max(descent.views.index.shape[1] for descent in descents)

    def together(tensors: Iterable[Tensor], *, has_targets: bool = False) -> Tensor:
        if has_targets:  # a place too many is position 0 with a gradient of 0
            tensors = (torch.cat([t, t.new_zeros(len(t), most - t.shape[1], *t.shape[2:])], dim=1) for t in tensors)
        return torch.cat(list(tensors))

    views, slopes = [descent.views for descent in descents], [descent.slopes for descent in descents]
    return Descent(
        views=Views(
            inputs=together(v.inputs for v in views),
            index=together((v.index for v in views), has_targets=True),
            rows=together((v.rows for v in views), has_targets=True),
            inner_inputs=together(v.inner_inputs for v in views),
            gram_inputs=together(v.gram_inputs for v in views),
            common_inputs=together(v.common_inputs for v in views),
            at_targets=together((v.at_targets for v in views), has_targets=True),
            total=together(v.total for v in views),
        ),
        slopes=OutputSlopes(
            at_targets=together((s.at_targets for s in slopes), has_targets=True),
            outward=together(s.outward for s in slopes),
            level=None if slopes[0].level is None else together(s.level for s in slopes if s.level is not None),
        ),
        pull=together(descent.pull for descent in descents),
        by_inputs=together(descent.by_inputs for descent in descents),
    )


class FactoredWeight(nn.Module):
    """W as V U + 1 omega^T, with what gradient steps on spherical losses need.

    Args:
        weight: W at the start, (D, d); V is kept in its dtype. Cost: O(D d^2), once.
        max_condition: condition of U above which it is set back, above 1; see the module. Infinity for never.
    """

    inner: Tensor
    inverse: Tensor
    common: Tensor
    gram: Tensor
    total: Tensor

    def __init__(self, weight: Tensor, max_condition: float) -> None:
        super().__init__()
        self.max_condition = max_condition
        self.num_updates = 0
        self.num_stabilised = 0
        self.rows = LaggingRows(weight, torch.float64)
        gram, total = _gram_and_total(weight)
        identity = torch.eye(weight.shape[1], dtype=torch.float64, device=weight.device)
        self.register_buffer("inner", identity)
        self.register_buffer("inverse", identity.clone())
        self.register_buffer("common", torch.zeros_like(total))
        self.register_buffer("gram", gram)
        self.register_buffer("total", total)

    @property
    def num_outputs(self) -> int:
        """D."""
        return len(self.rows.rows)

    def read(self, index: Tensor) -> Tensor:
        """Rows of W at an index (n,), float64 (n, d). Cost: O(d^2) a row."""
        return torch.addmm(self.common, self.rows.read(index), self.inner)

    def view(self, inputs: Tensor, index: Tensor) -> Views:
        """What inputs (M, d) meet, with targets at index (M, K). Cost: O(d^2 + K d) an example."""
        dtype = self.rows.rows.dtype
        h = inputs.to(dtype)
        rows = self.rows.read(index.flatten()).view(*index.shape, h.shape[1])
        inner_inputs = h @ self.inner.to(dtype).T
        common_inputs = h @ self.common.to(dtype)
        at_targets = torch.bmm(rows.to(dtype), inner_inputs[:, :, None]).squeeze(2) + common_inputs[:, None]
        return Views(
            inputs=h,
            index=index,
            rows=rows,
            inner_inputs=inner_inputs,
            gram_inputs=h @ self.gram.to(dtype),
            common_inputs=common_inputs,
            at_targets=at_targets,
            total=h @ self.total.to(dtype),
        )

    def descent(self, views: Views, slopes: OutputSlopes) -> Descent:
        """The gradient, from the derivatives by the outputs. Cost: O(d^2 + K d) an example."""
        dtype, at_targets = views.inputs.dtype, slopes.at_targets.double()
        sparse = torch.bmm(at_targets[:, None, :], views.rows).squeeze(1)
        pull = (sparse @ self.inner).addr_(at_targets.sum(1), self.common).to(dtype)
        by_inputs = torch.addcmul(pull, slopes.outward[:, None], views.gram_inputs)
        if slopes.level is not None:
            by_inputs.addr_(slopes.level, self.total.to(dtype))
        return Descent(views=views, slopes=slopes, pull=pull, by_inputs=by_inputs)

    def update(self, descent: Descent, learning_rate: float) -> None:
        """One step of gradient descent on the sum of the losses: W <- W - learning_rate dL/dW.

        Raises:
            UsageError: the gradient is not finite; W is left as it was.

        Cost: O(d^2 + M d + K d) an example, and O(D d) in the rare full pass over the rows.
        """
        views, slopes = descent.views, descent.slopes
        h = views.inputs
        sums = self._sums(descent)
        products = self._inner_products(descent, sums)
        change = torch.addmm(descent.by_inputs, products, h, alpha=-learning_rate / 2.0)
        inner = self.inner.sub(views.inner_inputs.T @ (slopes.outward[:, None] * h), alpha=learning_rate)
        _refuse_not_finite(change, inner, learning_rate)
        inverse, by_inner = self._inverted(descent, inner, learning_rate)
        rows: Tensor | None = views.rows.flatten(0, 1)
        if self._is_off(inner, inverse):
            inner, inverse = self._set_back(inner)
            by_inner, rows = h @ inverse.to(h.dtype), None
        self.inner, self.inverse = inner, inverse
        sparse = (-learning_rate * slopes.at_targets)[:, :, None] * by_inner[:, None, :]
        self.rows.add(views.index.flatten(), sparse.flatten(0, 1), rows)
        gram = change.T @ h
        self.gram.sub_(gram, alpha=learning_rate).sub_(gram.T, alpha=learning_rate)
        level = slopes.outward * views.common_inputs
        self.common.sub_(h.T @ (level if slopes.level is None else level + slopes.level), alpha=learning_rate)
        self.total.sub_(h.T @ sums, alpha=learning_rate)
        self.num_updates += 1

    def _sums(self, descent: Descent) -> Tensor:
        """Sum over all D outputs of the gradient by the outputs, (M,)."""
        slopes = descent.slopes
        sums = torch.addcmul(slopes.at_targets.sum(1), slopes.outward, descent.views.total)
        return sums if slopes.level is None else sums.add_(slopes.level, alpha=self.num_outputs)

    def _inner_products(self, descent: Descent, sums: Tensor) -> Tensor:
        """Inner products of the D-dimensional gradients by the outputs of all pairs of examples, (M, M)."""
        views, slopes = descent.views, descent.slopes
        h = views.inputs
        half = torch.addcmul(descent.pull, slopes.outward[:, None], views.gram_inputs, value=0.5)
        part = (half @ h.T).mul_(slopes.outward)
        if slopes.level is not None:
            part.addr_(slopes.level, torch.sub(sums, slopes.level, alpha=self.num_outputs / 2.0))
        # positions that several examples have as targets meet in the product of the sparse parts
        known, place = torch.unique(views.index, return_inverse=True)
        sparse = h.new_zeros(len(h), len(known)).scatter_add_(1, place, slopes.at_targets)
        return torch.addmm(part, sparse, sparse.T).add_(part.T)

    def _inverted(self, descent: Descent, inner: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
        """The new inverse of U, and the inputs times it, by Woodbury's formula where that is cheaper."""
        h, outward = descent.views.inputs, descent.slopes.outward
        if len(h) > len(inner) or self.num_updates % REFRESH == REFRESH - 1:
            inverse = torch.linalg.inv_ex(inner)[0]
            return inverse, h @ inverse.to(h.dtype)
        wide = h.double()
        products = wide @ wide.T
        before = h @ self.inverse.to(h.dtype)
        small = products * (outward.double() * -learning_rate)[:, None]
        small.diagonal().add_(1.0)
        solved = torch.linalg.solve_ex(small, (outward[:, None] * before).double())[0].to(h.dtype)
        inverse = self.inverse.add(h.T @ solved, alpha=learning_rate)
        return inverse, torch.addmm(before, products.to(h.dtype), solved, alpha=learning_rate)

    def _is_off(self, inner: Tensor, inverse: Tensor) -> bool:
        """Whether U is too badly conditioned, singular, or too small or large as a whole."""
        if math.isinf(self.max_condition):
            return False
        width = len(inner)
        length = float(inner.norm())
        condition = length * float(inverse.norm()) / width
        return not condition <= self.max_condition or not width / MANY**2 < length**2 < width * MANY**2

    def _set_back(self, inner: Tensor) -> tuple[Tensor, Tensor]:
        """U with the singular values that stand out set to the middle one, and its inverse; V takes the difference."""
        left, values, right = torch.linalg.svd(inner)
        middle = values.median()
        if not 1.0 / MANY < float(middle) < MANY:
            middle = torch.ones_like(middle)
        band = self.max_condition**0.25
        is_out = (values > middle * band) | (values < middle / band)
        kept = torch.where(is_out, middle, values)
        self.rows.stretch(left[:, is_out], (values / kept)[is_out])
        self.num_stabilised += 1
        return (left * kept) @ right, (right.T / kept) @ left.T

    def dense(self) -> Tensor:
        """W as a new tensor (D, d) in the dtype of V. Cost: O(D d^2)."""
        self.rows.catch_up()
        pieces = [piece.double() @ self.inner + self.common for piece in pieces_of(self.rows.rows)]
        return torch.cat([piece.to(self.rows.rows.dtype) for piece in pieces])

    def scores(self, inputs: Tensor) -> Tensor:
        """All outputs W h of inputs (M, d), as (M, D) in the dtype of V. Cost: O(D d) an example."""
        self.rows.catch_up()
        rows, wide = self.rows.rows, inputs.double()
        common = (wide @ self.common).to(rows.dtype)
        return torch.addmm(common[:, None], (wide @ self.inner.T).to(rows.dtype), rows.T)


def _gram_and_total(weight: Tensor) -> tuple[Tensor, Tensor]:
    """W^T W and the sum of the rows of W in float64, without a copy of W in it."""
    gram = torch.zeros(weight.shape[1], weight.shape[1], dtype=torch.float64, device=weight.device)
    for piece in pieces_of(weight.detach()):
        wide = piece.double()
        gram.addmm_(wide.T, wide)
    return gram, weight.detach().sum(0, dtype=torch.float64)


def _refuse_not_finite(change: Tensor, inner: Tensor, learning_rate: float) -> None:
    if math.isfinite(float(change.sum() + inner.sum())):
        return
    raise UsageError(
        f"A step with learning rate {learning_rate} was asked; the gradient or the new weight is not finite. W is left "
        "as it was: call zero_grad(), and take a smaller learning rate or a loss that stays finite."
    )
