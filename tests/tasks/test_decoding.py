"""Writing with a cache agrees with reading the whole text anew, and tokens are drawn with their probabilities."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="the decoding is written in torch")
pytest.importorskip("transformers", reason="the decoders are of transformers")

from cupel.tasks.decoding import Sampler, Writer, likeliest
from cupel.tasks.models.llama import llama

SIZES = SimpleNamespace(
    layers=2, width=32, heads=4, kv_heads=2, feedforward=48, vocab_size=40, checkpoints=False
)  # fmt: skip


def make_model():
    torch.manual_seed(0)
    return llama(SIZES, release="2").eval()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_text_is_what_reading_it_anew_for_each_token_gives():
    model, prompts = make_model(), torch.randint(40, (3, 5), generator=generator())
    writer = Writer(model, num_prompt=5, num_new=4)
    written = writer.write(prompts, likeliest, keep_logits=True)
    ids, surprises = prompts, []
    with torch.no_grad():
        for step in range(4):
            logits = model(input_ids=ids).logits[:, -1]
            torch.testing.assert_close(written.logits_BNV[:, step], logits, rtol=1e-4, atol=1e-5)
            fresh = logits.argmax(dim=1, keepdim=True)
            surprises.append(-torch.log_softmax(logits, dim=1).gather(1, fresh))
            ids = torch.cat([ids, fresh], dim=1)
    assert torch.equal(written.ids_BT, ids)
    assert float(written.surprise) == pytest.approx(float(torch.cat(surprises).mean()), rel=1e-5)


def test_a_text_before_leaves_nothing_behind():
    model = make_model()
    first, second = torch.randint(40, (2, 3, 5), generator=generator())
    writer = Writer(model, num_prompt=5, num_new=4)
    fresh = Writer(model, num_prompt=5, num_new=4).write(second, likeliest)
    writer.write(first, likeliest)
    again = writer.write(second, likeliest)
    assert torch.equal(again.ids_BT, fresh.ids_BT)
    assert again.surprise == fresh.surprise
    assert again.logits_BNV is None


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_ids_are_drawn_with_their_probabilities(temperature):
    logits, num = torch.tensor([0.0, 1.0, 2.0, -1.0]), 20_000
    ids = Sampler(generator(), temperature=temperature)(logits.expand(num, 4))
    expected = torch.softmax(logits / temperature, dim=0)
    found = ids.bincount(minlength=4) / num
    assert ((found - expected).abs() < 5 * (expected * (1 - expected) / num).sqrt()).all()


def test_only_the_likeliest_are_candidates():
    logits, num = torch.tensor([0.0, 1.0, 2.0, -1.0]), 20_000
    found = Sampler(generator(), top=2)(logits.expand(num, 4)).bincount(minlength=4) / num
    assert found[[0, 3]].tolist() == [0, 0]
    assert float(found[2]) == pytest.approx(float(torch.sigmoid(torch.tensor(1.0))), abs=0.02)


def test_the_seed_decides_what_is_drawn():
    logits = torch.zeros(50, 30)
    assert torch.equal(Sampler(generator(1))(logits), Sampler(generator(1))(logits))
    assert not torch.equal(Sampler(generator(1))(logits), Sampler(generator(2))(logits))
