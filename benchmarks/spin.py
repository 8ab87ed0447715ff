"""A workload for measuring Cupel itself: four kinds of plain Python work, of which `percent` can be asked.

`cupel run benchmarks/spin.py --set percent=110` is the same work slowed by 10 % (a tenth more for the same item).
"""

import json
import random
import zlib
from collections.abc import Callable

from cupel.spec import Done, Seeds, Sizes, Slot, Step, Workload, WrongWorkError

CARD = Workload(
    measures="interpreter throughput",
    unit="rounds",
    better="higher",
    source="benchmarks/repeatability.py",
    settings={"work": ("count", "deflate", "sort", "json")},
    tiny={"parts": 10, "percent": 100},
    small={"parts": 100, "percent": 100},
    full={"parts": 1000, "percent": 100},
    stepping_s={"tiny": 0.3},
    memory_gib={"tiny": 0.1, "small": 0.1, "full": 0.1},
)


def part(work: str, rng: Seeds) -> Callable[[], object]:
    """A tenth of a percent of a millisecond or so of one kind of work."""
    numbers = [random.Random(rng.seed("data", k)).random() for k in range(300)]
    text = json.dumps(numbers)
    parts: dict[str, Callable[[], object]] = {
        "count": lambda: sum(k * k for k in range(900)),
        "deflate": lambda: zlib.compress(text.encode()[:1200]),
        "sort": lambda: sorted(numbers),
        "json": lambda: json.loads(text),
    }
    return parts[work]


def setup(sizes: Sizes, slot: Slot, rng: Seeds) -> Step:
    """Do a number of equal parts."""
    do = part(str(slot.settings["work"]), rng)
    count = sizes.parts * sizes.percent // 100

    def step() -> Done:
        for _ in range(count):
            do()
        return Done(items=1.0)

    return step


def sane(sizes: Sizes, slot: Slot, rng: Seeds) -> None:
    """A part does work, and more percent are more parts."""
    result = part(str(slot.settings["work"]), rng)()
    if not result:
        raise WrongWorkError(f"one part gave {result!r}; expected a number, bytes or a list")
    if sizes.parts * 110 // 100 <= sizes.parts:
        raise WrongWorkError(f"{sizes.parts} parts cannot be slowed by 10 %; expected at least 10")
