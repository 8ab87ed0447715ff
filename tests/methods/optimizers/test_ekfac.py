"""EKFAC against the paper's formulas written out in numpy, against K-FAC, and on a user's own model."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="these methods need torch")

from torch import nn

from cupel.methods import kronecker_factors
from cupel.methods.kronecker_optimizer import Preconditioning
from cupel.methods.optimizers.ekfac import EKFAC
from cupel.methods.optimizers.kfac import KFAC

PLAIN = Preconditioning(every=1, momentum=0.0, kl_clip=None)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(model, seed=1):
    """A model in double precision whose parameters come from a generator of our own."""
    model = model.double()
    with torch.no_grad():
        for index, p in enumerate(model.parameters()):
            p.copy_(random(*p.shape, seed=seed + index) * 0.5)
    return model


def small_network(seed=1):
    layers = (nn.Conv2d(2, 3, 2, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4, bias=False), nn.Sigmoid())
    return filled(nn.Sequential(*layers, nn.Linear(4, 2)), seed)


def loss_of(output):
    return ((output + 0.3).pow(3).sum(1) / 3 + output[:, 0].exp()).mean()


def gradients(model, layer, x):
    """Per example: inputs (P, I) with the bias's one, output gradients (P, O); no hooks of ours involved."""
    found = []
    for row in x:
        at = row[None]
        for part in model:
            if part is layer:
                break
            at = part(at)
        into, out = at.detach(), layer(at)
        rest, after = out, False
        for part in model:
            rest = part(rest) if after else rest
            after = after or part is layer
        g = torch.autograd.grad(loss_of(rest), out)[0].detach()
        if isinstance(layer, nn.Conv2d):
            cut = into.unfold(2, 2, 2).unfold(3, 2, 2)[0]  # (C, H', W', kh, kw)
            a, g = cut.permute(1, 2, 0, 3, 4).reshape(-1, 8), g[0].flatten(1).T
        else:
            a = into
        ones = torch.ones(len(a), 1, dtype=a.dtype)
        joined = torch.cat([a, ones], 1) if layer.bias is not None else a
        found.append((joined.numpy(), g.numpy()))
    return found


def factors(pairs):
    """A and B: sums over positions of a a^T, means over positions of g g^T, averaged over examples."""
    a = sum(a_n.T @ a_n for a_n, _ in pairs) / len(pairs)
    b = sum(g_n.T @ g_n / len(g_n) for _, g_n in pairs) / len(pairs)
    return a, b


def fisher(pairs):
    """F, row-wise vec, entry by entry as the paper defines it."""
    flat = np.array([(g_n.T @ a_n).ravel() for a_n, g_n in pairs])
    return flat.T @ flat / len(pairs)


def basis_of(pairs):
    a, b = factors(pairs)
    return np.kron(np.linalg.eigh(b)[1], np.linalg.eigh(a)[1])


def ekfac_of(pairs, basis):
    s = np.diag(basis.T @ fisher(pairs) @ basis)
    return (basis * s) @ basis.T


def backward(optimizer, model, x):
    optimizer.zero_grad()
    loss_of(model(x)).backward()


def relative(found, expected):
    return np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("name", ["0", "3", "5"])
def test_the_moments_are_the_diagonal_of_the_fisher_matrix_in_the_eigenbasis(name):
    model, x = small_network(), random(9, 2, 4, 4)
    pairs = gradients(model, model[int(name)], x)
    optimizer = EKFAC(model, lr=0.0, options=PLAIN)
    backward(optimizer, model, x)
    optimizer.step()
    assert relative(optimizer.approximation(name), ekfac_of(pairs, basis_of(pairs))) < 1e-12


