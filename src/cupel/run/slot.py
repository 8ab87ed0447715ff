"""What a worker hands to an entry: device, precision, compilation and the update step, as settings of a run.

`TorchSlot` implements `cupel.spec.protocols.Slot` for entries that need torch, `PlainSlot` for those that do not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from cupel.run.strategies import fingerprint, held_beside, shared_out, stacks, trained_parameters, updating
from cupel.spec.card import Scalar
from cupel.spec.errors import UnsupportedError
from cupel.spec.job import ONE_BATCH

RANK_STRIDE = 0x9E3779B97F4A7C15
"""Distance of the seeds of neighbouring ranks: the golden ratio of 64 bits, so that no two streams are near."""
AMPERE = 8
"""Major compute capability from which NVIDIA devices have tf32 and bf16."""


class PlainSlot:
    """A slot without torch: the CPU, and nothing to wrap."""

    def __init__(self, *, device: str, settings: Mapping[str, Scalar], threads: int) -> None:
        self.device: Any = device
        self.dtype: Any = None
        self.precision = str(settings.get("precision", "fp32"))
        self.settings = dict(settings)
        self.threads = threads
        self.rank = 0
        self.world = 1
        self.notes: list[str] = []

    def autocast(self) -> AbstractContextManager[Any]:
        """Nothing to cast."""
        return contextlib.nullcontext()

    def compile(self, function: Any) -> Any:
        """The function itself."""
        return function

    def laid_out(self, images: Any) -> Any:
        """The images themselves."""
        return images

    def sync(self) -> None:
        """Nothing to wait for."""

    def prepare(self, model: Any, optimizer_factory: Callable[[Any], Any]) -> Any:
        """Refused: training needs torch."""
        del model, optimizer_factory
        raise UnsupportedError(
            "slot.prepare was called by an entry whose card does not need torch; add needs=('torch',)."
        )

    def step(self, loss: Any, clip_norm: float | None = None) -> None:
        """Refused: training needs torch."""
        del loss, clip_norm
        raise UnsupportedError("slot.step was called by an entry whose card does not need torch; add needs=('torch',).")

    def hold(self, model: Any) -> Any:
        """Refused: models need torch."""
        del model
        raise UnsupportedError("slot.hold was called by an entry whose card does not need torch; add needs=('torch',).")

    def generator(self, seed: int) -> Any:
        """A `random.Random`, seeded."""
        import random

        return random.Random(seed)

    def note(self, text: str) -> None:
        """Keep a text for the launch's result, once."""
        if text not in self.notes:
            self.notes.append(text)


