"""llama has the published size, its rate and its loss leave padding out, and its check can fail."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="llama needs torch")
pytest.importorskip("transformers", reason="llama needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.models.llama import llama as llama_model
from cupel.workloads import llama

TINY = SimpleNamespace(**llama.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def changed(**numbers: object) -> SimpleNamespace:
    sizes = copy.copy(TINY)
    vars(sizes).update(numbers)
    return sizes


def run(sizes: SimpleNamespace, num_steps: int = 3) -> tuple[list[float], list[float]]:
    """Items and losses of the first steps, from the same weights."""
    torch.manual_seed(0)
    step = llama.setup(sizes, make_slot(), Seeds(0))
    done = [step() for _ in range(num_steps)]
    return [d.items for d in done], [float(d.loss) for d in done]


def test_full_is_llama_3_8b():
    with torch.device("meta"):
        model = llama_model(SimpleNamespace(**llama.CARD.sizes("full")))
    assert sum(parameter.numel() for parameter in model.parameters()) == 8_030_261_248
    assert model.model.gradient_checkpointing
    assert llama.CARD.memory_gib["full"] > 4 * 4 * 8_030_261_248 / 2**30


def test_items_are_real_tokens():
    items, _ = run(TINY)
    assert items == [8 + 20 + 32] * 3


def test_padding_changes_neither_items_nor_losses():
    items, losses = run(TINY)
    items_padded, losses_padded = run(changed(padded_to=2 * TINY.padded_to))
    assert items_padded == items
    assert losses_padded == pytest.approx(losses, rel=1e-5)


def test_the_loss_is_the_mean_over_documents_taken_one_by_one():
    model = llama_model(TINY)
    (batch, *_) = llama.document_batches(TINY, make_slot(), seed=Seeds(0).seed("data"))
    together = model(input_ids=batch.ids_BT, attention_mask=batch.may_see_B1TT, labels=batch.labels_BT).loss
    total, num_predicted = 0.0, 0
    for ids, labels in zip(batch.ids_BT, batch.labels_BT, strict=True):
        alone = ids[labels >= 0][None]
        num = alone.shape[1] - 1  # the last token has no successor to predict
        total += float(model(input_ids=alone, labels=alone).loss.detach()) * num
        num_predicted += num
    assert float(together.detach()) == pytest.approx(total / num_predicted, rel=1e-5)


def test_checkpoints_change_no_loss():
    assert run(changed(checkpoints=False))[1] == pytest.approx(run(changed(checkpoints=True))[1], rel=1e-5)


def test_bf16_stores_parameters_in_bf16_and_rotary_frequencies_in_fp32():
    model = llama.build_model(TINY, "bf16")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert {p.dtype for p in llama.build_model(TINY, "fp16").parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    llama.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_padding_that_is_counted(monkeypatch):
    build = llama.document_batches

    def count_all(sizes, slot, *, seed):
        return [batch._replace(num_tokens=batch.ids_BT.numel()) for batch in build(sizes, slot, seed=seed)]

    monkeypatch.setattr(llama, "document_batches", count_all)
    with pytest.raises(WrongWorkError, match="counted 96 tokens; expected 60"):
        llama.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_an_optimiser_that_does_nothing(monkeypatch):
    monkeypatch.setattr(llama, "adamw", lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        llama.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_frozen_embedding(monkeypatch):
    def frozen(sizes, **chosen):
        model = llama_model(sizes, **chosen)
        model.model.embed_tokens.weight.requires_grad_(False)
        return model

    monkeypatch.setattr(llama, "llama", frozen)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches model\.embed_tokens"):
        llama.sane(TINY, make_slot(), Seeds(0))
