"""`full` is the published model: its parameters are counted without allocating one, and every card says how many."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.extras import missing_extras

torch = pytest.importorskip("torch", reason="models need torch")
ENTRIES = [entry for entry in load_catalog().entries.values() if entry.kind == "workload"]
PUBLISHED = {
    "resnet50": 25.6, "resnet152": 60.2, "inception_v3": 27.2, "convnext_large": 198, "regnet_y_128gf": 645,
    "focalnet": 88.7, "dinov2_giant": 1193, "vjepa": 326, "unet_diffusion": 866, "flux_txt2img": 11901, "bert": 335,
    "t5": 223, "llama": 8030, "llm_lora": 8030, "llm_full": 70554, "llama_generate": 6738, "switch_transformer": 619,
    "mixtral": 46703, "lstm_lm": 66, "mamba": 129, "whisper": 241, "whisper_transcribe": 1542, "wav2vec2": 94.4,
    "llava": 7063, "dense_retrieval": 218, "dimenet": 1.89, "dlrm": 4324,
}  # fmt: skip
"""Millions, as the papers and the authors' models have them; heads that pretraining adds included (dinov2_giant)."""

pytestmark = pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub", "ignore:::diffusers")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_the_card_counts_the_parameters_of_full(entry: Entry) -> None:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs the extras {', '.join(missing)}, not installed")
    assert entry.module is not None
    module = importlib.import_module(entry.module)
    if not hasattr(module, "build_model"):
        assert entry.card.parameters == 0, "a model is built by build_model(sizes)"
        return
    with torch.device("meta"):
        model = module.build_model(SimpleNamespace(**entry.card.sizes("full")))
    assert sum(parameter.numel() for parameter in model.parameters()) == entry.card.parameters


@pytest.mark.parametrize("stem", PUBLISHED)
def test_full_is_the_published_model(stem: str) -> None:
    counts = {entry.stem: entry.card.parameters for entry in ENTRIES}
    assert counts[stem] / 1e6 == pytest.approx(PUBLISHED[stem], rel=0.005)
