"""patchtst has the published size, scales its windows by what was measured, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="patchtst needs torch")
pytest.importorskip("transformers", reason="patchtst needs transformers")

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, WrongWorkError
from cupel.workloads import patchtst

TINY = SimpleNamespace(**patchtst.CARD.sizes("tiny"))


def make_slot(precision: str = "fp32") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision}, threads=1)


def make_parts() -> patchtst.Parts:
    parts = patchtst.Parts(TINY, make_slot(), Seeds(0))
    parts.model.eval()
    return parts


def test_full_is_patchtst_64():
    with torch.device("meta"):
        model = patchtst.build_model(SimpleNamespace(**patchtst.CARD.sizes("full")))
    layer = 4 * (128 * 128 + 128) + (128 * 256 + 256 + 256 * 128 + 128) + 2 * 2 * 128
    whole = (16 * 128 + 128) + 64 * 128 + 3 * layer + (64 * 128 * 96 + 96)
    assert model.model.patchifier.num_patches == 64
    assert sum(parameter.numel() for parameter in model.parameters()) == whole == 1_194_336


def test_a_step_counts_series_and_windows():
    done = patchtst.setup(TINY, make_slot(), Seeds(0))()
    assert done.items == TINY.batch * TINY.channels
    assert done.also == {"windows": TINY.batch}
    assert not done.loss.requires_grad


def test_windows_are_drawn_anew_and_the_future_follows_the_past():
    parts = make_parts()
    (past, future), (other, _) = parts.draw(), parts.draw()
    assert not torch.equal(past, other)
    whole = torch.cat([past, future], dim=1)
    for window in whole:
        start = int((parts.series_LC == window[0]).all(dim=1).nonzero()[0])
        assert torch.equal(window, parts.series_LC[start : start + len(window)])


def test_the_repeated_value_does_not_count_in_the_scale():
    parts = make_parts()
    past, _ = parts.draw()
    past[:, -1] = 50.0
    padded = torch.cat([past, past[:, -1:].expand(-1, TINY.stride, -1)], dim=1)
    output = parts.model(padded, past_observed_mask=parts.is_real_BTC)
    torch.testing.assert_close(output.loc, past.mean(dim=1, keepdim=True))
    torch.testing.assert_close(output.scale, past.std(dim=1, keepdim=True, correction=0), rtol=1e-4, atol=1e-4)


def test_series_do_not_see_each_other():
    parts = make_parts()
    past, _ = parts.draw()
    changed = past.clone()
    changed[:, :, 0] = changed[:, :, 0].flip(1)
    before, after = parts.forecast(past), parts.forecast(changed)
    torch.testing.assert_close(after[:, :, 1:], before[:, :, 1:])
    assert not torch.equal(after[:, :, 0], before[:, :, 0])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_passes(precision):
    patchtst.sane(TINY, make_slot(precision), Seeds(0))


def test_the_check_finds_windows_that_are_not_scaled(monkeypatch):
    honest = patchtst.build_model

    def unscaled(sizes):
        model = honest(sizes)
        model.model.scaler.forward = lambda data, _: (data, torch.zeros_like(data[:, :1]), torch.ones_like(data[:, :1]))
        return model

    monkeypatch.setattr(patchtst, "build_model", unscaled)
    with pytest.raises(WrongWorkError, match="expected windows to be scaled"):
        patchtst.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_a_layer_that_is_left_out(monkeypatch):
    honest = patchtst.build_model

    def short(sizes):
        model = honest(sizes)
        model.model.encoder.layers[1].forward = lambda hidden_state, **_: (hidden_state,)
        return model

    monkeypatch.setattr(patchtst, "build_model", short)
    with pytest.raises(WrongWorkError, match=r"no gradient reaches model\.encoder\.layers\.1"):
        patchtst.sane(TINY, make_slot(), Seeds(0))


def test_the_check_finds_training_that_climbs(monkeypatch):
    update = TorchSlot.step
    monkeypatch.setattr(TorchSlot, "step", lambda slot, loss: update(slot, -loss))
    with pytest.raises(WrongWorkError, match="expected it to fall"):
        patchtst.sane(TINY, make_slot(), Seeds(0))


def test_every_series_of_a_table_from_disk_is_counted(tmp_path, monkeypatch):
    rows = "".join(f"2020-01-{day:03},{day % 7},{day % 5},{day},{-day},{day % 3}\n" for day in range(200))
    (tmp_path / "own.csv").write_text("date,a,b,c,d,e\n" + rows)
    monkeypatch.setenv("CUPEL_SERIES", str(tmp_path / "own.csv"))
    slot = TorchSlot(device="cpu", settings={"data": "disk"}, threads=1)
    done = patchtst.setup(TINY, slot, Seeds(0))()
    assert (done.items, done.also) == (5 * TINY.batch, {"windows": TINY.batch})
    assert bool(done.loss.isfinite())
