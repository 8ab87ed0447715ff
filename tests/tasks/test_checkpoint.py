"""Published weights are found on the user's disk, loaded whole, and refused in words where they do not fit."""

from __future__ import annotations

import importlib
import json
import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="checkpoints need torch")
pytest.importorskip("transformers", reason="checkpoints are loaded by transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UnsupportedError, UsageError
from cupel.spec.catalog import load_catalog
from cupel.tasks.checkpoint import asked_checkpoint, find_checkpoint
from cupel.tasks.models.llama import llama
from cupel.tasks.models.load_checkpoint import SIZES
from cupel.tasks.models.whisper import prompt_ids, whisper

ENTRIES = [entry for entry in load_catalog().entries.values() if "pretrained" in entry.card.settings.get("weights", ())]
BASES = {
    "llama": lambda sizes: llama(sizes, release="3"),
    "llm_lora": lambda sizes: llama(sizes, release="3.1"),
    "llm_full": lambda sizes: llama(sizes, release="3.1"),
    "llama_generate": lambda sizes: llama(sizes, release="2"),
    "whisper_transcribe": whisper,
}
"""The model whose weights an entry takes, by its name."""
SMALL = SimpleNamespace(
    layers=1, width=16, heads=2, kv_heads=1, feedforward=32, vocab_size=64, checkpoints=False
)  # fmt: skip

# What a model library warns of while it saves and loads is for its own authors.
pytestmark = pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub")


@pytest.fixture(autouse=True)
def no_weights_of_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("CUPEL_WEIGHTS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def make_slot(**settings):
    return TorchSlot(device="cpu", settings={"weights": "pretrained", **settings}, threads=1)


def save(model, folder):
    model.save_pretrained(folder)
    return folder


def load(folder, sizes=SMALL, dtype=torch.float32):
    return llama(sizes, dtype=dtype, checkpoint=folder)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_every_entry_that_says_so_starts_from_the_weights_of_a_checkpoint(entry, tmp_path, monkeypatch):
    sizes = SimpleNamespace(**entry.card.sizes("tiny"))
    torch.manual_seed(1)
    base = save(BASES[entry.stem](sizes), tmp_path / "own")
    monkeypatch.setenv("CUPEL_WEIGHTS", str(base))
    work = importlib.import_module(entry.module)
    built = []
    build_model = work.build_model
    monkeypatch.setattr(work, "build_model", lambda *args, **kw: built.append(build_model(*args, **kw)) or built[-1])
    torch.manual_seed(2)
    slot = make_slot(**{name: values[0] for name, values in entry.card.settings.items() if name != "weights"})
    step = work.setup(sizes, slot, Seeds(0))
    assert slot.notes == [f"the weights are those in {base}"]
    torch.manual_seed(1)
    expected = BASES[entry.stem](sizes).state_dict()
    found = {name.replace(".frozen.", "."): value for name, value in built[0].state_dict().items()}
    assert {name for name in found if ".adapter." not in name} == set(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert float(step().loss) == pytest.approx(math.log(sizes.vocab_size), rel=0.15)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_what_is_not_there_is_refused_with_how_to_get_it(entry):
    sizes, work = SimpleNamespace(**entry.card.sizes("tiny")), importlib.import_module(entry.module)
    settings = {name: values[0] for name, values in entry.card.settings.items() if name != "weights"}
    with pytest.raises(UnsupportedError) as caught:
        work.setup(sizes, make_slot(**settings), Seeds(0))
    text = str(caught.value)
    assert f"weights=pretrained was asked, which is {entry.card.checkpoint}; it is not in " in text
    assert "CUPEL_WEIGHTS is not set" in text
    assert f"hf download {entry.card.checkpoint}" in text
    assert ("accept its licence" in text) == entry.card.gated
    work.sane(sizes, make_slot(**settings), Seeds(0))  # the check at tiny is of random weights


def test_random_weights_ask_for_nothing():
    card = SimpleNamespace(checkpoint="a/b", gated=False)
    assert asked_checkpoint(make_slot(weights="random"), card) is None


def test_a_folder_may_hold_several_by_id_or_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CUPEL_WEIGHTS", str(tmp_path))
    for place, published in (("some/one", "some/one"), ("two", "some/two")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "config.json").write_text("{}")
        assert find_checkpoint(published, is_gated=False) == tmp_path / place
    with pytest.raises(UnsupportedError, match=r"some/three; it is not in .* \(CUPEL_WEIGHTS\) or "):
        find_checkpoint("some/three", is_gated=False)
    monkeypatch.setenv("CUPEL_WEIGHTS", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="which is no folder; expected a folder with a checkpoint"):
        find_checkpoint("some/one", is_gated=False)


def test_the_cache_of_the_hub_is_looked_in(tmp_path, monkeypatch):
    snapshot = tmp_path / "hub" / "models--some--one" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = tmp_path / "hub" / "models--some--one" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert find_checkpoint("some/one", is_gated=False) == snapshot


def test_weights_are_at_the_dtype_asked_for_and_rotary_frequencies_in_fp32(tmp_path):
    model = llama(SMALL)
    loaded = load(save(model, tmp_path / "own"), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert torch.equal(loaded.model.rotary_emb.inv_freq, model.model.rotary_emb.inv_freq)
    assert loaded.config.use_cache is False
    assert loaded.training
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight.bfloat16())


def test_other_sizes_are_refused_naming_both(tmp_path):
    folder = save(llama(SMALL), tmp_path / "own")
    other = SimpleNamespace(**{**vars(SMALL), "width": 32, "layers": 2})
    with pytest.raises(UnsupportedError) as caught:
        load(folder, other)
    text = str(caught.value)
    assert "asked of a model with hidden_size 32, num_hidden_layers 2; the checkpoint" in text
    assert "has hidden_size 16, num_hidden_layers 1. Take --size full, or let CUPEL_WEIGHTS name" in text


def test_another_model_is_refused(tmp_path):
    folder = save(llama(SMALL), tmp_path / "own")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mistral"}))
    with pytest.raises(
        UnsupportedError, match=r"a model with model_type llama; the checkpoint .* has model_type mistral"
    ):
        load(folder)


def thin_out(folder):
    """Leave the weights of the output layer away."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("lm_head.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded: .*; fetch it once more"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 64), "cannot be loaded: "),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded: "),
        (thin_out, r"lacks 1 weights, lm_head\.weight first"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, harm, expected):
    folder = save(llama(SMALL), tmp_path / "own")
    harm(folder)
    with pytest.raises(UnsupportedError, match=expected):
        load(folder)


def test_the_larger_model_of_llm_lora_asks_for_the_larger_checkpoint():
    work = importlib.import_module("cupel.workloads.llm_lora")
    with pytest.raises(UnsupportedError, match=r"which is meta-llama/Llama-3\.1-70B"):
        work.setup(SimpleNamespace(**work.CARD.sizes("tiny")), make_slot(model="70b"), Seeds(0))


def test_a_transcript_begins_with_what_the_checkpoint_tells():
    told = SimpleNamespace(
        decoder_start_token_id=50,
        lang_to_id={"<|de|>": 1, "<|en|>": 2},
        task_to_id={"translate": 3, "transcribe": 4},
        no_timestamps_token_id=5,
    )
    model = SimpleNamespace(generation_config=told, config=SimpleNamespace(vocab_size=100))
    assert prompt_ids(model) == [50, 2, 4, 5]
    model.generation_config = SimpleNamespace()
    assert prompt_ids(model) == [99, 97, 96, 95]


def test_sizes_of_a_configuration_are_those_of_the_library():
    from transformers import LlamaConfig, WhisperConfig

    known = {*LlamaConfig().to_dict(), *WhisperConfig().to_dict()}
    assert known >= SIZES
