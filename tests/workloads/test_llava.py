"""llava has the published size, reads images where the library does, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="llava needs torch")
pytest.importorskip("transformers", reason="llava needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.tasks.data.dialogues import Dialogues, dialogue_batches
from cupel.tasks.models.llava import Llava, num_image_tokens
from cupel.workloads import llava

TINY = SimpleNamespace(**llava.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def make_batch() -> Dialogues:
    return dialogue_batches(TINY, make_slot(), rng=Seeds(0), num_image_tokens=num_image_tokens(TINY))[0]


def test_full_is_llava_1_5_7b():
    sizes = SimpleNamespace(**llava.CARD.sizes("full"))
    with torch.device("meta"):
        model = llava.build_model(sizes)
    assert sum(parameter.numel() for parameter in model.parameters()) == 7_063_427_072
    assert sum(parameter.numel() for parameter in model.trained().parameters()) == 6_759_919_616
    assert num_image_tokens(sizes) == 576
    assert llava.CARD.memory_gib["full"] > (16 * 6_759_919_616 + 4 * 303_507_456) / 2**30


def test_a_step_counts_images_and_tokens():
    done = llava.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch
    assert done.also == {"tokens": TINY.batch * (2 + 4 + 4 + 6)}


@torch.no_grad()
def test_logits_are_the_librarys():
    model, batch = llava.build_model(TINY), make_batch()
    words = batch.words_BT.clamp(max=TINY.vocab_size - 2)
    places = torch.full((TINY.batch, num_image_tokens(TINY)), TINY.vocab_size - 1)
    ids = torch.cat([words[:, : TINY.before], places, words[:, TINY.before :]], dim=1)
    expected = model.net(input_ids=ids, pixel_values=batch.images_BCHW).logits
    torch.testing.assert_close(model(batch.images_BCHW, words, batch.may_see_11SS), expected)


def test_the_loss_is_that_of_the_answers_words():
    batch, num_all = make_batch(), 16
    logits = torch.randn(TINY.batch, num_all, TINY.vocab_size)
    terms = []
    for row in range(TINY.batch):
        for word in range(1, TINY.answer + 1):
            log_p = logits[row, num_all - word - 1].log_softmax(-1)
            terms.append(-log_p[batch.words_BT[row, -word]])
    found = llava.answer_loss(logits, batch, num_answer=TINY.answer)
    torch.testing.assert_close(found, torch.stack(terms).mean())


def test_an_update_leaves_the_vision_transformer_alone(monkeypatch):
    models = []
    monkeypatch.setattr(llava, "build_model", lambda sizes: models.append(Llava(sizes)) or models[-1])
    step = llava.setup(TINY, make_slot(), Seeds(0))
    tower, head = models[0].net.model.vision_tower, models[0].net.lm_head.weight
    before, head_before = [p.clone() for p in tower.parameters()], head.detach().clone()
    step()
    assert all(torch.equal(a, b) for a, b in zip(tower.parameters(), before, strict=True))
    assert not torch.equal(head, head_before)


def test_bf16_stores_parameters_in_bf16_and_rotary_frequencies_in_fp32():
    model = llava.at_precision(llava.build_model(TINY), make_slot("bf16"))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert model.net.model.language_model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_check_passes(precision):
    llava.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_updates_that_go_uphill(monkeypatch):
    slot = make_slot()
    monkeypatch.setattr(slot, "step", lambda loss: TorchSlot.step(slot, -loss))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        llava.sane(TINY, slot, Seeds(0))


def test_the_check_finds_an_image_that_is_not_read(monkeypatch):
    build = llava.build_model

    def blind(sizes):
        model = build(sizes)
        model.net.model.multi_modal_projector.register_forward_hook(lambda *parts: parts[2].detach())
        return model

    monkeypatch.setattr(llava, "build_model", blind)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches projector\."):
        llava.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_logits_that_are_too_sure(monkeypatch):
    forward = Llava.forward
    monkeypatch.setattr(Llava, "forward", lambda *args: forward(*args) * 40)
    with pytest.raises(WrongWorkError, match="loss before training"):
        llava.sane(TINY, make_slot(), Seeds(0))
