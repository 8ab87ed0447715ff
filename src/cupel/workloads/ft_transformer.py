"""A transformer over the columns of a table (FT-Transformer) in training, on a table like HIGGS.

Decisions:
- `full` is the paper's default configuration: 3 layers of width 192, 8 heads, ReGLU of 256 units, dropout 0.2 in
  attention and 0.1 in the feed-forward part, batch 512 (HIGGS): 902 593 parameters for 28 features and one output. (The
  paper's 929 K are for 100 features and 255 units, to which its 4/3 is cut.)
- The model is written by hand (`cupel.tasks.models.ft_transformer`); in the last layer only [CLS] is worked out, as
  in the authors' code.
- Data: generated collisions (`cupel.tasks.data.collisions`), 28 numbers each, standardised column by column, all on the
  device. A batch is drawn at random, with replacement, on the device and within the step: a training reads a table of
  98 000 rows (the paper's HIGGS) in random order.
- `data=disk`: at most as many rows, four fifths of a table in ARFF, the user's own (`CUPEL_OPENML`) or a made one, read
  at set-up; the model has its columns (`cupel.tasks.data.table_source`).
- AdamW, fused, learning rate 1e-4, weight decay 1e-5, on all parameters (the paper spares tokenizer, norms and biases);
  tiny has ten times the rate, so that it learns within the check of its work.
- Parameters in fp32 at every precision; bf16 and fp16 are mixed precision by autocast; cross-entropy in fp32.
- Counted: rows of the batch.
- Memory at `full`: about 1.5 GiB of activations in fp32 (512 x 29 tokens x 192, some 40 numbers each a layer); a small
  model, often bound by launches of kernels.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.data.collisions import NUM_FEATURES
from cupel.tasks.data.table_source import labelled_table
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.ft_transformer import FtTransformer
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="rows",
    better="higher",
    source="Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data",
    tags=("training", "tabular", "transformer"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="AdamW, learning rate 1e-4 (tiny: 1e-3), betas 0.9 and 0.999, weight decay 1e-5",
    tiny={"rows": 500, "layers": 2, "width": 24, "heads": 4, "batch": 32, "dropout": 0.1, "learning_rate": 0.001},
    small={"rows": 10000, "layers": 3, "width": 48, "heads": 8, "batch": 64, "dropout": 0.1, "learning_rate": 0.0001},
    full={"rows": 98000, "layers": 3, "width": 192, "heads": 8, "batch": 512, "dropout": 0.1, "learning_rate": 0.0001},
    parameters=902_593,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 3.0},
)


def build_model(sizes: Sizes, *, num_features: int = NUM_FEATURES) -> FtTransformer:
    """The model with random weights, on torch's default device."""
    dropouts = 2 * sizes.dropout, sizes.dropout
    shape = {key: getattr(sizes, key) for key in ("width", "layers", "heads")}
    return FtTransformer(num_features=num_features, dropouts=dropouts, **shape)


class Parts:
    """Model, table, and the source of random rows."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        features, is_signal = labelled_table(sizes.rows, slot, seed=rng.seed("data"))
        spread = features.std(axis=0)
        standard = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
        self.slot, self.batch = slot, sizes.batch
        self.table_RF = torch.from_numpy(standard).to(slot.device)
        self.is_signal_R = torch.from_numpy(is_signal).to(slot.device)
        self.generator = slot.generator(rng.seed("order"))

        def adamw(parameters: Any) -> torch.optim.Optimizer:
            return torch.optim.AdamW(parameters, lr=sizes.learning_rate, weight_decay=1e-5, fused=True)

        with slot.device:
            self.model = slot.prepare(build_model(sizes, num_features=features.shape[1]), adamw)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Features and labels of a random batch of rows."""
        chosen = torch.randint(len(self.table_RF), (self.batch,), generator=self.generator, device=self.slot.device)
        return self.table_RF[chosen], self.is_signal_R[chosen]

    def logits(self, x_BF: Tensor) -> Tensor:
        """The model's output at the run's precision."""
        with self.slot.autocast():
            logits_B: Tensor = self.model(x_BF)
        return logits_B

    def loss(self, x_BF: Tensor, is_signal_B: Tensor) -> Tensor:
        """Cross-entropy in fp32."""
        return binary_cross_entropy_with_logits(self.logits(x_BF).float(), is_signal_B)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and a table; a step draws a batch of rows and updates."""
    parts = Parts(sizes, slot, rng)

    def step() -> Done:
        loss = parts.loss(*parts.draw())
        slot.step(loss)
        return Done(items=sizes.batch, loss=loss.detach())

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape and are a row's own, gradients reach all, and one batch can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.dropout = 0.0
    parts = Parts(fixed, slot, rng)
    x_BF, is_signal_B = parts.draw()
    logits_B = parts.logits(x_BF)
    check_output("ft_transformer", logits_B, shape=(sizes.batch,), dtype=slot.dtype)
    check_gradients("ft_transformer", parts.model, parts.loss(x_BF, is_signal_B))
    with torch.no_grad():
        alone_B = torch.cat([parts.logits(row_F[None]) for row_F in x_BF])
    error = float((alone_B.float() - logits_B.detach().float()).abs().max() / logits_B.detach().float().abs().max())
    if not error < (1e-4 if slot.precision == "fp32" else 0.05):
        raise WrongWorkError(
            f"ft_transformer: a row alone gives a logit off by {error:.2g} of its logit in a batch; "
            "expected rows that do not see each other."
        )
    losses = []
    for _ in range(20):
        loss = parts.loss(x_BF, is_signal_B)
        slot.step(loss)
        losses.append(float(loss.detach()))
    check_fall("ft_transformer", losses)
