"""What is counted for whole entries agrees with arithmetic by hand, and with what their papers say."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from cupel.measure.flop import counting_mode, flop_per_item
from cupel.run.slot import TorchSlot
from cupel.spec import Scalar, Seeds
from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.extras import missing_extras

torch = pytest.importorskip("torch", reason="counts what torch does")
CATALOG = load_catalog().entries
PUBLISHED_GMAC = {
    "resnet50": 4.09,
    "resnet152": 11.51,
    "inception_v3": 5.71,
    "convnext_large": 34.36,
    "regnet_y_128gf": 127.52,
    "focalnet": 15.4,
}
"""Multiplications of one image forward, in units of 1e9, as the papers and the authors' models have them."""

pytestmark = pytest.mark.filterwarnings("ignore:::transformers", "ignore:::huggingface_hub")


def load(entry: Entry) -> ModuleType:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs the extras {', '.join(missing)}, not installed")
    assert entry.module is not None
    return importlib.import_module(entry.module)


def counted(stem: str, size: str) -> tuple[float, Any, Any]:
    """Operations per item of an entry as a worker counts them, its sizes, and its model."""
    entry, rng = CATALOG[stem], Seeds(0)
    module = load(entry)
    settings: dict[str, Scalar] = {name: values[0] for name, values in entry.card.settings.items()}
    slot, sizes = TorchSlot(device="cpu", settings=settings, threads=1), SimpleNamespace(**entry.card.sizes(size))
    step = module.setup(sizes, slot, rng)
    step()
    flop = flop_per_item(step)
    assert flop is not None
    return flop, sizes, module.build_model(sizes)


def tensors(output: Any) -> list[Any]:
    """What a model says, whatever it is wrapped in; inception_v3 has a second classifier."""
    if isinstance(output, torch.Tensor):
        return [output]
    return list(output.values() if isinstance(output, dict) else output)


@pytest.mark.parametrize("stem", PUBLISHED_GMAC)
def test_an_image_takes_the_published_number_and_three_times_that_in_training(stem: str) -> None:
    entry = CATALOG[stem]
    sizes, module = SimpleNamespace(**entry.card.sizes("full")), load(entry)
    with torch.device("meta"):
        model = module.build_model(sizes).eval()
        image = torch.empty(1, 3, sizes.image_px, sizes.image_px, requires_grad=True)
        with counting_mode() as forward, torch.no_grad():
            model(image)
        with counting_mode() as both:
            output = model(image)
            sum(part.sum() for part in tensors(output)).backward()
    assert forward.total / 2e9 == pytest.approx(PUBLISHED_GMAC[stem], rel=0.005)
    assert both.total == 3 * forward.total


def test_llama_takes_six_operations_a_parameter_and_those_of_attention() -> None:
    flop, sizes, model = counted("llama", "small")
    weights = sum(p.numel() for p in model.parameters() if p.ndim == 2) - sizes.vocab_size * sizes.width
    places = sizes.batch * sizes.padded_to
    attention = 14 * places * sizes.padded_to * sizes.width * sizes.layers
    tokens = sizes.batch * (sizes.shortest + sizes.longest) / 2
    assert flop * tokens == pytest.approx(6 * places * weights + attention, rel=0.02)  # lengths are rounded


def test_mixtral_takes_two_experts_a_token() -> None:
    flop, sizes, _ = counted("mixtral", "small")
    width, inner = sizes.width, sizes.width // sizes.heads * sizes.kv_heads
    seen = sizes.prompt + sizes.written
    expert = 3 * width * sizes.feedforward
    attention = 2 * width * width + 2 * width * inner + 2 * width * seen
    layer = attention + width * sizes.experts + 2 * expert
    tokens = seen - 1  # the last one written is not read
    per_text = 2 * (tokens * sizes.layers * layer + sizes.written * width * sizes.vocab_size)
    assert flop == per_text / sizes.written


def test_fno_takes_four_real_products_a_complex_one() -> None:
    flop, sizes, _ = counted("fno", "small")
    width, places = sizes.width, sizes.side_px**2
    spectral = 4 * width * width * 2 * sizes.modes**2
    local = width * width * (sizes.side_px + sizes.padding_px) ** 2
    ends = 2 * 3 * width * places + 3 * (width * 128 + 128) * places  # nothing before the first layer has a gradient
    assert flop == 2 * (3 * sizes.layers * (spectral + local) + ends)


def test_reformer_takes_its_layers_once_more_on_the_way_back() -> None:
    flop, sizes, _ = counted("reformer", "small")
    width, tokens = sizes.width, sizes.rows * sizes.columns
    inner = sizes.heads * sizes.head_dim
    seen = 2 * 2 * sizes.chunk * inner  # two products with the keys and values of two chunks
    local = 4 * width * inner + seen
    hashed = 3 * width * inner + sizes.hashes * seen
    bucket = width * inner + inner * sizes.hashes * sizes.buckets // 2  # found once
    layers = sizes.layers // 2 * (4 * (local + hashed) + bucket) + 4 * sizes.layers * 2 * width * sizes.feedforward
    assert flop == 2 * tokens * (layers + 3 * 2 * width * sizes.vocab_size)


def test_stargan_counts_the_penalty_on_its_slopes() -> None:
    """A gradient of a gradient, at which torch's own counter raises; up to its first layers, which have less to do."""
    flop, sizes, networks = counted("stargan", "small")
    images = torch.zeros(1, 3, sizes.image_px, sizes.image_px)
    with torch.no_grad(), counting_mode() as generator:
        networks["generator"](images, torch.zeros(1, sizes.num_domains))
    with torch.no_grad(), counting_mode() as critic:
        networks["discriminator"](images)
    real_and_fake, penalty = 2 * 3 * critic.total, (1 + 1 + 2 + 2) * critic.total
    update = generator.total + real_and_fake + penalty
    last = 2 * 3 * generator.total + 3 * critic.total
    whole = update + last / sizes.critic_steps
    assert 0.9 * whole < flop < whole
