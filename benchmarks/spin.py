"""A workload for measuring Cupel itself: a fixed amount of Python work, of which `percent` can be asked.

`cupel run benchmarks/spin.py --set percent=110` is the same work slowed by 10 %.
"""

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError

CARD = Workload(
    measures="interpreter throughput",
    unit="rounds",
    better="higher",
    source="benchmarks/repeatability.py",
    tiny={"iterations": 200, "percent": 100},
    small={"iterations": 2000, "percent": 100},
    full={"iterations": 20000, "percent": 100},
    stepping_s={"tiny": 0.3},
    memory_gib={"tiny": 0.1, "small": 0.1, "full": 0.1},
)


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Count up to a number."""
    del slot, rng
    count = sizes.iterations * sizes.percent // 100 * 100

    def step() -> Done:
        total = 0
        for number in range(count):
            total += number
        return Done(items=1.0)

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """The count is right."""
    done = setup(sizes, slot, rng)()
    if done.items != 1.0:
        raise WrongWorkError(f"one step did {done.items} rounds; expected 1")
