"""What a slot does with the settings of a run."""

from __future__ import annotations

import pytest

from cupel.run.slot import TorchSlot
from cupel.spec.errors import UnsupportedError

torch = pytest.importorskip("torch", reason="the slot needs torch")


@pytest.mark.parametrize("is_last", [False, True])
def test_channels_last_is_the_order_of_images_and_of_weights(is_last: bool) -> None:
    slot = TorchSlot(device="cpu", settings={"channels_last": is_last}, threads=1)
    model = slot.prepare(torch.nn.Conv2d(8, 4, 3), lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    images = slot.laid_out(torch.randn(2, 8, 5, 5))
    for tensor in (images, model.weight, model(images)):
        assert tensor.is_contiguous(memory_format=torch.channels_last) is is_last
    slot.step(model(images).sum())
    assert model.weight.is_contiguous(memory_format=torch.channels_last) is is_last


@pytest.mark.parametrize(("strategy", "expected"), [("ddp", (1, 2)), ("fsdp", (1, 2)), ("tp", (0, 1))])
def test_ranks_that_share_one_batch_draw_the_same_data(strategy: str, expected: tuple[int, int]) -> None:
    slot = TorchSlot(device="cpu", settings={"strategy": strategy}, threads=1)
    slot.rank = 1
    slot.join(2)
    assert (slot.rank, slot.world) == expected
    first = TorchSlot(device="cpu", settings={}, threads=1)
    drawn = [torch.rand(4, generator=each.generator(3)) for each in (first, slot)]
    assert torch.equal(*drawn) is (strategy == "tp")


def test_what_cannot_be_compiled_when_it_is_cut_is_refused_in_words() -> None:
    slot = TorchSlot(device="cpu", settings={"strategy": "tp", "compile": True}, threads=1)
    slot.join(2)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    model[0].gradient_checkpointing = True
    with pytest.raises(UnsupportedError, match="compile=false or strategy=fsdp, or checkpoints=false"):
        slot.prepare(model, torch.optim.SGD)


@pytest.mark.parametrize(("strategy", "expected"), [("ddp", {}), ("fsdp", {"dynamic": False})])
def test_blocks_that_gather_their_parameters_are_compiled_shape_by_shape(
    monkeypatch: pytest.MonkeyPatch, strategy: str, expected: dict[str, bool]
) -> None:
    import torch.compiler.config as limits

    monkeypatch.setattr(torch, "compile", lambda _function, **asked: asked)
    slot = TorchSlot(device="cpu", settings={"strategy": strategy, "compile": True}, threads=1)
    slot.join(2)
    with limits.patch(recompile_limit=8):
        assert slot.compile(torch.relu) == expected
        assert (limits.recompile_limit > 8) is (strategy == "fsdp")
