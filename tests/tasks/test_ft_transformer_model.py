"""The transformer over columns agrees with its equations, row by row and head by head."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is written in torch")

from torch.nn import functional

from cupel.tasks.models.ft_transformer import FtTransformer


def make(dropouts: tuple[float, float] = (0.0, 0.0)) -> FtTransformer:
    torch.manual_seed(0)
    return FtTransformer(num_features=5, width=12, layers=3, heads=3, dropouts=dropouts)


def naive_row(model: FtTransformer, row):
    """The logit of one row: every token in every layer, attention head by head and token by token."""
    tokenizer = model.tokenizer
    tokens = [value * tokenizer.scale_FW[idx] + tokenizer.shift_FW[idx] for idx, value in enumerate(row)]
    tokens = torch.stack([*tokens, tokenizer.cls_W])
    for idx, layer in enumerate(model.layers):
        normed = tokens if idx == 0 else functional.layer_norm(tokens, (12,), *layer.attention_norm.parameters())
        attention = layer.attention
        heads = []
        for head in range(3):
            rows = slice(4 * head, 4 * head + 4)
            query, key, value = (
                normed @ part.weight[rows].T + part.bias[rows]
                for part in (attention.query, attention.key, attention.value)
            )
            heads.append(torch.softmax(query @ key.T / 4**0.5, dim=1) @ value)
        tokens = tokens + torch.cat(heads, dim=1) @ attention.out.weight.T + attention.out.bias
        normed = functional.layer_norm(tokens, (12,), *layer.norm.parameters())
        units = normed @ layer.gated.weight.T + layer.gated.bias
        tokens = tokens + (units[:, :16] * units[:, 16:].relu()) @ layer.back.weight.T + layer.back.bias
    norm, _, out = model.head
    return (functional.layer_norm(tokens[-1], (12,), norm.weight, norm.bias).relu() @ out.weight.T + out.bias)[0]


def test_logits_agree_with_the_equations_row_by_row():
    model, rows = make(), torch.randn(6, 5)
    for parameter in model.parameters():  # norms away from the identity, so that leaving one out would show
        parameter.data += 0.1 * torch.randn_like(parameter)
    torch.testing.assert_close(model(rows), torch.stack([naive_row(model, row) for row in rows]), rtol=1e-4, atol=1e-5)


def test_every_feature_counts():
    model = make()
    rows = torch.randn(4, 5, requires_grad=True)
    model(rows).sum().backward()
    assert (rows.grad != 0).all()


def test_dropout_is_of_training_only():
    model, rows = make((0.2, 0.1)), torch.randn(4, 5)
    assert not torch.equal(model(rows), model(rows))
    model.eval()
    assert torch.equal(model(rows), model(rows))
