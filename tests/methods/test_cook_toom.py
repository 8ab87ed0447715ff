"""Cook-Toom transforms: exactly a convolution, the matrices in print, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cupel.methods.cook_toom import POINTS, Transforms, convolution_defect, cook_toom
from cupel.spec.errors import UsageError


@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 6, 7])
def test_transforms_are_exactly_a_convolution(outputs, taps):
    transforms = cook_toom(outputs, taps)
    assert convolution_defect(transforms) == 0
    assert (transforms.num_outputs, transforms.num_taps) == (outputs, taps)
    assert transforms.num_products == outputs + taps - 1


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.lists(st.fractions(-3, 3, max_denominator=6), min_size=7, max_size=7, unique=True),
    st.randoms(use_true_random=False),
)
def test_any_points_will_do_and_the_sum_of_a_filter_comes_out_exactly(outputs, taps, points, random):
    transforms = cook_toom(outputs, taps, points[: outputs + taps - 2])
    assert convolution_defect(transforms) == 0
    g = [Fraction(random.randint(-9, 9), 7) for _ in range(taps)]
    d = [Fraction(random.randint(-9, 9), 5) for _ in range(outputs + taps - 1)]
    products = [
        sum(a * b for a, b in zip(row, g, strict=True)) * sum(a * b for a, b in zip(column, d, strict=True))
        for row, column in zip(transforms.filter, transforms.input, strict=True)
    ]
    found = [sum(a * b for a, b in zip(row, products, strict=True)) for row in transforms.output]
    assert found == [sum(g[j] * d[i + j] for j in range(taps)) for i in range(outputs)]


def test_f4_is_the_matrices_of_lavin_and_gray_up_to_the_signs_of_a_product():
    transforms = cook_toom(4, 3)
    output, taps, inputs = transforms.arrays()
    printed_g = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
    printed_b = np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    )
    printed_a = np.array(
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    )
    np.testing.assert_array_equal(taps, printed_g)
    np.testing.assert_array_equal(inputs, printed_b)
    np.testing.assert_array_equal(output, printed_a)


def test_products_are_fewer_by_the_known_factors():
    assert [cook_toom(m, 3).saving for m in (2, 4, 6)] == [2.25, 4.0, 5.0625]


def by_trial():
    """F(6, 3) as the authors' code scales it: diagonals whose product is not 1 at two of the points."""
    exact = cook_toom(6, 3, (0, 1, -1, 2, -2, "3/2", "-3/2"))
    given = [Fraction(text) for text in ("4", "-6", "-6", "24", "24", "1", "-12", "-12")]
    taps = [Fraction(text) for text in ("1/4", "-1/6", "-1/6", "1/24", "1/24", "-1/12", "-1/12", "1")]
    norms = [1 / row[0] for row in exact.filter[:-1]] + [Fraction(1)]
    return replace(
        exact,
        filter=tuple(
            tuple(scale * norm * entry for entry in row)
            for scale, norm, row in zip(taps, norms, exact.filter, strict=True)
        ),
        input=tuple(
            tuple(scale / norm * entry for entry in row)
            for scale, norm, row in zip(given, norms, exact.input, strict=True)
        ),
    )


def test_matrices_that_are_no_convolution_are_found_out():
    assert convolution_defect(by_trial()) > Fraction(1, 2)
    good = cook_toom(2, 3)
    off = Transforms(good.output, good.filter, (tuple(2 * b for b in good.input[0]), *good.input[1:]), good.points)
    assert convolution_defect(off) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((0, 3), "at least 1 output"),
        ((2, 3, (0, 1)), "expected 3 different ones"),
        ((2, 3, (0, 1, 1)), "expected 3 different ones"),
        ((9, 9), f"with the points {', '.join(map(str, POINTS))}; expected 16"),
        ((2, 3, (0, 1, 0.1)), "0.1 is a float"),
        ((2, 3, (0, 1, "half")), "not all numbers"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(asked, words):
    with pytest.raises(UsageError, match=None) as caught:
        cook_toom(*asked)
    assert words in str(caught.value)