class TorchSlot:
    """A slot with torch on one device.

    Args:
        device: `cpu`, `cuda:0`, ...
        settings: every setting of the card with this run's value (`precision`, `compile`, ...).
        threads: intra-op threads.

    Raises:
        UnsupportedError: the device does not have the precision.
    """

    def __init__(self, *, device: str, settings: Mapping[str, Scalar], threads: int) -> None:
        import torch

        self._torch = torch
        self.device: Any = torch.device(device)
        self.precision = str(settings.get("precision", "fp32"))
        self.settings: Mapping[str, Scalar] = dict(settings)
        self.threads = threads
        self.rank = 0
        self.world = 1
        self.notes: list[str] = []
        self._strategy = ""
        self._model: Any = None
        self._optimizer: Any = None
        self._scaler: Any = None
        if self.device.type != "cpu":
            torch.accelerator.set_device_index(self.device)  # events and streams are of the current device
        self._set_precision()

    def join(self, num_ranks: int) -> None:
        """Train together with as many ranks; where all have one batch between them, each draws it as rank 0 would."""
        self._strategy = str(self.settings.get("strategy", "ddp"))
        if self._strategy == ONE_BATCH:
            self.rank = 0
        else:
            self.world = num_ranks

    def _set_precision(self) -> None:
        """Set the process-wide matmul mode and this slot's dtype."""
        torch = self._torch
        is_cuda = self.device.type == "cuda"
        is_ampere = is_cuda and (
            torch.version.hip is not None or torch.cuda.get_device_capability(self.device)[0] >= AMPERE
        )
        if self.precision == "tf32" and not is_ampere:
            raise UnsupportedError(
                f"precision=tf32 was asked on {self.device}; it needs an NVIDIA GPU of compute capability 8 or more. "
                "Take fp32 or bf16."
            )
        if self.precision == "bf16" and is_cuda and not is_ampere:
            raise UnsupportedError(f"precision=bf16 was asked on {self.device}, which has no bf16 units. Take fp16.")
        if self.precision == "fp8":
            from cupel.tasks.products import require_units

            require_units(self)
        torch.set_float32_matmul_precision("high" if self.precision == "tf32" else "highest")
        if is_cuda:
            torch.backends.cudnn.allow_tf32 = self.precision == "tf32"
        halves = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.bfloat16}
        self.dtype = halves.get(self.precision, torch.float32)

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision at bf16 and fp16, that of bf16 at fp8, nothing at fp32 and tf32."""
        if self.precision in ("fp32", "tf32"):
            return contextlib.nullcontext()
        if self.precision not in ("bf16", "fp16", "fp8"):
            raise UnsupportedError(
                f"precision={self.precision} has no mixed-precision mode; take fp32, tf32, bf16, fp16 or fp8."
            )
        return self._torch.autocast(self.device.type, dtype=self.dtype)

    def compile(self, function: Any) -> Any:
        """`torch.compile` where the run's `compile` setting is true; by fsdp a program for each shape of a block."""
        if not self.settings.get("compile", False):
            return function
        if self._strategy != "fsdp":
            return self._torch.compile(function)
        # Blocks that gather their parameters are compiled one by one, and by default the second shape makes a program
        # for every shape, which PyTorch 2.13 fails to write for convolutions on a CPU.
        import torch.compiler.config as limits

        limits.recompile_limit = limits.accumulated_recompile_limit
        return self._torch.compile(function, dynamic=False)

    def laid_out(self, images: Any) -> Any:
        """Images (N, C, H, W) in the memory order of this run."""
        return images.contiguous(memory_format=self._layout)

    @property
    def _layout(self) -> Any:
        """The memory order of images and of the weights of convolutions."""
        is_last = bool(self.settings.get("channels_last", False))
        return self._torch.channels_last if is_last else self._torch.contiguous_format

    def sync(self) -> None:
        """Wait for the device."""
        if self.device.type != "cpu":
            self._torch.accelerator.synchronize(self.device)

    def prepare(self, model: Any, optimizer_factory: Callable[[Any], Any]) -> Any:
        """Model on the device, shared out over ranks and compiled if asked; its optimiser is kept for `step`.

        At fp8 the linear layers of its blocks multiply in eight bits; what stands before and after the blocks, such as
        an embedding or an output layer, computes in bf16.

        Raises:
            UnsupportedError: at fp8, no layer of the model could do so; or the model cannot be shared out so.
        """
        model = model.to(self.device)
        if self.precision == "fp8":
            _take_fp8(model)
        if self.settings.get("channels_last", False) and self._strategy != "fsdp":  # which cuts them row by row
            model = model.to(memory_format=self._layout)
        if self._strategy == "tp" and self.settings.get("compile", False):
            _refuse_recomputed(model)
        if self._strategy:
            model = shared_out(model, self._strategy, self.device)
        self._optimizer = optimizer_factory(trained_parameters(model, self._strategy))
        self._scaler = self._torch.amp.GradScaler(self.device.type) if self.precision == "fp16" else None
        self._model = model
        return self.compile(model)

    def hold(self, model: Any) -> Any:
        """A model that is not trained, on the device; with fsdp each rank has its part of it."""
        return held_beside(model.to(self.device), self._strategy, self.device)

    def fingerprint(self) -> int | None:
        """Of the weights that every rank must share; None where there are none."""
        has_whole = self._strategy in ("ddp", "tp") and self._model is not None
        return fingerprint(self._model) if has_whole else None

    def step(self, loss: Any, clip_norm: float | None = None) -> None:
        """Backward, unscale and clip where asked, update, clear the gradients."""
        if self._optimizer is None:
            raise UnsupportedError("slot.step was called before slot.prepare; prepare the model in setup.")
        if self._scaler is None:
            loss.backward()
        else:
            self._scaler.scale(loss).backward()
        with updating(self._strategy):
            self._update(clip_norm)
        self._optimizer.zero_grad(set_to_none=True)

    def _update(self, clip_norm: float | None) -> None:
        """Unscale and clip where asked, update."""
        if clip_norm is not None:
            if self._scaler is not None:
                self._scaler.unscale_(self._optimizer)
            self._torch.nn.utils.clip_grad_norm_(self._model.parameters(), clip_norm)
        if self._scaler is None:
            self._optimizer.step()
        else:
            self._scaler.step(self._optimizer)
            self._scaler.update()

    def generator(self, seed: int) -> Any:
        """A generator on the device, seeded; another stream on each rank, so that no two draw the same data."""
        return self._torch.Generator(self.device).manual_seed((seed + RANK_STRIDE * self.rank) % 2**63)

    def note(self, text: str) -> None:
        """Keep a text for the launch's result, once."""
        if text not in self.notes:
            self.notes.append(text)


def _refuse_recomputed(model: Any) -> None:
    """PyTorch 2.13 cannot compile a model that is cut and whose activations are computed again."""
    if any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        raise UnsupportedError(
            "strategy=tp was asked with compile=true, of a model that computes activations again in the backward pass; "
            "PyTorch cannot compile the three together. Take compile=false or strategy=fsdp, or checkpoints=false."
        )


def _take_fp8(model: Any) -> None:
    """Let the blocks of a model multiply in eight bits, and refuse where none does: the run would be one at bf16."""
    from cupel.tasks.fp8_linear import LEAST_SIDE, SIDE, use_fp8

    if not sum(use_fp8(stack) for stack in stacks(model)):
        raise UnsupportedError(
            f"precision=fp8 was asked of {type(model).__name__}; no linear layer within a ModuleList of it has sides "
            f"that are multiples of {SIDE} and at least {LEAST_SIDE}. Take bf16, or larger sizes."
        )
