"""The loss is that of the algorithm, written out as loops."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the loss is made by torch")

from cupel.tasks import self_distillation
from cupel.tasks.data.image_crops import image_crops


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_mean_cross_entropy_over_pairs_of_different_crops():
    student, teacher, centre = draw(5, 3, 8), draw(2, 3, 8, seed=1), draw(8, seed=2)
    terms = []
    for image in range(3):
        for target in range(2):
            p = torch.softmax((teacher[target, image] - centre) / 0.07, -1)
            terms += [
                -(p * torch.log_softmax(student[crop, image] / 0.1, -1)).sum() for crop in range(5) if crop != target
            ]
    found = self_distillation.crop_loss(student, self_distillation.targets_of(teacher, centre))
    torch.testing.assert_close(found, torch.stack(terms).mean())


def test_the_centre_moves_a_tenth_of_the_way_to_the_mean():
    centre, teacher = torch.ones(8), draw(2, 3, 8)
    self_distillation.recentre(centre, teacher)
    torch.testing.assert_close(centre, 0.9 + 0.1 * teacher.mean(dim=(0, 1)))


def test_what_all_images_share_does_not_reach_the_targets():
    teacher, shared = draw(2, 3, 8), draw(8, seed=1)
    plain = self_distillation.targets_of(teacher, torch.zeros(8))
    torch.testing.assert_close(self_distillation.targets_of(teacher + shared, shared), plain)


def test_crops_of_an_image_share_its_colour():
    generator = torch.Generator().manual_seed(0)
    large, little = image_crops(num_images=4, kinds=[(2, 28), (3, 14)], generator=generator)
    assert large.shape == (8, 3, 28, 28)
    assert little.shape == (12, 3, 14, 14)
    colours = large.mean(dim=(2, 3)).view(2, 4, 3)
    torch.testing.assert_close(colours[0], colours[1], atol=0.15, rtol=0.0)
    torch.testing.assert_close(little.mean(dim=(2, 3)).view(3, 4, 3)[2], colours[0], atol=0.3, rtol=0.0)
    assert float((colours[0, 0] - colours[0, 1]).abs().max()) > 0.3
