"""What every workload owes: work that is counted, finite, repeatable, checked, and never waits for the device."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import random
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cupel.run.slot import PlainSlot, TorchSlot
from cupel.spec import Done, Scalar, Seeds, Slot, Step, UnsupportedError
from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.errors import MissingExtraError
from cupel.spec.extras import has_extra, missing_extras
from cupel.tasks.data import file_cache

torch = pytest.importorskip("torch", reason="workloads need torch")
NUM_STEPS = 3
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2")
"""Operators whose result the host must wait for."""
EVERY = [entry for entry in load_catalog().entries.values() if entry.kind == "workload"]
ENTRIES = [entry for entry in EVERY if entry.card.all_settings.get("devices", ("one",))[0] != "all"]
"""Those that one process can do; the others have tests on several ranks."""
PRECISIONS = [
    pytest.param(entry, str(precision), id=f"{entry.stem}-{precision}")
    for entry in ENTRIES
    for precision in entry.card.settings.get("precision", ())
]

FROM_FILES = [entry for entry in ENTRIES if "disk" in entry.card.settings.get("data", ())]
DECODED = [entry for entry in FROM_FILES if {"vision", "audio"} & set(entry.card.tags)]
"""Those whose files are decoded by the extra `media`, which their cards do not need. The check of the others takes made
data in any case."""
OURS = ("CUPEL_CACHE", "CUPEL_REFERENCE_DATA")

from_files = pytest.mark.parametrize("entry", FROM_FILES, ids=lambda entry: entry.stem)
decoded = pytest.mark.parametrize("entry", DECODED, ids=lambda entry: entry.stem)
OTHERWISE = ("llama", "lstm_lm", "ppo")
"""Those that are compiled, too: a model of a library, one by hand with a kernel of its own, a simulation."""

every_workload = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
# What a model library warns of while it is imported or called is for its own authors; only ours fail a test.
pytestmark = pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)
    torch.set_float32_matmul_precision("highest")


def load(entry: Entry) -> ModuleType:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs the extras {', '.join(missing)}, not installed")
    assert entry.module is not None
    return importlib.import_module(entry.module)


def make_slot(entry: Entry, changed: dict[str, Scalar]) -> Slot:
    settings = {name: values[0] for name, values in entry.card.settings.items()} | changed
    kind = TorchSlot if "torch" in entry.card.needs else PlainSlot
    return kind(device="cpu", settings=settings, threads=1)


def set_up(entry: Entry, seed: int = 0, **changed: Scalar) -> Step:
    """A step at tiny, made as a worker makes it."""
    module, rng = load(entry), Seeds(seed)
    torch.manual_seed(rng.seed("init"))
    sizes = SimpleNamespace(**entry.card.sizes("tiny"))
    step: Step = module.setup(sizes, make_slot(entry, changed), rng)
    return step


def run(entry: Entry, seed: int = 0, **changed: Scalar) -> list[Done]:
    step = set_up(entry, seed, **changed)
    return [step() for _ in range(NUM_STEPS)]


def loss_bytes(done: list[Done]) -> bytes:
    return b"".join(torch.as_tensor(one.loss).double().numpy().tobytes() for one in done if one.loss is not None)


def check(entry: Entry, done: list[Done]) -> None:
    for one in done:
        assert isinstance(one.items, int | float)
        assert math.isfinite(one.items)
        assert one.items > 0
        assert set(one.also or {}) == set(entry.card.also)
        assert all(math.isfinite(count) and count > 0 for count in (one.also or {}).values())
        if one.loss is not None:
            assert math.isfinite(float(one.loss))
            assert not getattr(one.loss, "requires_grad", False), "detach the loss, or it keeps the graph of its step"


def test_there_are_workloads() -> None:
    assert len(ENTRIES) >= 4


@every_workload
def test_its_work_passes_its_own_check(entry: Entry) -> None:
    module, rng = load(entry), Seeds(0)
    torch.manual_seed(rng.seed("init"))
    module.sane(SimpleNamespace(**entry.card.sizes("tiny")), make_slot(entry, {}), rng)


@every_workload
def test_same_seeds_give_the_same_losses_and_others_give_others(entry: Entry) -> None:
    first, again, other = run(entry), run(entry), run(entry, seed=1)
    check(entry, first)
    check(entry, other)
    assert [one.items for one in again] == [one.items for one in first]
    assert loss_bytes(again) == loss_bytes(first)
    if loss_bytes(first):
        assert loss_bytes(other) != loss_bytes(first)


@pytest.mark.parametrize(("entry", "precision"), PRECISIONS)
def test_every_precision_of_the_card_works_or_is_refused_in_words(entry: Entry, precision: str) -> None:
    try:
        done = run(entry, precision=precision)
    except UnsupportedError as error:
        assert precision in str(error)  # noqa: PT017 (either outcome is right; which one is up to the machine)
        assert precision not in ("fp32", "bf16"), "every CPU does these"
        return
    check(entry, done)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("stem", OTHERWISE)
def test_named_entries_do_the_same_compiled_and_nearly_the_same_at_bf16(stem: str) -> None:
    """All entries in all combinations: test_setting_pairs.py, by hand."""
    (entry,) = (one for one in ENTRIES if one.stem == stem)
    eager, compiled, short = run(entry), run(entry, compile=True), run(entry, precision="bf16")
    for done in (compiled, short):
        check(entry, done)
        assert [one.items for one in done] == [one.items for one in eager]
    assert losses(compiled) == pytest.approx(losses(eager), rel=1e-3)
    assert losses(short)[0] == pytest.approx(losses(eager)[0], rel=0.05)
    assert losses(short) != losses(eager)


def losses(done: list[Done]) -> list[float]:
    return [float(one.loss) for one in done]


@every_workload
def test_every_other_setting_is_taken(entry: Entry) -> None:
    # Pretrained weights are the user's own; tests/tasks/test_checkpoint.py has some made.
    for name, values in entry.card.settings.items():
        for value in values[1:] if name not in ("precision", "compile", "strategy", "weights") else ():
            with contextlib.suppress(MissingExtraError):  # a setting may need more than its entry does
                check(entry, run(entry, **{name: value}))


@pytest.fixture
def made_files(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """No files of the tester's own."""
    if entry in DECODED and not has_extra("media"):
        pytest.skip("files are decoded by the extra media, not installed")
    for name in [name for name in os.environ if name.startswith("CUPEL_") and name not in OURS]:
        monkeypatch.delenv(name)


