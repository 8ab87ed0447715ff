"""Hand-written loops of the entries that learn from text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.tasks.data.padded_documents import document_lengths
from cupel.tasks.data.span_corruption import span_batch
from interleaved import Step
from plain_training import training


def masked_words(vocab_size: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Random ids, and the same as labels where 15 % of them are to be predicted."""
    ids = torch.randint(vocab_size, shape)
    return ids, ids.masked_fill(torch.rand(shape) > 0.15, -100)


def bert(entry: Any, sizes: Any) -> Step:
    """Masked words without special tokens; the library's own loss."""
    ids, labels = masked_words(sizes.vocab_size, (sizes.batch, sizes.sequence))
    model = entry.build_model(sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return training(model, optimizer, lambda: model(input_ids=ids, labels=labels).loss, items=sizes.batch)


def reformer(entry: Any, sizes: Any) -> Step:
    """Masked words; logits at every position."""
    ids, labels = masked_words(sizes.vocab_size, (sizes.batch, sizes.rows * sizes.columns))
    model = entry.build_model(sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def loss_of() -> Tensor:
        return F.cross_entropy(model(ids).flatten(0, 1), labels.flatten())

    return training(model, optimizer, loss_of, items=sizes.batch)


def t5(entry: Any, sizes: Any) -> Step:
    """Spans cut out of random words; the library's own loss."""
    shape = {"batch": sizes.batch, "sequence": sizes.sequence, "vocab_size": sizes.vocab_size}
    ids, labels = span_batch(**shape, generator=torch.Generator())
    model = entry.build_model(sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return training(model, optimizer, lambda: model(input_ids=ids, labels=labels).loss, items=sizes.batch)


def switch_transformer(entry: Any, sizes: Any) -> Step:
    """The same, with the load-balancing loss of each layer of experts; read and written tokens count."""
    shape = {"batch": sizes.batch, "sequence": sizes.sequence, "vocab_size": sizes.vocab_size}
    ids, labels = span_batch(**shape, generator=torch.Generator())
    model = entry.build_model(sizes)
    routers = [module for module in model.modules() if hasattr(module, "router_EW")]

    def loss_of() -> Tensor:
        loss: Tensor = model(input_ids=ids, labels=labels).loss
        for router in routers:
            loss = loss + 0.01 * router.balance
        return loss

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    return training(model, optimizer, loss_of, items=ids.numel() + labels.numel())


def next_words(model: Any, ids: Tensor) -> Tensor:
    """Mean cross-entropy of each word given those before it, of a model that returns logits."""
    return F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


def mamba(entry: Any, sizes: Any) -> Step:
    """Next words, gradients clipped."""
    ids = torch.randint(sizes.vocab_size, (sizes.batch, sizes.sequence + 1))
    model = entry.build_model(sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4)
    items = sizes.batch * sizes.sequence
    return training(model, optimizer, lambda: next_words(model, ids), items=items, clip_norm=1.0)


def lstm_lm(entry: Any, sizes: Any) -> Step:
    """Next words, the state carried from window to window, gradients clipped."""
    ids = torch.randint(sizes.vocab_size, (sizes.batch, sizes.window + 1))
    model = entry.build_model(sizes)
    start = torch.zeros(sizes.layers, sizes.batch, sizes.width)
    state = (start, start)

    def loss_of() -> Tensor:
        nonlocal state
        logits, (hidden, cell) = model(ids[:, :-1], state)
        state = hidden.detach(), cell.detach()
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return training(model, optimizer, loss_of, items=sizes.batch * sizes.window, clip_norm=10.0)


def padded(num: int, shortest: int, longest: int, *, vocab_size: int, padded_to: int) -> tuple[Tensor, Tensor]:
    """Random texts with lengths spread evenly, padded on the right, and the mask (num, T) of their real tokens."""
    mask = torch.zeros(num, padded_to, dtype=torch.int64)
    for row, length in zip(mask, document_lengths(batch=num, shortest=shortest, longest=longest), strict=True):
        row[:length] = 1
    return torch.randint(1, vocab_size, mask.shape) * mask, mask


def dense_retrieval(entry: Any, sizes: Any) -> Step:
    """Queries and passages, each with its mask; all passages of the batch are negatives."""
    words = {"vocab_size": sizes.vocab_size}
    lengths = (sizes.query_shortest, sizes.query_longest), (sizes.passage_shortest, sizes.passage_longest)
    query, query_mask = padded(sizes.batch, *lengths[0], padded_to=lengths[0][1], **words)
    passage, passage_mask = padded(2 * sizes.batch, *lengths[1], padded_to=lengths[1][1], **words)
    model = entry.build_model(sizes)

    def loss_of() -> Tensor:
        asked = model.queries(input_ids=query, attention_mask=query_mask).last_hidden_state[:, 0]
        found = model.passages(input_ids=passage, attention_mask=passage_mask).last_hidden_state[:, 0]
        return F.cross_entropy(asked @ found.T, torch.arange(sizes.batch))

    return training(model, torch.optim.AdamW(model.parameters(), lr=1e-5), loss_of, items=sizes.batch)


def documents(entry: Any, sizes: Any) -> Step:
    """A decoder learns the next words of padded documents, with the library's mask and loss; real tokens count."""
    lengths = sizes.shortest, sizes.longest
    ids, mask = padded(sizes.batch, *lengths, vocab_size=sizes.vocab_size, padded_to=sizes.padded_to)
    labels = ids.masked_fill(mask == 0, -100)
    model = entry.build_model(sizes)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4)

    def loss_of() -> Tensor:
        loss: Tensor = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        return loss

    return training(model, optimizer, loss_of, items=int(mask.sum()))


def llava(entry: Any, sizes: Any) -> Step:
    """Images among words by the library's own forward pass and loss; only the answer is predicted."""
    model = entry.build_model(sizes)
    num_patches = (sizes.image_px // sizes.patch_px) ** 2
    num_words = sizes.before + sizes.question + sizes.answer
    words = torch.randint(sizes.vocab_size - 1, (sizes.batch, num_words))
    picture = torch.full((sizes.batch, num_patches), sizes.vocab_size - 1)
    ids = torch.cat([words[:, : sizes.before], picture, words[:, sizes.before :]], dim=1)
    labels = ids.clone()
    labels[:, : -sizes.answer] = -100
    images = torch.randn(sizes.batch, 3, sizes.image_px, sizes.image_px)
    mask = torch.ones_like(ids)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=2e-5)

    def loss_of() -> Tensor:
        loss: Tensor = model.net(input_ids=ids, pixel_values=images, attention_mask=mask, labels=labels).loss
        return loss

    return training(model, optimizer, loss_of, items=sizes.batch)


LOOPS: dict[str, Callable[[Any, Any], Step]] = {
    "bert": bert,
    "t5": t5,
    "reformer": reformer,
    "llama": documents,
    "llm_lora": documents,
    "llm_full": documents,
    "switch_transformer": switch_transformer,
    "lstm_lm": lstm_lm,
    "mamba": mamba,
    "llava": llava,
    "dense_retrieval": dense_retrieval,
}
