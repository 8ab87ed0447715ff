"""Matrix products at the precision of the run: the arithmetic that a device can do at best.

Decisions:
- `shape=square`: n x n by n x n. `shape=transformer`: tokens x d by d x 4d, and tokens x 4d by 4d x d, as in the
  feed-forward part of a transformer.
- Random operands, stored in the precision, no autocast (`cupel.tasks.products`). Products are not chained: int8 and
  fp8 would need a requantisation that is no part of a product.
- A step rotates over `buffers` sets of operands, each with outputs of its own, and does `repeats` sets, so that a
  product never meets the operands of the one before it and a step on a fast device still takes a millisecond.
- fp8 runs on NVIDIA devices of compute capability 8.9 or more, int8 on CPUs and on NVIDIA devices of 7.5 or more.
- Counted: 2mnk operations for a product, whatever the algorithm, in units of 1e12; operations on int8 count like flop.
"""

from __future__ import annotations

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError
from cupel.tasks.products import TOLERANCE, Product, random_product, require_units

CARD = Workload(
    measures="matrix product throughput",
    unit="TFLOP",
    better="higher",
    source="Dongarra et al. 1990, A Set of Level 3 Basic Linear Algebra Subprograms (GEMM)",
    tags=("kernel", "compute"),
    needs=("torch",),
    settings={
        "precision": ("fp32", "tf32", "bf16", "fp16", "fp8", "int8"),
        "shape": ("square", "transformer"),
    },
    tiny={"n": 256, "tokens": 128, "d_model": 128, "buffers": 2, "repeats": 8},
    small={"n": 1024, "tokens": 512, "d_model": 512, "buffers": 2, "repeats": 2},
    full={"n": 8192, "tokens": 8192, "d_model": 4096, "buffers": 4, "repeats": 8},
    memory_gib={"tiny": 0.01, "small": 0.05, "full": 4.0},
    bound="flop",
    per_item=1e12,
)


def build(sizes: Sizes, slot: Slot, rng: Seeds) -> tuple[Step, list[list[Product]]]:
    """The step, and the sets of products that it rotates over."""
    require_units(slot)
    generator = slot.generator(rng.seed("data"))
    shapes = [(sizes.n, sizes.n, sizes.n)]
    if slot.settings.get("shape", "square") == "transformer":
        d_ff = 4 * sizes.d_model
        shapes = [(sizes.tokens, sizes.d_model, d_ff), (sizes.tokens, d_ff, sizes.d_model)]
    sets = [[random_product(*shape, slot=slot, generator=generator) for shape in shapes] for _ in range(sizes.buffers)]
    calls = [product.multiply for repeat in range(sizes.repeats) for product in sets[repeat % sizes.buffers]]
    items = sizes.repeats * sum(product.flop for product in sets[0]) / 1e12

    def step() -> Done:
        for call in calls:
            call()
        return Done(items=items)

    return step, sets


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Random operands on the device; a step multiplies them."""
    return build(sizes, slot, rng)[0]


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """Every product that a step leaves agrees with float64, no two agree with each other, and all are counted."""
    step, sets = build(sizes, slot, rng)
    done = step()
    slot.sync()
    products = [product for one in sets for product in one]
    for product in products:
        error = product.error()
        if not error <= TOLERANCE[slot.precision]:
            raise WrongWorkError(
                f"matmul at {slot.precision}: a product is off by {error:.2g} of its norm; "
                f"expected at most {TOLERANCE[slot.precision]:.2g}, against float64."
            )
    if (sets[0][0].out == sets[1][0].out).float().mean() > 0.5:
        raise WrongWorkError("matmul: the first two sets of operands gave the same product; expected random operands.")
    flop = sum(2 * p.out.numel() * p.left.shape[1] for p in products) * sizes.repeats / sizes.buffers
    if abs(done.items * 1e12 - flop) > 0.5:
        raise WrongWorkError(f"matmul: a step counted {done.items * 1e12:.0f} flop; expected {flop:.0f}.")
