"""When a search counts as done: on learning curves that can be followed by hand."""

import math

from cupel.spec.search import Work
from cupel.tasks.cluster import Cluster
from cupel.tasks.until_good import UntilGood, time_to_good


class Lucky:
    """Losses of three configurations of which the first looks better than it is."""

    max_resource = 4.0
    worth = (3.0, 2.0, 1.0)
    looks = (1.5, 2.0, 1.0)

    def loss(self, parameters, _resource, _seed) -> float:
        return self.looks[round(parameters["x"])]

    def expected(self, parameters, _resource) -> float:
        return self.worth[round(parameters["x"])]

    def cost(self, _parameters) -> float:
        return 1.0


class InOrder:
    """Trains configurations 0, 1, 2, ... in full, and remembers what it was told."""

    def __init__(self, num: int) -> None:
        self.num, self.asked, self.told, self.dropped = num, 0, [], []

    def ask(self) -> Work | None:
        if self.asked >= self.num:
            return None
        self.asked += 1
        return Work(self.asked - 1, {"x": float(self.asked - 1)}, 0, (1.0, 4.0))

    def tell(self, trial, resource, _loss) -> bool:
        self.told.append((trial, resource))
        return resource < 4

    def drop(self, trial) -> None:
        self.dropped.append(trial)


def run(target: float, *, num: int = 3, until: float = 100.0):
    watched = UntilGood(InOrder(num), Lucky(), target)
    return watched, *time_to_good(watched, Cluster(), until=until)


def test_the_time_is_that_at_which_the_choice_is_good_when_trained_again() -> None:
    assert run(3.0)[1] == 4.0  # the first is good enough
    assert run(2.0)[1] == 12.0  # the second is worth it, but the first looks better and stays the choice
    assert run(1.0)[1] == 12.0


def test_a_search_that_is_given_up_or_runs_dry_has_no_time() -> None:
    assert run(0.5)[1] == math.inf
    assert run(1.0, until=11.0)[1] == math.inf
    assert run(1.0, num=2)[1] == math.inf


def test_nothing_is_asked_for_once_it_is_done_and_the_books_balance() -> None:
    watched, _, found = run(3.0)
    assert watched.inner.asked == 1
    assert watched.ask() is None
    assert found.broken_laws() == []
    assert found.end == 4.0


def test_what_the_inner_searcher_is_told_is_passed_on() -> None:
    watched, _, _ = run(0.5)
    assert watched.inner.told == [(trial, resource) for trial in range(3) for resource in (1.0, 4.0)]
    watched.drop(2)
    assert watched.inner.dropped == [2]


def test_it_stops_works_under_way_at_their_next_milestone() -> None:
    watched = UntilGood(InOrder(3), Lucky(), 3.0)
    watched.ask()
    watched.ask()
    assert watched.tell(1, 1.0, 2.0)
    assert not watched.tell(0, 4.0, 1.5)
    assert watched.is_done
    assert not watched.tell(1, 1.0, 2.0)
