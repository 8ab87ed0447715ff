"""The stepped Trainer does what `Trainer.fit` does, one batch at a time."""

from __future__ import annotations

import copy
import signal
import warnings
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")
pytest.importorskip("lightning", reason="this part needs Lightning")

from lightning.pytorch import Callback, Trainer

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds
from cupel.tasks.data.random_images import image_batches
from cupel.tasks.stepped_trainer import ClassifierModule, Rotation, SteppedTrainer

SIZES = SimpleNamespace(batch=4, batches=3, image_px=4, num_classes=5)


def make_parts(precision="fp32"):
    torch.manual_seed(0)
    slot = TorchSlot(device="cpu", settings={"precision": precision}, threads=1)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5))
    module = ClassifierModule(network, torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9), slot)
    return slot, module, image_batches(SIZES, slot, Seeds(0))


class Events(Callback):
    """Notes the hooks that a training calls, with the loss of each batch."""

    def __init__(self):
        self.seen = []

    def on_train_start(self, *_):
        self.seen.append("start")

    def on_train_epoch_start(self, *_):
        self.seen.append("epoch")

    def on_train_batch_start(self, trainer, _module, _batch, batch_idx):
        self.seen.append(("batch", batch_idx, trainer.global_step))

    def on_before_optimizer_step(self, *_):
        self.seen.append("update")

    def on_train_batch_end(self, _trainer, module, *_):
        self.seen.append(float(module.last_loss))


def test_steps_are_those_of_fit_with_the_same_hooks_and_counters():
    slot, module, batches = make_parts()
    again = copy.deepcopy(module.network)
    stepped, whole = Events(), Events()
    trainer = SteppedTrainer(slot)
    trainer.callbacks.append(stepped)
    trainer.start(module, batches)
    assert stepped.seen == ["start", "epoch"], "nothing is trained before the first step"
    for _ in range(7):
        trainer.train_one()
    assert trainer.global_step == 7
    other = ClassifierModule(again, torch.optim.SGD(again.parameters(), lr=0.1, momentum=0.9), slot)
    fit = Trainer(
        accelerator="cpu", max_steps=7, callbacks=[whole], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning's own code
        fit.fit(other, Rotation(batches))
    assert stepped.seen == whole.seen
    assert len(stepped.seen) == 2 + 3 * 7
    for ours, theirs in zip(module.network.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("precision", "dtype", "is_scaled"),
    [("fp32", torch.float32, False), ("bf16", torch.bfloat16, False), ("fp16", torch.float16, True)],
)
def test_the_precision_is_that_of_the_run(precision, dtype, is_scaled):
    slot, module, batches = make_parts(precision)
    seen = []
    module.network[-1].register_forward_hook(lambda _module, _args, output: seen.append(output.dtype))
    trainer = SteppedTrainer(slot)
    trainer.start(module, batches)
    trainer.train_one()
    assert seen == [dtype]
    assert (getattr(trainer.precision_plugin, "scaler", None) is not None) == is_scaled
    assert bool(torch.isfinite(module.last_loss))


def test_the_handlers_of_signals_are_the_workers_own():
    slot, module, batches = make_parts()
    before = signal.getsignal(signal.SIGTERM)
    SteppedTrainer(slot).start(module, batches)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_rotation_has_no_end():
    rotation = iter(Rotation([1, 2, 3]))
    assert [next(rotation) for _ in range(7)] == [1, 2, 3, 1, 2, 3, 1]
