"""regnet_y_128gf trains the network that the design space gives, and its check can fail."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="this workload needs torch")
pytest.importorskip("transformers", reason="this workload needs transformers")

from torch.utils.flop_counter import FlopCounterMode

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import regnet_y_128gf

TINY = SimpleNamespace(**regnet_y_128gf.CARD.sizes("tiny"))
FULL = SimpleNamespace(**regnet_y_128gf.CARD.sizes("full"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "compile": False}, threads=1)


def test_full_is_the_published_network():
    with torch.device("meta"):
        model = regnet_y_128gf.build_model(FULL)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            logits = model(torch.empty(1, 3, 224, 224)).logits
    assert sum(parameter.numel() for parameter in model.parameters()) == 644_812_894
    assert counter.get_total_flops() / 2 == pytest.approx(127.5e9, rel=0.01)
    assert logits.shape == (1, 1000)
    assert (FULL.batch, FULL.image_px) == (64, 224)


def test_its_stages_are_those_of_the_design_space():
    """Equations 2 to 4 of the paper, then widths made to fit the groups, for the parameters of the 128 GF network."""
    first, slope, factor, depth, group = 456, 160.83, 2.52, 27, 264
    powers = [round(math.log((first + slope * block) / first) / math.log(factor)) for block in range(depth)]
    widths = Counter(round(first * factor**power / 8) * 8 for power in powers)
    assert [round(width / group) * group for width in sorted(widths)] == [
        groups * FULL.group_width for groups in regnet_y_128gf.GROUPS
    ]
    assert tuple(widths[width] for width in sorted(widths)) == regnet_y_128gf.BLOCKS[FULL.depth]


def test_a_step_counts_its_images_and_has_the_librarys_loss():
    torch.manual_seed(0)
    classifier = regnet_y_128gf.build(TINY, make_slot(), Seeds(0))
    batch = classifier.batches[0]
    expected = classifier.model(batch.images_NCHW, labels=batch.labels_N).loss
    done = classifier.step()
    assert done.items == TINY.batch
    torch.testing.assert_close(done.loss, expected.detach())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    regnet_y_128gf.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_fails_without_updates(monkeypatch):
    monkeypatch.setattr(TorchSlot, "step", lambda _slot, _loss: None)
    with pytest.raises(WrongWorkError, match=r"regnet_y_128gf: .*expected it to fall"):
        regnet_y_128gf.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_squeeze_is_left_out(monkeypatch):
    from transformers.models.regnet.modeling_regnet import RegNetSELayer

    monkeypatch.setattr(RegNetSELayer, "forward", lambda _layer, x: x)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches .*attention\.0\.weight"):
        regnet_y_128gf.sane(TINY, make_slot(), Seeds(0))
