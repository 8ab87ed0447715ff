"""An LSTM language model in training, by truncated backpropagation through time.

Decisions:
- `full` is the large model of Zaremba et al.: 2 layers of 1500 units, vocabulary 10 000 (Penn Treebank), dropout 0.65,
  weights uniform in +-0.04, batch 20, windows of 35 tokens: 66 034 000 parameters, the paper's 66 M (of which 24 000
  are torch's second biases). The layers are torch's `nn.LSTM`, hence cuDNN's on NVIDIA devices.
- Data: words by Zipf's law, a text of `windows` windows in `batch` rows, on the device. The state at the end of a
  window is where the next one starts, without its gradient; it is zero again when the text starts anew.
- `data=disk`: a text as long of the user's own (`CUPEL_TEXT`) or of made ones, read and turned into ids at set-up.
- SGD, learning rate 1, without the paper's decay. The gradient is that of the sum over the window's tokens, averaged
  over rows, and clipped to a norm of 10, as published; the loss that is reported is the mean over tokens.
- Parameters in fp32 at every precision; bf16 and fp16 are mixed precision by autocast, the loss in fp32.
- Counted: tokens, batch x window.
- Memory at `full`: parameters and gradients 8 bytes x 66 M = 0.5 GiB, logits 700 x 10 000 x 4 bytes, three times;
  small beside a device, as this model is: the sequential part is what is measured.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cupel.spec import Done, Seeds, Sizes, Slot, Step, UnsupportedError, Workload, WrongWorkError
from cupel.tasks.data.text_source import words_of
from cupel.tasks.data.token_stream import Window, token_windows
from cupel.tasks.learning import check_fall, check_gradients, check_output
from cupel.tasks.models.lstm_lm import LstmLanguageModel, State
from cupel.tasks.without_files import without_files

CARD = Workload(
    measures="training throughput",
    unit="tokens",
    better="higher",
    source="Zaremba et al. 2014, Recurrent Neural Network Regularization",
    tags=("training", "language", "recurrent"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16"),
        "compile": (False, True),
        "data": ("synthetic", "disk"),
        "strategy": ("ddp", "fsdp"),
    },
    optimizer="SGD, learning rate 1, gradient norm clipped to 10",
    tiny={"layers": 2, "width": 32, "vocab_size": 200, "dropout": 0.65, "batch": 4, "window": 12, "windows": 3},
    small={"layers": 2, "width": 200, "vocab_size": 4096, "dropout": 0.65, "batch": 8, "window": 20, "windows": 16},
    full={"layers": 2, "width": 1500, "vocab_size": 10000, "dropout": 0.65, "batch": 20, "window": 35, "windows": 64},
    parameters=66_034_000,
    memory_gib={"tiny": 0.05, "small": 0.3, "full": 2.0},
)


class Parts:
    """Model, text, and the place in it."""

    def __init__(self, sizes: Sizes, slot: Slot, rng: Seeds) -> None:
        if slot.precision == "fp16" and slot.device.type == "cpu":
            raise UnsupportedError(
                "precision=fp16 was asked on a CPU, where torch has no LSTM for it. Take bf16 or fp32."
            )
        self.slot = slot
        self.shape = (sizes.layers, sizes.batch, sizes.width)
        generator = slot.generator(rng.seed("data"))
        words = words_of(slot, rng, ids=range(sizes.vocab_size), generator=generator)
        shape = {"rows": sizes.batch, "window": sizes.window, "num_windows": sizes.windows}
        self.windows = token_windows(**shape, words=words)
        with slot.device:
            self.model = slot.prepare(build_model(sizes), sgd)
        self.num_read = 0
        self.state = self.start()

    def start(self) -> State:
        """The state before the first token."""
        # the dtype of the layers: on a CPU, autocast leaves states as they are and the layers refuse a mixture
        zeros = torch.zeros(self.shape, device=self.slot.device, dtype=self.slot.dtype)
        return zeros, zeros.clone()

    def forward(self, window: Window, state: State) -> tuple[Tensor, State]:
        """Logits at the run's precision, and the state after the window."""
        with self.slot.autocast():
            logits_BTV, state = self.model(window.ids_BT, state)
        return logits_BTV, state

    def learn(self) -> Tensor:
        """Read the next window from where the last one ended and update; returns the mean loss of a token."""
        if self.num_read % len(self.windows) == 0:
            self.state = self.start()
        window = self.windows[self.num_read % len(self.windows)]
        self.num_read += 1
        logits_BTV, (hidden, cell) = self.forward(window, self.state)
        self.state = hidden.detach(), cell.detach()
        loss = mean_loss(logits_BTV, window)
        self.slot.step(loss * window.ids_BT.shape[1], clip_norm=10.0)
        return loss.detach()


def build_model(sizes: Sizes) -> LstmLanguageModel:
    """The model with random weights, on torch's default device."""
    shape = {key: getattr(sizes, key) for key in ("vocab_size", "width", "layers", "dropout")}
    return LstmLanguageModel(**shape, init_range=0.04)


def mean_loss(logits_BTV: Tensor, window: Window) -> Tensor:
    """Cross-entropy of the words that follow, in fp32, mean over all tokens."""
    return cross_entropy(logits_BTV.flatten(0, 1).float(), window.next_BT.flatten())


def sgd(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser that the card states."""
    return torch.optim.SGD(parameters, lr=1.0)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """A model and a text; a step reads one window and updates."""
    parts = Parts(sizes, slot, rng)
    num_tokens = sizes.batch * sizes.window
    return lambda: Done(items=num_tokens, loss=parts.learn())


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Logits have their shape, gradients reach all, two windows are read as one, and a text can be learned."""
    fixed, slot = copy.copy(sizes), without_files(slot)
    fixed.dropout = 0.0
    parts = Parts(fixed, slot, rng)
    first, second = parts.windows[:2]
    logits_BTV, _ = parts.forward(first, parts.start())
    check_output("lstm_lm", logits_BTV, shape=(sizes.batch, sizes.window, sizes.vocab_size), dtype=slot.dtype)
    check_gradients("lstm_lm", parts.model, mean_loss(logits_BTV, first))
    parts.learn()
    with torch.no_grad():
        carried, cold = (mean_loss(parts.forward(second, s)[0], second) for s in (parts.state, parts.start()))
        whole = Window(*(torch.cat(both, dim=1) for both in zip(first, second, strict=True)))
        at_once = parts.forward(whole, parts.start())[0][:, sizes.window :]
        in_two = parts.forward(second, parts.forward(first, parts.start())[1])[0]
    error = float((at_once.float() - in_two.float()).abs().max() / at_once.float().abs().max())
    if not error < (1e-4 if slot.precision == "fp32" else 0.05):
        raise WrongWorkError(f"lstm_lm: a text in two windows gives logits off by {error:.2g} of the text in one.")
    off, effect = float((parts.learn() - carried).abs()), float((cold - carried).abs())
    if not off < 0.5 * effect:
        raise WrongWorkError(
            f"lstm_lm: the loss of the second window is off by {off:.2g}, and starting it without the state of the "
            f"first would change it by {effect:.2g}; expected the state to be carried."
        )
    losses = [float(parts.learn()) for _ in range(12 * sizes.windows + 1)]
    check_fall("lstm_lm", losses[:: sizes.windows])
