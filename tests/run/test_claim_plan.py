"""From names to cells: sizes, settings, filters, and what is refused."""

import pytest

from cupel.run.claim_plan import ClaimPlan, ClaimRequest, asked_claims, make_claim_plan
from cupel.spec.catalog import Catalog, Folder
from cupel.spec.errors import NothingToRunError, SettingError, UnknownNameError, UsageError

CLAIM = """
from cupel.spec.claim import Claim

CARD = Claim(
    says="a beats b", source="a test", varies=("init",), arms={"method": "a", "baseline": "b"}, tags=("x",),
    statements=({"name": "s", "kind": "quality", "says": "a is larger", "metric": "v", "better": "higher"},),
    settings={"data": ("made up", "disk")}, tiny={"n": 2}, small={"n": 3}, full={"n": 4},
)


def task(sizes, slot, rng):
    return sizes.n


def method(task, slot, rng, hp):
    return 1.0


baseline_name = "b"


def baseline(task, slot, rng, hp):
    return 1.0
"""


@pytest.fixture
def catalog(tmp_path):
    for stem, text in (("a_vs_b", CLAIM), ("c_vs_d", CLAIM.replace('tags=("x",)', 'tags=("y",)'))):
        (tmp_path / f"{stem}.py").write_text(text, encoding="utf-8")
    (tmp_path / "two.toml").write_text(
        'title = "Two"\nabout = "x"\nsize = "tiny"\n[[entries]]\nrun = "a_vs_b"\n'
        '[[entries]]\nrun = "c_vs_d"\nset = { n = 7 }\n'
    )
    return Catalog([Folder(tmp_path, None)])


def plan(catalog, *names, **request):
    return make_claim_plan(ClaimRequest(names=names, **request), catalog)


@pytest.mark.parametrize(
    ("names", "size", "found"), [("two", "auto", "tiny"), ("two", "full", "full"), ("a_vs_b", "auto", "small")]
)
def test_the_size_is_the_one_asked_or_the_suites_or_small(catalog, names, size, found):
    assert {cell.job.size for cell in plan(catalog, names, size=size).cells} == {found}


def test_settings_of_the_suite_and_of_the_user_are_part_of_the_cell(catalog):
    first, second = plan(catalog, "two", settings=("data=disk",)).cells
    assert first.key == "claim/a_vs_b tiny data=disk"
    assert second.key == "claim/c_vs_d tiny data=disk n=7"
    assert second.job.sizes == {"n": 7}
    assert first.job.settings == {"data": "disk"}


def test_filters(catalog):
    assert [cell.job.stem for cell in plan(catalog, "two", tags=("y",)).cells] == ["c_vs_d"]
    assert [cell.job.stem for cell in plan(catalog, "two", exclude=("c_vs_d",)).cells] == ["a_vs_b"]
    with pytest.raises(NothingToRunError, match="no claim has the tags"):
        plan(catalog, "two", exclude=("x", "y"))


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        ({"size": "huge"}, UnknownNameError, "No size named 'huge'"),
        ({"tags": ("z",)}, UnknownNameError, "No tag named 'z'"),
        ({"exclude": ("z",)}, UnknownNameError, "exclude named 'z'"),
        ({"settings": ("m=1",)}, UnknownNameError, "No setting named 'm'"),
        ({"settings": ("data=cloud",)}, SettingError, "takes data = made up, disk"),
        ({"settings": ("n=many",)}, SettingError, "n is like"),
    ],
)
def test_what_is_not_there_is_refused(catalog, request_, error, match):
    with pytest.raises(error, match=match):
        plan(catalog, "a_vs_b", **request_)


def test_two_files_of_one_name_are_refused(catalog, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "e_vs_f.py").write_text(CLAIM)
    third = tmp_path / "third"
    third.mkdir()
    (third / "e_vs_f.py").write_text(CLAIM)
    with pytest.raises(UsageError, match="have the same name"):
        plan(catalog, str(other / "e_vs_f.py"), str(third / "e_vs_f.py"))


def test_claims_are_told_from_workloads(catalog):
    assert asked_claims(("two", "a_vs_b"), catalog)
    with pytest.raises(UnknownNameError):
        asked_claims(("nothing",), catalog)


def test_a_plan_survives_json(catalog):
    asked = plan(catalog, "two", pairs=7, budget_s=60.0)
    again = ClaimPlan.from_dict(asked.as_dict())
    assert again.cells == asked.cells
    assert again.request == asked.request


def test_arms_of_a_pair_share_their_seeds_and_tuning_has_its_own(catalog):
    (cell,) = plan(catalog, "a_vs_b").cells
    one, other = (cell.trial(arm, 3, hp={}) for arm in ("method", "baseline"))
    assert (one.launch, one.seed, one.stream) == (other.launch, other.seed, other.stream)
    assert one.id != other.id
    assert cell.trial("method", 3, hp={}, stream="tuning").id != one.id
    assert cell.varied("method", 3, hp={}, source="init").varies == ("init",)
