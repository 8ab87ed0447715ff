"""The Reformer has the parameters and the outputs of the library's, and hashed attention agrees with loops."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the network is written in torch")

from cupel.tasks.models.reformer import HashedAttention, LocalAttention, Reformer

SIZES = SimpleNamespace(
    layers=4, width=16, heads=2, head_dim=8, feedforward=32, vocab_size=30, rows=4, columns=8, row_dim=4, chunk=4,
    hashes=1, buckets=8, dropout=0.0,
)  # fmt: skip


def make_library():
    pytest.importorskip("transformers", reason="the oracle is the library's Reformer")
    from transformers.models.reformer.configuration_reformer import ReformerConfig
    from transformers.models.reformer.modeling_reformer import ReformerForMaskedLM

    config = ReformerConfig(
        attn_layers=["local", "lsh"] * 2, hidden_size=16, num_attention_heads=2, attention_head_size=8,
        feed_forward_size=32, vocab_size=30, axial_pos_shape=(4, 8), axial_pos_embds_dim=(4, 12),
        lsh_attn_chunk_length=4, local_attn_chunk_length=4, num_buckets=8, max_position_embeddings=32, hash_seed=7,
        pad_token_id=None,
    )  # fmt: skip
    return ReformerForMaskedLM(config).eval()


def name_of(theirs: str) -> str:
    """Our name of a parameter of theirs."""
    fixed = {
        "reformer.embeddings.word_embeddings.weight": "words.weight",
        "reformer.embeddings.position_embeddings.weights.0": "rows",
        "reformer.embeddings.position_embeddings.weights.1": "columns",
        "reformer.encoder.layer_norm.weight": "norm.weight",
        "reformer.encoder.layer_norm.bias": "norm.bias",
        "lm_head.bias": "head.bias",
        "lm_head.decoder.weight": "head.weight",
    }
    if theirs in fixed:
        return fixed[theirs]
    _, _, _, idx, part, *rest = theirs.split(".")
    inner = ".".join(rest)
    if part == "feed_forward":
        named = {"layer_norm": "norm", "dense.dense": "inner", "output.dense": "output"}
        return f"feedforwards.{idx}.{named[inner.rsplit('.', 1)[0]]}.{rest[-1]}"
    place = {"query": "0", "key": "1", "query_key": "0", "value": "2" if int(idx) % 2 == 0 else "1"}
    named = {"layer_norm": "norm", "output.dense": "output"} | {
        f"self_attention.{name}": f"projections.{number}" for name, number in place.items()
    }
    return f"attentions.{idx}.{named[inner.rsplit('.', 1)[0]]}.{rest[-1]}"


def test_logits_are_those_of_the_library(monkeypatch):
    torch.manual_seed(0)
    library, model = make_library(), Reformer(SIZES).eval()
    with torch.no_grad():
        for parameter in library.parameters():
            parameter.normal_(std=0.3)
        library.lm_head.bias.zero_()  # release 5.23 has this parameter and does not add it
    model.load_state_dict({name_of(name): p for name, p in library.named_parameters()})
    drawn = HashedAttention.rotations

    def as_theirs(self, like):
        torch.manual_seed(7)
        return drawn(self, like)

    monkeypatch.setattr(HashedAttention, "rotations", as_theirs)
    ids = torch.randint(30, (2, 32))
    with torch.no_grad():
        torch.testing.assert_close(model(ids), library(input_ids=ids).logits, rtol=1e-3, atol=1e-3)


def test_tokens_are_sorted_by_round_bucket_and_place():
    sizes = SimpleNamespace(**{**vars(SIZES), "hashes": 3})
    attention, x = HashedAttention(sizes), torch.randn(2, 32, 16)
    torch.manual_seed(1)
    order = attention.note(x)
    assert torch.equal(order.sort(dim=2).values, torch.arange(96).expand(2, 2, 96))
    torch.manual_seed(1)
    (shared,) = attention.heads_of(x, 1)
    rotations = attention.rotations(shared)

    def bucket(b: int, h: int, item: int) -> tuple[int, int, int]:
        turn, place = divmod(item, 32)
        sides = (shared[b, h, place] @ rotations[h, :, turn]).tolist()
        both = sides + [-side for side in sides]
        return turn, both.index(max(both)), place

    keys = [bucket(1, 0, item) for item in order[1, 0].tolist()]
    assert keys == sorted(keys)
    assert len({key[1] for key in keys}) > 2


@pytest.mark.parametrize("hashes", [1, 2])
@torch.no_grad()
def test_hashed_attention_agrees_with_loops(hashes):
    torch.manual_seed(0)
    sizes = SimpleNamespace(**{**vars(SIZES), "hashes": hashes, "chunk": 16, "heads": 1, "buckets": 2})
    attention, x = HashedAttention(sizes), torch.randn(1, 32, 16)
    order = attention.note(x)
    query, value = (part[0, 0] for part in attention.heads_of(x, 2))
    items = order[0, 0].tolist()
    found = [[] for _ in range(32)]
    for at, item in enumerate(items):
        chunk = at // 16
        before = (chunk - 1) % (2 * hashes)
        seen = [items[k] % 32 for c in (before, chunk) for k in range(16 * c, 16 * c + 16)]
        own = item % 32
        scores = [-1e4 if other == own else float(query[own] @ query[other] / query[other].norm()) for other in seen]
        top = max(scores)
        total = top + math.log(sum(math.exp(score - top) for score in scores))
        mixed = sum(math.exp(score - total) * value[other] for score, other in zip(scores, seen, strict=True))
        found[own].append((total, mixed))
    for own, rounds in enumerate(found):
        weights = torch.tensor([total for total, _ in rounds]).softmax(dim=0)
        expected = attention.output(sum(w * mixed for w, (_, mixed) in zip(weights, rounds, strict=True)))
        torch.testing.assert_close(attention(x, order)[0, own], expected, rtol=1e-3, atol=1e-4)


def test_local_attention_sees_its_chunk_and_the_one_before():
    torch.manual_seed(0)
    attention, x = LocalAttention(SIZES), torch.randn(1, 32, 16)
    before = attention(x)
    x[0, 9] = torch.randn(16)  # in the third chunk of four tokens
    moved = (attention(x) - before).abs().amax(dim=2)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(8, 16))
