"""Write docs/full_operations.json: operations per item of every workload at full. By hand; minutes on one core.

OMP_NUM_THREADS=1 python docs/count_full.py [NAME ...]

Nothing of that size is computed. Data are made for real; the model (`build_model`) has shapes and no numbers (torch's
fake tensors), and so has all that the step makes of it: kernels are told what they would be given, which is what
operations are counted by. Where a step needs the numbers themselves and the card asks for little memory, it is run for
real. An entry that can be counted by neither keeps the reason; named entries are counted again, the others stay.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily

from cupel.measure.flop import flop_per_item
from cupel.run.slot import TorchSlot
from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.seeds import Seeds

FILE = Path(__file__).with_name("full_operations.json")
MOST_GIB = 6.0
"""Memory up to which a step of full is run for real."""


def main() -> None:
    """Count what was asked, each entry written as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="entries to count again (default: all)")
    asked = parser.parse_args().names
    warnings.simplefilter("ignore")
    entries = [entry for entry in load_catalog().entries.values() if not asked or entry.stem in asked]
    found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    for entry in entries:
        started = time.monotonic()
        found[entry.stem] = counted(entry)
        print(f"{entry.stem}: {found[entry.stem]}, {time.monotonic() - started:.0f} s", flush=True)
        text = json.dumps(dict(sorted(found.items())), indent=1) + "\n"
        FILE.write_text(text, encoding="utf-8")


def counted(entry: Entry) -> dict[str, Any]:
    """Operations per item of an entry and how they were found, or why not."""
    if "torch" not in entry.card.needs:
        return {"flop_per_item": None, "why": "it does no work in torch"}
    reasons = []
    for how, count in (("shapes", by_shapes), ("run", by_running)):
        try:
            flop = count(entry)
        except Exception as error:  # noqa: BLE001  whatever a step needs that shapes cannot give, the other way may
            first_line = str(error).partition("\n")[0]
            reasons.append(f"{how}: {type(error).__name__}: {first_line}"[:200])
            continue
        return {"flop_per_item": flop, "how": how}
    return {"flop_per_item": None, "why": "; ".join(reasons)}


def by_shapes(entry: Entry) -> float | None:
    """Count a step whose model has no numbers."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with without_numbers(importlib.import_module(str(entry.module)), mode):
        step = set_up(entry)
        with mode:
            return flop_per_item(step)


def by_running(entry: Entry) -> float | None:
    """Count a step that is run."""
    needed = entry.card.memory_gib.get("full")
    if needed is None or needed > MOST_GIB:
        raise MemoryError(f"it needs {needed} GiB, at most {MOST_GIB:g} are taken")
    return flop_per_item(set_up(entry))


def set_up(entry: Entry) -> Any:
    """The step of an entry at full with its default settings."""
    rng = Seeds(0)
    torch.manual_seed(rng.seed("init"))
    settings = {name: values[0] for name, values in entry.card.settings.items()}
    slot = TorchSlot(device="cpu", settings=settings, threads=1)
    module = importlib.import_module(str(entry.module))
    return module.setup(SimpleNamespace(**entry.card.sizes("full")), slot, rng)


@contextlib.contextmanager
def without_numbers(module: ModuleType, mode: FakeTensorMode) -> Iterator[None]:
    """A module whose `build_model` gives shapes; and what fake tensors cannot do, which changes no shape."""
    build = getattr(module, "build_model", None)
    if build is None:
        raise LookupError("it has no build_model")

    def build_fake(*args: Any, **kwargs: Any) -> nn.Module:
        with unset_fake_temporarily(), torch.device("meta"):
            model = build(*args, **kwargs)
        return faked(model, mode)

    with (
        mock.patch.object(module, "build_model", build_fake),
        mock.patch.object(nn.Module, "to", lambda model, *_, **__: model),
        mock.patch.object(Tensor, "exponential_", lambda x, *_, **__: x),
        mock.patch.object(nn.functional, "ctc_loss", lambda log_p, *_, **__: log_p.sum()),
    ):
        yield


def faked(model: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """The model with its parameters and buffers, on no device, replaced by fake ones on the CPU; ties stay."""
    done: dict[int, Tensor] = {}

    def fake(x: Tensor) -> Tensor:
        if id(x) not in done:
            inner = FakeTensor(mode, x.detach(), torch.device("cpu")) if x.is_meta else mode.from_tensor(x.detach())
            is_parameter = isinstance(x, nn.Parameter)
            done[id(x)] = nn.Parameter(inner, requires_grad=x.requires_grad) if is_parameter else inner
        return done[id(x)]

    for part in model.modules():
        for tensors in (part._parameters, part._buffers):  # noqa: SLF001  the names under which ties are kept
            for name, x in list(tensors.items()):
                if x is not None:
                    tensors[name] = fake(x)
    return model


if __name__ == "__main__":
    main()
