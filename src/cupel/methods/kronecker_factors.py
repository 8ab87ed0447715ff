"""The Fisher matrix of a layer as a Kronecker product, and on the diagonal of that product's eigenbasis.

An example's gradient by the weights is G_n = sum_p g_np a_np^T, a matrix (O, I); the layer's (empirical) Fisher matrix
is F = E[vec(G_n) vec(G_n)^T], far too large to be made. K-FAC takes F ~ B (x) A of two small matrices. With the
eigenvectors of both, U = Ub (x) Ua, this is U diag(lb (x) la) U^T; EKFAC keeps U and takes the best diagonal instead,
s = diag(U^T F U): the second moments of the gradients' coordinates in that basis. Of all diagonals in one basis this
is the nearest to F in the Frobenius norm, so |F - EKFAC| <= |F - K-FAC|, with
|F - K-FAC|^2 - |F - EKFAC|^2 = |s - lb (x) la|^2.

Paper to code: A = E[a a^T] `input_factor`, B = E[g g^T] `output_factor`, Ua and Ub `vectors` of an `Eigenbasis`, s_ij
`second_moments`, vec row by row. For convolutions A sums over positions and B averages over them (Grosse and Martens),
and s squares after the sum over positions. Shapes as in `cupel.methods.layer_records`.

Source: George, Laurent, Bouthillier, Ballas, Vincent: Fast Approximate Natural Gradient Descent in a Kronecker-factored
Eigenbasis (NeurIPS 2018, arXiv 1806.03884); Martens and Grosse (ICML 2015); Grosse and Martens (ICML 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cupel.methods.layer_records import Examples

CHUNK = 2**24
"""Numbers at most in the gradients of single examples that are held at a time."""


@dataclass(frozen=True, eq=False)
class Eigenbasis:
    """Eigenvalues (D,) of at least 0, ascending, and eigenvectors (D, D) in columns."""

    values: Tensor
    vectors: Tensor


def num_examples(batches: Sequence[Examples]) -> int:
    """Examples in all batches."""
    return sum(len(batch.inputs_NPI) for batch in batches)


def input_factor(batches: Sequence[Examples]) -> Tensor:
    """A (I, I): the mean over examples of the sum over positions of a a^T. Cost: N P I^2."""
    rows = [batch.inputs_NPI.flatten(0, 1) for batch in batches]
    return torch.stack([part.T @ part for part in rows]).sum(0) / num_examples(batches)


def output_factor(batches: Sequence[Examples]) -> Tensor:
    """B (O, O): the mean over examples and positions of g g^T. Cost: N P O^2."""
    rows = [(batch.gradients_NPO.flatten(0, 1), batch.gradients_NPO.shape[1]) for batch in batches]
    return torch.stack([part.T @ part / positions for part, positions in rows]).sum(0) / num_examples(batches)


def eigenbasis(factor: Tensor) -> Eigenbasis:
    """The eigenbasis of a factor (D, D). Cost: about 9 D^3; a matrix that defeats its precision is done in float64."""
    try:
        values, vectors = torch.linalg.eigh(factor)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # documented, but not in its list of names
        values, vectors = (found.to(factor) for found in torch.linalg.eigh(factor.double().cpu()))
    return Eigenbasis(values.clamp(min=0.0), vectors)


def second_moments(batches: Sequence[Examples], outputs: Eigenbasis, inputs: Eigenbasis) -> Tensor:
    """The s (O, I): the mean over examples of the squared coordinates of their gradients in the eigenbasis.

    Cost:
        N P (O^2 + I^2) for the projections; then N O I, where there are several positions N P O I.
    """
    total = outputs.vectors.new_zeros(len(outputs.values), len(inputs.values))
    for batch in batches:
        a_NPI, g_NPO = batch.inputs_NPI @ inputs.vectors, batch.gradients_NPO @ outputs.vectors
        if a_NPI.shape[1] == 1:
            total += g_NPO[:, 0].square().T @ a_NPI[:, 0].square()
            continue
        at_once = max(1, CHUNK // total.numel())
        for start in range(0, len(a_NPI), at_once):
            part = slice(start, start + at_once)
            total += (g_NPO[part].transpose(1, 2) @ a_NPI[part]).square().sum(0)
    return total / num_examples(batches)


def into_basis(matrix_OI: Tensor, outputs: Eigenbasis, inputs: Eigenbasis) -> Tensor:
    """Coordinates Ub^T M Ua of a matrix shaped as the weights. Cost: O^2 I + O I^2."""
    return outputs.vectors.T @ matrix_OI @ inputs.vectors


def out_of_basis(coordinates_OI: Tensor, outputs: Eigenbasis, inputs: Eigenbasis) -> Tensor:
    """The matrix of such coordinates, Ub M Ua^T. Cost: O^2 I + O I^2."""
    return outputs.vectors @ coordinates_OI @ inputs.vectors.T


def dense(moments_OI: Tensor, outputs: Eigenbasis, inputs: Eigenbasis) -> Tensor:
    """U diag(moments) U^T (O I, O I), for small layers. Cost: (O I)^2 numbers, (O I)^3 operations."""
    basis = torch.kron(outputs.vectors, inputs.vectors)
    return (basis * moments_OI.flatten()) @ basis.T
