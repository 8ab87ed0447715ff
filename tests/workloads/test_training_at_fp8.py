"""Entries that train at fp8: which of their layers multiply in eight bits, and that they learn as they do at bf16.

A processor is refused by a run; here it stands in for the units, by converting to fp32 what is rounded as they round.
"""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="these entries need torch")
pytest.importorskip("transformers", reason="these entries need transformers")

from cupel.run.slot import TorchSlot
from cupel.run.strategies import stacks
from cupel.spec import Seeds
from cupel.spec.catalog import load_catalog
from cupel.tasks.fp8_linear import Fp8Linear, use_fp8

ENTRIES = {
    entry.stem: entry
    for entry in load_catalog().entries.values()
    if "fp8" in entry.card.settings.get("precision", ()) and entry.card.optimizer
}
AT_TINY = {"bert": 12, "llama": 14, "llm_full": 10, "llm_lora": 14}
"""Layers in fp8; 6 of a layer of the encoder, 7 of the decoder, of which two of llm_full are too narrow at tiny."""
AT_FULL = {"bert": 6 * 24, "llama": 7 * 32, "llm_full": 7 * 80, "llm_lora": 7 * 32}
NUM_STEPS = 40

every_entry = pytest.mark.parametrize("stem", ENTRIES)


@pytest.fixture(autouse=True)
def lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cupel.tasks.products.require_units", lambda _: None)


def module_of(stem: str) -> ModuleType:
    return importlib.import_module(f"cupel.workloads.{stem}")


def tiny(stem: str, **numbers: object) -> SimpleNamespace:
    return SimpleNamespace(**{**ENTRIES[stem].card.sizes("tiny"), **numbers})


def make_slot(precision: str, **settings: object) -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, **settings}, threads=1)


def eights(model) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, Fp8Linear)]


def losses(stem: str, precision: str) -> list[float]:
    """Of training on one batch without dropout, from the same weights."""
    torch.manual_seed(0)
    dropout = {"dropout": 0.0} if hasattr(tiny(stem), "dropout") else {}
    step = module_of(stem).setup(tiny(stem, batches=1, **dropout), make_slot(precision), Seeds(0))
    return [float(step().loss) for _ in range(NUM_STEPS)]


@every_entry
def test_its_check_passes_with_the_layers_that_a_run_has(stem):
    module_of(stem).sane(tiny(stem), make_slot("fp8"), Seeds(0))


@every_entry
def test_linear_layers_of_its_blocks_are_in_eight_bits_and_no_others(stem):
    _, model = module_of(stem).build_step(tiny(stem), make_slot("fp8"), rng=Seeds(0))
    found = eights(model)
    assert len(found) == AT_TINY[stem]
    assert all(".layers." in name or ".layer." in name for name in found)
    left = [name for name, module in model.named_modules() if type(module) is torch.nn.Linear]
    assert any("head" in name or "decoder" in name for name in left), "the output layer stays"


@every_entry
def test_at_full_every_linear_layer_of_its_blocks_is_wide_enough(stem):
    with torch.device("meta"):
        model = module_of(stem).build_model(SimpleNamespace(**ENTRIES[stem].card.sizes("full")))
        blocks = list(stacks(model))
        names = {n for b in blocks for n, m in b.named_modules() if type(m) is torch.nn.Linear and ".adapter." not in n}
        assert sum(use_fp8(block) for block in blocks) == len(names) == AT_FULL[stem]
    assert {name for block in blocks for name in eights(block)} == names


@every_entry
def test_its_loss_falls_as_it_does_at_bf16(stem):
    """The two curves stay within 3 % of what the loss falls by; they are not the same."""
    eight, sixteen = losses(stem, "fp8"), losses(stem, "bf16")
    fall = sixteen[0] - sixteen[-1]
    assert fall > 0.5
    apart = [abs(a - b) for a, b in zip(eight, sixteen, strict=True)]
    assert 0 < max(apart) < 0.03 * fall


def test_adapters_of_the_larger_model_stay_at_bf16():
    """Their rank, 16, is a multiple of what the units ask for, and too narrow to gain by it."""
    _, model = module_of("llm_lora").build_step(tiny("llm_lora"), make_slot("fp8", model="70b"), rng=Seeds(0))
    found = eights(model)
    assert len(found) == 7 * 5
    assert not [name for name in found if ".adapter." in name]


def test_parameters_are_stored_as_at_bf16():
    for stem in ENTRIES:
        dtypes = []
        for precision in ("bf16", "fp8"):
            _, model = module_of(stem).build_step(tiny(stem), make_slot(precision), rng=Seeds(0))
            dtypes.append({name: parameter.dtype for name, parameter in model.named_parameters()})
        assert dtypes[0] == dtypes[1]
