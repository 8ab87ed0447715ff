"""Masks hide blocks of the frame for the whole clip, as many patches in each clip as their kind says."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the masks are made by torch")

from cupel.tasks.data.video_masks import LONG, SHORT, BlockKind, masked_clips, video_mask


def draw(kind: BlockKind, num_clips: int = 50, side: int = 16) -> torch.Tensor:
    """Which places of a frame are hidden, (N, H, W), having checked that all slices hide the same."""
    generator = torch.Generator().manual_seed(0)
    seen, hidden = video_mask(kind, num_clips=num_clips, grid=(3, side), generator=generator)
    both = torch.cat([seen, hidden], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(3 * side * side).expand(num_clips, -1))
    is_hidden = torch.zeros(num_clips, 3 * side * side, dtype=torch.bool).scatter(1, hidden, value=True)
    slices = is_hidden.view(num_clips, 3, side, side)
    assert torch.equal(slices[:, 0], slices[:, 1])
    assert torch.equal(slices[:, 0], slices[:, 2])
    return slices[:, 0]


@pytest.mark.parametrize("kind", [SHORT, LONG])
def test_every_clip_hides_the_same_number(kind):
    is_hidden = draw(kind)
    assert set(is_hidden.sum(dim=(1, 2)).tolist()) == {round(kind.hidden * 256)}
    assert not torch.equal(is_hidden[0], is_hidden[1])


def test_one_block_is_a_rectangle_of_its_area():
    for frame in draw(BlockKind(1, 0.25, 0.2)):
        rows, columns = frame.any(dim=1).nonzero(), frame.any(dim=0).nonzero()
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        # a fifth of the frame is hidden, all within the block of a quarter
        assert height * width <= 72
        assert 0.6 < height / width < 1.8


@pytest.mark.parametrize("kind", [SHORT, LONG])
def test_hidden_patches_hang_together(kind):
    is_hidden = draw(kind)
    differ = float((is_hidden[:, 1:] ^ is_hidden[:, :-1]).float().mean())
    assert differ < 0.6 * 2 * kind.hidden * (1 - kind.hidden)  # 0.6 of how often neighbours differ by chance alone


def test_clips_and_masks_fit_together():
    generator = torch.Generator().manual_seed(0)
    batch = masked_clips((3, 4, 32), (2, 8), kinds=(SHORT, LONG), generator=generator)
    assert batch.clips_NTCHW.shape == (3, 4, 3, 32, 32)
    assert [mask.seen_NP.shape[1] + mask.hidden_NP.shape[1] for mask in batch.masks] == [32, 32]
    assert batch.masks[0].hidden_NP.shape == (3, 20)
