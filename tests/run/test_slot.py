"""What a slot does with the settings of a run."""

from __future__ import annotations

import pytest

from cupel.run.slot import TorchSlot

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
