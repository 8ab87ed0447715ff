"""Lightning's Trainer, stopped before its first batch and then driven batch by batch from outside.

Decisions:
- `Trainer.fit` sets everything up and would then run to its end. Here its stage of running is replaced: the loops get
  ready as in `fit`, and the loop over batches makes one turn for each call of `train_one`: fetching, moving, hooks,
  progress counters, precision plugin, optimiser closure, all of it Lightning's own code.
- Nothing is torn down when `fit` returns, but for the handlers of signals: those are the worker's own.
- Precision is that of the run: mixed precision by Lightning's plugin at bf16 and fp16, with a loss scaler at fp16 on
  every device (Lightning itself would fall back to bf16 on a CPU).
- No logger, progress bar, checkpoint, validation or look for a cluster: what remains is the cost of the loop.

The methods that are replaced or called here have no promise of stability; this was written against Lightning 2.6.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor

from cupel.spec import Slot
from cupel.tasks.classification import cross_entropy
from cupel.tasks.data.random_images import ImageBatch


class Rotation:
    """Batches in rotation without end; an iterable that Lightning takes for a loader of unknown length."""

    def __init__(self, batches: Sequence[ImageBatch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[ImageBatch]:
        """Start at the first batch."""
        while True:
            yield from self.batches


class ClassifierModule(LightningModule):
    """A classifier as Lightning wants it.

    Args:
        network: the network, on its device.
        optimizer: the optimiser of its parameters.
        slot: the precision of the loss.
    """

    def __init__(self, network: Any, optimizer: torch.optim.Optimizer, slot: Slot) -> None:
        super().__init__()
        self.network = network
        self.optimizer = optimizer
        self.slot = slot
        self.last_loss: Tensor | None = None

    def training_step(self, batch: ImageBatch) -> Tensor:
        """The loss of a batch; Lightning does the rest."""
        loss = cross_entropy(self.network, batch, self.slot)
        self.last_loss = loss.detach()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one that was given."""
        return self.optimizer


class SteppedTrainer(Trainer):
    """A Trainer whose `fit` returns before the first batch; `train_one` then trains on one batch each.

    Args:
        slot: device and precision.
    """

    def __init__(self, slot: Slot) -> None:
        plugins: list[Any] = [LightningEnvironment()]
        if slot.precision in ("bf16", "fp16"):
            scaler = torch.amp.GradScaler(slot.device.type) if slot.precision == "fp16" else None
            name: Any = "16-mixed" if slot.precision == "fp16" else "bf16-mixed"
            plugins.append(MixedPrecision(name, device=slot.device.type, scaler=scaler))
        is_cpu = slot.device.type == "cpu"
        super().__init__(
            accelerator="cpu" if is_cpu else "gpu",
            devices=1 if is_cpu else [slot.device.index or 0],
            plugins=plugins,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            deterministic=torch.are_deterministic_algorithms_enabled(),
        )
        self._fetcher: Any = None

    def _run_stage(self) -> None:
        """Bring the loops to where the first batch would be trained on."""
        self.lightning_module.zero_grad()
        loop = self.fit_loop
        loop.setup_data()
        loop.reset()
        loop.on_run_start()
        loop.on_advance_start()
        self._fetcher = loop._data_fetcher  # noqa: SLF001 (see the top: there is no public way to it)
        loop.epoch_loop.reset()
        loop.epoch_loop.on_run_start(self._fetcher)

    def _teardown(self) -> None:
        """Keep all that training needs; give the signals back."""
        self._signal_connector.teardown()

    def start(self, module: LightningModule, batches: Sequence[ImageBatch]) -> None:
        """Set training up, up to the first batch."""
        with warnings.catch_warnings():
            # Lightning 2.6 asks torch 2.13 for leaves of a tree in a way that is deprecated.
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            self.fit(module, Rotation(batches))
        self.training = True

    def train_one(self) -> None:
        """One turn of Lightning's loop over batches."""
        loop = self.fit_loop.epoch_loop
        loop.advance(self._fetcher)
        loop.on_advance_end(self._fetcher)
        loop.on_iteration_done()
