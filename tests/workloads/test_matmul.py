"""matmul counts what it does, refuses what the device lacks, and its check can fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cupel.run.slot import TorchSlot
from cupel.spec import Seeds, UnsupportedError, WrongWorkError
from cupel.tasks import products
from cupel.workloads import matmul

TINY = SimpleNamespace(**matmul.CARD.sizes("tiny"))
ON_CPU = ("fp32", "bf16", "int8")


def make_slot(precision: str = "fp32", shape: str = "square") -> TorchSlot:
    return TorchSlot(device="cpu", settings={"precision": precision, "shape": shape}, threads=1)


@pytest.mark.parametrize(("precision", "shape"), [("fp32", "square"), ("bf16", "transformer"), ("int8", "transformer")])
def test_a_step_is_counted_by_the_shapes_of_its_products(precision, shape):
    done = matmul.setup(TINY, make_slot(precision, shape), Seeds(0))()
    square = 2 * TINY.n**3
    transformer = 2 * 2 * TINY.tokens * TINY.d_model * 4 * TINY.d_model
    assert done.items * 1e12 == pytest.approx(TINY.repeats * {"square": square, "transformer": transformer}[shape])


@pytest.mark.parametrize("shape", ["square", "transformer"])
@pytest.mark.parametrize("precision", ON_CPU)
def test_the_check_passes(precision, shape):
    matmul.sane(TINY, make_slot(precision, shape), Seeds(0))


def test_int8_products_are_exact_and_not_all_small():
    slot = make_slot("int8")
    product = products.random_product(32, 64, 48, slot=slot, generator=slot.generator(0))
    product.multiply()
    assert torch.equal(product.out.long(), product.left.long() @ product.right.long())
    assert int(product.out.abs().max()) > 10_000


def test_operands_are_normal_and_differ():
    step, sets = matmul.build(TINY, make_slot(), Seeds(0))
    step()
    operands = [operand for one in sets for product in one for operand in (product.left, product.right)]
    for operand in operands:
        assert abs(float(operand.mean())) < 0.02
        assert abs(float(operand.std()) - 1) < 0.02
    assert len({float(operand.sum()) for operand in operands}) == len(operands)


def test_fp8_on_a_cpu_is_refused_in_words():
    with pytest.raises(UnsupportedError, match=r"fp8 was asked on cpu; it needs an NVIDIA GPU .* 8\.9"):
        matmul.setup(TINY, make_slot("fp8"), Seeds(0))


@pytest.mark.parametrize(("capability", "precision"), [((8, 0), "fp8"), ((7, 0), "int8")])
def test_an_old_gpu_is_refused_in_words(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    slot = SimpleNamespace(precision=precision, device=torch.device("cuda:0"))
    with pytest.raises(UnsupportedError, match=f"{precision} was asked on cuda:0 of compute capability"):
        products.require_units(slot)


def test_a_gpu_with_the_units_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    for precision in products.CAPABILITY:
        products.require_units(SimpleNamespace(precision=precision, device=torch.device("cuda:0")))


def spoil(monkeypatch, cheat):
    """Put another call in the place of each product's."""
    honest = products.random_product

    def spoilt(*shape, slot, generator):
        product = honest(*shape, slot=slot, generator=generator)
        return products.Product(product.left, product.right, product.out, lambda: cheat(product))

    monkeypatch.setattr(matmul, "random_product", spoilt)


@pytest.mark.parametrize(
    "cheat",
    [
        pytest.param(lambda _: None, id="nothing is done"),
        pytest.param(lambda product: product.out.zero_(), id="zeros"),
        pytest.param(lambda product: product.out.copy_(product.left @ product.right * 1.001), id="a bit off"),
        pytest.param(
            lambda product: product.out.copy_((product.left.half() @ product.right.half()).float()),
            id="lower precision",
        ),
    ],
)
def test_the_check_fails_when_products_are_wrong(monkeypatch, cheat):
    spoil(monkeypatch, cheat)
    with pytest.raises(WrongWorkError, match="off by"):
        matmul.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_all_operands_are_the_same(monkeypatch):
    honest = products.random_product

    def same(*shape, slot, generator):
        return honest(*shape, slot=slot, generator=generator.manual_seed(0))

    monkeypatch.setattr(matmul, "random_product", same)
    with pytest.raises(WrongWorkError, match="same product"):
        matmul.sane(TINY, make_slot(), Seeds(0))


def test_the_check_fails_when_the_count_is_wrong(monkeypatch):
    monkeypatch.setattr(products.Product, "flop", property(lambda _: 10**9))
    with pytest.raises(WrongWorkError, match="counted"):
        matmul.sane(TINY, make_slot(), Seeds(0))
