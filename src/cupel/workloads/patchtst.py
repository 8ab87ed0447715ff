"""A patched transformer forecasting time series (PatchTST) in training.

Decisions:
- `full` is the paper's supervised PatchTST/64 on the Weather data set: look-back 512, 64 patches of 16 with stride 8, 3
  layers of width 128, 16 heads, 256 units, batch norm, dropout 0.2, horizon 96; 128 windows of 21 series a batch.
- The `transformers` library's model from a configuration with random weights (`cupel.tasks.models.patchtst`). As in
  the paper the last value is repeated for a stride, hence 64 patches and not 63; the library's mask keeps the repeats
  out of the scaling. Series of a window do not see each other.
- Data: generated series with days, weeks, drift and noise (`cupel.tasks.data.seasonal_series`), 52 696 steps as in
  Weather, on the device; windows are drawn at random within the step.
- `data=disk`: at most as many steps of a table of series in CSV, the user's own (`CUPEL_SERIES`) or a made one, read at
  set-up; all its columns of numbers (`cupel.tasks.data.series_source`).
- Adam, fused, learning rate 1e-4, without a schedule; squared error.
- Parameters in fp32 at every precision; bf16 and fp16 are mixed precision by autocast; the loss in fp32.
- Counted: series, batch x channels; `windows` counts windows.
- Memory at `full`: 172 032 patches x 128 x 4 bytes = 84 MiB, about 20 of these a layer: 5 GiB in fp32.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (everyone's name for it)

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.seasonal_series import random_windows
from cupel.tasks.data.series_source import series_of
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.patchtst import patchtst
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="series",
    also=("windows",),
    better="higher",
    source="Nie et al. 2022, A Time Series is Worth 64 Words: Long-term Forecasting with Transformers",
    tags=("training", "time series", "transformer"),
    needs=("torch", "models"),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"), "compile": (False, True), "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="Adam, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.999",
    tiny={
        "look_back": 64, "horizon": 16, "patch": 16, "stride": 8, "layers": 2, "width": 16, "heads": 4, "hidden": 32,
        "dropout": 0.2, "channels": 3, "length": 2000, "batch": 4, "learning_rate": 0.001,
    },
    small={
        "look_back": 256, "horizon": 48, "patch": 16, "stride": 8, "layers": 3, "width": 32, "heads": 4, "hidden": 64,
        "dropout": 0.2, "channels": 7, "length": 10000, "batch": 4, "learning_rate": 0.0001,
    },
    full={
        "look_back": 512, "horizon": 96, "patch": 16, "stride": 8, "layers": 3, "width": 128, "heads": 16,
        "hidden": 256, "dropout": 0.2, "channels": 21, "length": 52696, "batch": 128, "learning_rate": 0.0001,
    },
    parameters=1_194_336,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 8.0},
)  # fmt: skip


def build_model(sizes: Sizes) -> Any:
    """The model with random weights, on torch's default device."""
    return patchtst(sizes)


class Parts:
    """Model, series, and the source of random windows."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        self.sizes, self.slot = copy.copy(sizes), slot
        self.series_LC = series_of(sizes, slot, slot.generator(rng.seed("data")))
        self.sizes.channels = self.series_LC.shape[1]
        self.generator = slot.generator(rng.seed("order"))
        repeats = torch.arange(sizes.look_back + sizes.stride, device=slot.device) >= sizes.look_back
        self.is_real_BTC = (~repeats)[None, :, None].expand(sizes.batch, -1, self.sizes.channels)

        def adam(parameters: Any) -> torch.optim.Optimizer:
            return torch.optim.Adam(parameters, lr=sizes.learning_rate, fused=True)

        with slot.device:
            self.model = slot.prepare(build_model(self.sizes), adam)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Windows of what was, shape (B, look-back, C), and what follows them, shape (B, horizon, C)."""
        shape = {"num_windows": self.sizes.batch, "window": self.sizes.look_back + self.sizes.horizon}
        windows_BTC = random_windows(self.series_LC, **shape, generator=self.generator)
        return windows_BTC[:, : self.sizes.look_back], windows_BTC[:, self.sizes.look_back :]

    def forecast(self, past_BTC: Tensor) -> Tensor:
        """What the model expects to follow, at the run's precision up to its last product."""
        last_BTC = past_BTC[:, -1:].expand(-1, self.sizes.stride, -1)
        with self.slot.autocast():
            output = self.model(torch.cat([past_BTC, last_BTC], dim=1), past_observed_mask=self.is_real_BTC)
        expected_BTC: Tensor = output.prediction_outputs
        return expected_BTC

    def loss(self, past_BTC: Tensor, future_BTC: Tensor) -> Tensor:
        """Mean squared error, in fp32."""
        return F.mse_loss(self.forecast(past_BTC).float(), future_BTC)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and series; a step draws windows and updates."""
    parts = Parts(sizes, slot, rng)
    num_series = sizes.batch * parts.sizes.channels

    def step() -> Done:
        loss = parts.loss(*parts.draw())
        slot.step(loss)
        return Done(items=num_series, loss=loss.detach(), also={"windows": sizes.batch})

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Forecasts have their shape and follow a shift of the series, gradients reach all, windows can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.dropout = 0.0
    parts = Parts(fixed, slot, rng)
    past_BTC, future_BTC = parts.draw()
    forecast_BTC = parts.forecast(past_BTC)
    check_output("patchtst", forecast_BTC, shape=future_BTC.shape, dtype=torch.float32)
    shifted_BTC = parts.forecast(past_BTC + 2.0).detach() - 2.0
    if not float((shifted_BTC - forecast_BTC.detach()).abs().max()) < (1e-3 if slot.precision == "fp32" else 0.1):
        raise WrongWorkError("patchtst: series shifted by 2 are not forecast 2 higher; expected windows to be scaled.")
    check_gradients("patchtst", parts.model, parts.loss(past_BTC, future_BTC))
    losses = []
    for _ in range(20):
        loss = parts.loss(past_BTC, future_BTC)
        slot.step(loss)
        losses.append(float(loss.detach()))
    check_fall("patchtst", losses)
