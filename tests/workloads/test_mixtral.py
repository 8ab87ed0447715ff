"""mixtral has the published size, writes the likeliest tokens, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="mixtral needs torch")
pytest.importorskip("transformers", reason="mixtral needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import mixtral

TINY = SimpleNamespace(**mixtral.CARD.sizes("tiny"))


def make_slot(precision: str = "bf16") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def test_full_is_mixtral_8x7b_and_fits_its_memory_in_bf16():
    sizes = SimpleNamespace(**mixtral.CARD.sizes("full"))
    with torch.device("meta"):
        model = mixtral.build_model(sizes)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert num_parameters == 46_702_792_704
    cache_bytes = 2 * 32 * 8 * 128 * 2 * sizes.batch * (sizes.prompt + sizes.written)
    assert (2 * num_parameters + cache_bytes) / 2**30 < mixtral.CARD.memory_gib["full"]
    assert mixtral.CARD.settings["precision"][0] == "bf16"
    unused = 32 * 6 * 3 * 4096 * 14336
    assert num_parameters - unused == pytest.approx(12.9e9, rel=0.005)  # the paper: 13 B are active for a token


def test_a_step_counts_tokens_written_and_read():
    done = mixtral.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch * TINY.written
    assert done.also == {"prompt tokens": TINY.batch * TINY.prompt}
    assert not done.loss.requires_grad


def test_each_token_written_is_the_likeliest_after_all_before_it():
    writer = mixtral.Writer(TINY, make_slot("fp32"), Seeds(0))
    text = writer.prompts[0]
    written, log_probs = writer.write(text)
    for idx in range(TINY.written):
        with torch.no_grad():
            logits = writer.bare(input_ids=text, use_cache=False).logits[:, -1]
        assert torch.equal(logits.argmax(dim=1), written[:, idx])
        torch.testing.assert_close(logits.log_softmax(dim=1).amax(dim=1), log_probs[:, idx], rtol=1e-4, atol=1e-5)
        text = torch.cat([text, written[:, idx : idx + 1]], dim=1)


def test_weights_are_stored_at_the_precision_of_the_run():
    for precision, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)):
        writer = mixtral.Writer(TINY, make_slot(precision), Seeds(0))
        assert {parameter.dtype for parameter in writer.bare.parameters()} == {dtype}


@pytest.mark.parametrize("precision", ["bf16", "fp32", "fp16"])
def test_the_check_passes(precision):
    mixtral.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_tokens_that_stand_in_the_wrong_place(monkeypatch):
    honest = mixtral.Writer.logits
    monkeypatch.setattr(mixtral.Writer, "logits", lambda writer, ids, first: honest(writer, ids, first and first - 3))
    with pytest.raises(WrongWorkError, match="read as a whole"):
        mixtral.sane(TINY, make_slot("fp32"), Seeds(0))


def test_the_check_finds_tokens_that_are_drawn(monkeypatch):
    honest = mixtral.Writer.write
    monkeypatch.setattr(
        mixtral.Writer, "write", lambda writer, ids: (torch.randint(256, (2, 4)), honest(writer, ids)[1])
    )
    with pytest.raises(WrongWorkError, match="expected the likeliest tokens"):
        mixtral.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_experts_that_are_not_weighted(monkeypatch):
    honest = mixtral.build_model

    def equal(sizes, dtype):
        model = honest(sizes, dtype)
        for layer in model.model.layers:
            gate = layer.mlp.gate
            gate.register_forward_hook(lambda *parts: (parts[2][0], torch.full_like(parts[2][1], 1.0), parts[2][2]))
        return model

    monkeypatch.setattr(mixtral, "build_model", equal)
    with pytest.raises(WrongWorkError, match="experts are off by"):
        mixtral.sane(TINY, make_slot(), Seeds(0))
