"""The recommendation model agrees with loops over its definition."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from cupel.tasks.models.dlrm import Dlrm


def naive_forward(model: Dlrm, dense, indices):
    """Logits by loops over samples, tables, lookups and pairs."""
    logits = []
    for sample in range(len(dense)):
        vectors = [model.bottom(dense[sample])]
        for table, found in zip(model.tables, indices, strict=True):
            vectors.append(sum(table.weight[idx] for idx in found[sample]))
        pairs = [torch.dot(vectors[i], vectors[j]) for i in range(len(vectors)) for j in range(i)]
        logits.append(model.top(torch.cat([vectors[0], torch.stack(pairs)])))
    return torch.cat(logits)


def make() -> tuple[Dlrm, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = Dlrm(rows=[7, 3, 20], width=8, bottom=(5, 6), top=(10, 1))
    indices = torch.stack([torch.randint(rows, (9, 2)) for rows in (7, 3, 20)])
    return model, torch.rand(9, 5), indices


def test_logits_agree_with_the_loops():
    model, dense, indices = make()
    torch.testing.assert_close(model(dense, indices), naive_forward(model, dense, indices))


def test_gradients_of_tables_are_sparse_and_of_the_rows_looked_up():
    model, dense, indices = make()
    model(dense, indices).sum().backward()
    for table, found in zip(model.tables, indices, strict=True):
        gradient = table.weight.grad
        assert gradient.is_sparse
        assert gradient.coalesce().indices().flatten().tolist() == found.unique().tolist()


def test_embeddings_start_within_the_published_range():
    model, _, _ = make()
    for table in model.tables:
        bound = table.num_embeddings**-0.5
        assert 0.5 * bound < table.weight.abs().max() <= bound
