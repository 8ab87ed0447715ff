"""StarGAN's networks have the layers of the paper's tables."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="this part needs torch")

from cupel.tasks.models.stargan import Discriminator, Generator, Residual


def shapes_of(layers, x):
    shapes = []
    for layer in layers:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    return list(dict.fromkeys(shapes))


def test_sizes_are_those_of_tables_4_and_5():
    with torch.device("meta"):
        generator = Generator(width=64, num_blocks=6, num_domains=5)
        discriminator = Discriminator(image_px=128, width=64, depth=6, num_domains=5)
        up_and_down = shapes_of(generator.layers, torch.empty(2, 8, 128, 128))
        down = shapes_of(discriminator.layers, torch.empty(2, 3, 128, 128))
        verdict = discriminator(torch.empty(2, 3, 128, 128))
    assert up_and_down == [(64, 128, 128), (128, 64, 64), (256, 32, 32), (3, 128, 128)]
    assert down == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)]
    assert verdict.scores_N1HW.shape == (2, 1, 2, 2)
    assert verdict.domains_ND.shape == (2, 5)
    assert sum(isinstance(layer, Residual) for layer in generator.layers) == 6


def test_the_generator_knows_the_domains_that_are_wanted_and_stays_in_range():
    torch.manual_seed(0)
    generator = Generator(width=4, num_blocks=1, num_domains=2)
    images = 2 * torch.rand(2, 3, 8, 8) - 1
    one, other = (generator(images, torch.tensor([wanted] * 2)).detach() for wanted in ([1.0, 0.0], [0.0, 1.0]))
    assert one.shape == images.shape
    assert float(one.abs().max()) < 1.0
    assert not torch.allclose(one, other)


def test_a_block_is_its_residual_plus_its_input():
    torch.manual_seed(0)
    block = Residual(3)
    x = torch.randn(2, 3, 6, 6)

    def normed(y):
        mean, var = y.mean((2, 3), keepdim=True), y.var((2, 3), keepdim=True, unbiased=False)
        return (y - mean) / (var + 1e-5).sqrt()

    hidden = normed(torch.nn.functional.conv2d(x, block.first[0].weight, padding=1)).relu()
    expected = x + normed(torch.nn.functional.conv2d(hidden, block.second[0].weight, padding=1))
    torch.testing.assert_close(block(x), expected)