@decoded
def test_its_work_passes_its_own_check_on_files(entry: Entry, made_files: None) -> None:
    module, rng = load(entry), Seeds(0)
    torch.manual_seed(rng.seed("init"))
    module.sane(SimpleNamespace(**entry.card.sizes("tiny")), make_slot(entry, {"data": "disk"}), rng)


@from_files
def test_files_give_the_same_losses_for_the_same_seeds_and_new_batches_each_time(
    entry: Entry, made_files: None
) -> None:
    first, again, other, drawn = (
        run(entry, data="disk"),
        run(entry, data="disk"),
        run(entry, seed=1, data="disk"),
        run(entry),
    )
    check(entry, first)
    assert loss_bytes(first) == loss_bytes(again)
    assert loss_bytes(first) not in (loss_bytes(other), loss_bytes(drawn))


@from_files
def test_a_step_on_files_never_waits_for_the_device(entry: Entry, made_files: None) -> None:
    step = set_up(entry, data="disk")
    step()
    with watch_for_waits() as waits:
        step()
    assert waits == []


@decoded
def test_without_what_decodes_files_the_install_line_is_named_and_synthetic_data_work(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(entry)
    monkeypatch.setattr(file_cache, "has_extra", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'cupel\[media\]'"):
        set_up(entry, data="disk")
    check(entry, run(entry))


@every_workload
def test_a_step_never_waits_for_the_device(entry: Entry) -> None:
    step = set_up(entry)
    step()
    with watch_for_waits() as waits:
        step()
        step()
    assert waits == [], "a step read a result of the device; count on the host, and leave losses where they are"


def test_the_watch_sees_a_wait() -> None:
    with watch_for_waits() as waits:
        torch.ones(3).sum().item()
    assert len(waits) == 1
    assert "_local_scalar_dense" in waits[0]


@every_workload
def test_the_global_generators_of_python_and_numpy_are_left_alone(entry: Entry) -> None:
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002 (the one that must not be used)
    run(entry)
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == before  # noqa: NPY002


def watch_for_waits() -> Any:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):
        """Notes every operator that makes the host wait, with the line of ours that led to it."""

        def __init__(self) -> None:
            super().__init__()
            self.waits: list[str] = []

        def __enter__(self) -> list[str]:
            super().__enter__()
            return self.waits

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = func.overloadpacket.__name__
            if name in WAITS:
                lines = list(callers())
                # Optimisers keep their step counts on the host, so that reading one waits for nothing.
                if not any("torch/optim/" in line for line in lines):
                    self.waits.append(f"{name} from {next((x for x in lines if '/cupel/' in x), lines[0])}")
            return func(*args, **(kwargs or {}))

    return Watch()


def callers() -> Iterator[str]:
    frame = sys._getframe(2)
    while frame is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