@pytest.mark.parametrize("name", ["0", "3", "5"])
@pytest.mark.parametrize("eps", [1e-3, 1.0])
def test_a_step_solves_the_damped_system(name, eps):
    model, x = small_network(), random(9, 2, 4, 4)
    layer = model[int(name)]
    pairs = gradients(model, layer, x)
    optimizer = EKFAC(model, lr=0.1, eps=eps, options=PLAIN)
    backward(optimizer, model, x)

    def stacked(parts):
        """[W b] of a layer, row by row."""
        columns = [part.detach().flatten(1) if part.dim() > 1 else part.detach()[:, None] for part in parts]
        return torch.cat(columns, 1).flatten().numpy()

    before, gradient = stacked(list(layer.parameters())), stacked([p.grad for p in layer.parameters()])
    optimizer.step()
    matrix = ekfac_of(pairs, basis_of(pairs)) + eps * np.eye(len(gradient))
    moved = stacked(list(layer.parameters())) - before
    np.testing.assert_allclose(moved, -0.1 * np.linalg.solve(matrix, gradient), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_nearer_to_the_fisher_matrix_than_kfac_by_what_the_paper_says(seed):
    model, x = small_network(seed), random(5 + 3 * seed, 2, 4, 4, seed=seed) ** (1 + 2 * (seed % 2))  # heavy tails too
    both = KFAC(model, lr=0.0, options=PLAIN), EKFAC(model, lr=0.0, options=PLAIN)
    backward(both[0], model, x)
    for optimizer in both:
        optimizer.step()
    for name in ("0", "3", "5"):
        pairs = gradients(model, model[int(name)], x)
        exact, (a, b) = fisher(pairs), factors(pairs)
        size = np.linalg.norm(exact)
        kfac, ekfac = (np.linalg.norm(o.approximation(name).numpy() - exact) / size for o in both)
        assert ekfac <= kfac + 1e-12
        basis = basis_of(pairs)
        s, eigenvalues = np.diag(basis.T @ exact @ basis), np.kron(np.linalg.eigvalsh(b), np.linalg.eigvalsh(a))
        assert kfac**2 - ekfac**2 == pytest.approx(np.sum((s - eigenvalues) ** 2) / size**2, rel=1e-6, abs=1e-12)
        assert relative(both[0].approximation(name), np.kron(b, a)) < 1e-12


def test_it_is_kfac_and_the_fisher_matrix_where_inputs_and_gradients_are_independent():
    inputs, slopes = random(6, 3), random(5, 2, seed=1)
    x, by_output = inputs.repeat_interleave(5, 0), slopes.repeat(6, 1)  # every input with every gradient
    found, moved = [], []
    for kind in (KFAC, EKFAC):
        model = filled(nn.Sequential(nn.Linear(3, 2)))
        optimizer = kind(model, lr=0.1, options=PLAIN)
        (model(x) * by_output).sum(1).mean().backward()
        optimizer.step()
        found.append(optimizer.approximation("0"))
        moved.append(model[0].weight.detach())
    ones = torch.cat([inputs, torch.ones(6, 1, dtype=torch.float64)], 1)
    expected = torch.kron(slopes.T @ slopes / 5, ones.T @ ones / 6)
    for matrix in found:
        torch.testing.assert_close(matrix, expected, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(*moved, rtol=1e-9, atol=1e-12)


def test_the_basis_is_kept_for_t_steps_and_the_diagonal_is_not():
    model, options = small_network(), Preconditioning(every=2, momentum=0.0, kl_clip=None)
    batches = [random(20, 2, 4, 4, seed=seed) for seed in range(3)]
    pairs = [gradients(model, model[3], x) for x in batches]
    optimizers = EKFAC(model, lr=0.0, options=options), KFAC(model, lr=0.0, options=options)
    for step, x in enumerate(batches):
        backward(optimizers[0], model, x)
        for optimizer in optimizers:
            optimizer.step()
        start = step - step % 2
        a, b = factors(pairs[start])
        assert relative(optimizers[0].approximation("3"), ekfac_of(pairs[step], basis_of(pairs[start]))) < 1e-12
        assert relative(optimizers[1].approximation("3"), np.kron(b, a)) < 1e-12
        assert optimizers[0].num_decompositions == 6 * (1 + step // 2)


def test_the_running_average_is_that_of_the_squared_gradients_in_the_basis():
    model, options = small_network(), Preconditioning(every=3, momentum=0.0, kl_clip=None)
    optimizer = EKFAC(model, lr=0.0, running_average=0.8, options=options)
    for step in range(5):
        x = random(9, 2, 4, 4, seed=step)
        pairs = gradients(model, model[5], x)
        if step % 3 == 0:
            basis, (a, b) = basis_of(pairs), factors(pairs)
            moments = np.kron(np.linalg.eigvalsh(b), np.linalg.eigvalsh(a))
        mean = sum(g_n.T @ a_n for a_n, g_n in pairs).ravel() / 9
        moments = 0.8 * moments + 0.2 * 9 * (basis.T @ mean) ** 2
        backward(optimizer, model, x)
        optimizer.step()
        assert relative(optimizer.approximation("5"), (basis * moments) @ basis.T) < 1e-12


def test_gradients_of_examples_are_squared_a_few_at_a_time(monkeypatch):
    found = []
    for chunk in (2**24, 1):
        monkeypatch.setattr(kronecker_factors, "CHUNK", chunk)
        model = small_network()
        optimizer = EKFAC(model, lr=0.0)
        backward(optimizer, model, random(9, 2, 4, 4))
        optimizer.step()
        found.append(optimizer.approximation("0"))
    torch.testing.assert_close(*found, rtol=1e-13, atol=1e-13)


class Recogniser(nn.Module):
    """A model of a user's own: convolution, normalisation, attention and a head."""

    def __init__(self):
        super().__init__()
        self.see = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.look = nn.MultiheadAttention(8, 2, batch_first=True)
        self.tell = nn.Linear(8, 3)

    def forward(self, images):
        tokens = self.norm(self.see(images).flatten(2).transpose(1, 2).relu())
        return self.tell((tokens + self.look(tokens, tokens, tokens)[0]).mean(1))


@pytest.mark.parametrize("running_average", [None, 0.9])
def test_it_trains_a_users_own_model(running_average):
    model = filled(Recogniser()).float()
    images, labels = random(60, 1, 4, 4).float(), torch.arange(60) % 3
    images[labels == 0, :, :2] += 2.0  # bright above
    images[labels == 1, :, :, :2] += 2.0  # bright on the left
    optimizer = EKFAC(model, running_average=running_average)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert optimizer.preconditioned == ("see", "tell")
    assert set(optimizer.plain) == {
        "norm.weight",
        "norm.bias",
        *(f"look.{n}" for n, _ in model.look.named_parameters()),
    }
