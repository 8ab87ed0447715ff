import json
import math
import random
from pathlib import Path

import pytest

from cupel.methods.find_searcher import find_searcher
from cupel.spec.errors import CupelError, UsageError
from cupel.spec.read_space import read_space
from cupel.spec.search import Search
from cupel.tasks.cluster import Cluster
from cupel.tasks.recorded_curves import RecordedCurves
from cupel.tasks.surrogate_curves import SPACE, SurrogateCurves

SMALL = read_space("lr=log(0.01,1), act=cat(relu,gelu), depth=int(1,3) if act=relu")
ROWS = """lr,act,depth,resource,loss,seed,cost
0.01,relu,1,1,0.9,0,2
0.01,relu,1,9,0.5,0,4
0.01,relu,1,1,0.8,1,2
0.01,relu,1,9,0.4,1,4
1,gelu,,9,,,
1,gelu,,1,0.7,,
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "curves.csv"
    path.write_text(ROWS)
    return path


def test_what_was_recorded_comes_back_and_seeds_choose_among_trainings(table: Path) -> None:
    curves = RecordedCurves.read(table, SMALL)
    first, second = {"lr": 0.01, "act": "relu", "depth": 1}, {"lr": 1.0, "act": "gelu"}
    assert (len(curves), curves.max_resource) == (2, 9)
    assert [curves.loss(first, 9, seed) for seed in range(4)] == [0.5, 0.4, 0.5, 0.4]
    assert curves.loss(first, 3, 0) == pytest.approx(0.8)
    assert (curves.loss(second, 1, 5), curves.loss(second, 9, 5), curves.loss(second, 3, 5)) == (
        0.7,
        math.inf,
        math.inf,
    )
    assert (curves.cost(first), curves.cost(second)) == (3, 1)


def test_a_configuration_that_was_not_recorded_has_the_curve_of_the_nearest(table: Path) -> None:
    curves = RecordedCurves.read(table, SMALL)
    assert curves.loss({"lr": 0.02, "act": "relu", "depth": 2}, 1, 0) == 0.9
    assert curves.loss({"lr": 0.5, "act": "gelu"}, 1, 0) == 0.7
    # the choice differs, and so does whether there is a depth at all: that outweighs the whole range of lr
    assert curves.loss({"lr": 0.012, "act": "gelu"}, 1, 0) == 0.7
    with pytest.raises(UsageError, match="recorded are 1 to 9"):
        curves.loss({"lr": 0.5, "act": "gelu"}, 0.5, 0)
    with pytest.raises(UsageError, match="recorded are 1 to 9"):
        curves.loss({"lr": 0.5, "act": "gelu"}, 10, 0)


def test_csv_and_json_say_the_same(table: Path, tmp_path: Path) -> None:
    rows = [
        {"lr": 0.01, "act": "relu", "depth": 1, "resource": resource, "loss": loss, "seed": seed, "cost": cost}
        for resource, loss, seed, cost in ((1, 0.9, 0, 2), (9, 0.5, 0, 4), (1, 0.8, 1, 2), (9, 0.4, 1, 4))
    ]
    rows += [{"lr": 1, "act": "gelu", "depth": None, "resource": r, "loss": v} for r, v in ((9, None), (1, 0.7))]
    path = tmp_path / "curves.json"
    path.write_text(json.dumps(rows))
    one, other = RecordedCurves.read(table, SMALL), RecordedCurves.read(path, SMALL)
    assert vars(one)["_curves"] == vars(other)["_curves"]
    assert vars(one)["_costs"] == vars(other)["_costs"]


def test_a_recorded_search_is_the_search_on_what_was_recorded() -> None:
    made = SurrogateCurves(5, max_resource=16)
    search = Search(SPACE, trials=40, max_resource=16, eta=4, seed=3)
    cluster = Cluster(workers=4, straggler_sd=0.3, seed=1)
    direct = cluster.run(find_searcher("asha", search), made)
    seeds = {told.trial: None for told in direct.told}
    rows = [
        {**direct.parameters[told.trial], "resource": told.resource, "loss": told.loss,
         "cost": made.cost(direct.parameters[told.trial])}
        for told in direct.told
    ]  # fmt: skip
    again = cluster.run(find_searcher("asha", search), RecordedCurves(rows, SPACE))
    assert len(seeds) == 40
    assert repr(again.told) == repr(direct.told)
    assert again.broken_laws() == []


def test_nearest_is_by_the_places_of_the_whole_space() -> None:
    rng, made = random.Random(0), SurrogateCurves(0)
    recorded = [SPACE.draw(rng) for _ in range(30)]
    rows = [{**one, "resource": 1, "loss": k} for k, one in enumerate(recorded)]
    curves = RecordedCurves(rows, SPACE)
    for _ in range(20):
        asked = made.space.draw(rng)
        where = SPACE.places_of(asked)
        gaps = [sum((where[n] - SPACE.places_of(one)[n]) ** 2 for n in SPACE) for one in recorded]
        assert curves.loss(asked, 1, 0) == gaps.index(min(gaps))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("lr,act,depth,resource,loss\n", "no rows"),
        ("lr,act,resource,loss\n1,gelu,1,2\n", "lacks depth"),
        ("lr,act,depth,resource,loss\n1,tanh,,1,2\n", "tanh"),
        ("lr,act,depth,resource,loss\n1,gelu,2,1,2\n", "condition is not met"),
        ("lr,act,depth,resource,loss\n1,gelu,,0,2\n", "resource 0"),
        ("lr,act,depth,resource,loss,cost\n1,gelu,,1,2,-1\n", "cost -1"),
        ("lr,act,depth,resource,loss\n1,gelu,,1,2\n1,gelu,,1,3\n", "two losses at resource 1"),
        ("lr,act,depth,resource,loss\n1,gelu,,1,low\n", "low"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_name(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(CupelError, match=word) as caught:
        RecordedCurves.read(path, SMALL)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curves.json"
    path.write_text("[1, 2]")
    with pytest.raises(UsageError, match="Row 1"):
        RecordedCurves.read(path, SMALL)
    with pytest.raises(UsageError, match="no\\.csv"):
        RecordedCurves.read(tmp_path / "no.csv", SMALL)
