from collections import Counter
from pathlib import Path

from cupel.spec.catalog import KINDS, load_catalog
from cupel.spec.suite import Suite

ROOT = Path(__file__).parents[2]
FORBIDDEN = {"utils", "util", "common", "helpers", "helper", "misc", "base", "core", "manager", "tools", "lib", "stuff"}


def test_a_stem_names_one_thing() -> None:
    catalog = load_catalog()
    twins = [str(error) for error in catalog.broken.values() if "Two files are named" in str(error)]
    assert twins == []
    names = [*catalog.entries, *catalog.claims, *catalog.suites]
    assert len(set(names)) == len(names)
    assert not set(names) & set(KINDS)


def test_entries_and_suites_are_flat_and_lower_case() -> None:
    for room in ("workloads", "claims", "suites"):
        for path in (ROOT / "src/cupel" / room).glob("*.*"):
            assert path.suffix in (".py", ".toml"), path
            assert path.stem == "__init__" or path.stem.replace("_", "a").isalnum(), path
            assert path.stem == path.stem.lower(), path


def test_a_claim_is_named_after_its_method_and_its_baseline() -> None:
    for stem in load_catalog().claims:
        method, _, baseline = stem.partition("_vs_")
        assert method, stem
        assert baseline, stem
        assert "_vs_" not in baseline, stem


def test_the_suite_of_claims_has_every_claim_once() -> None:
    catalog = load_catalog()
    suite = catalog.find("claims")
    assert isinstance(suite, Suite)
    own = sorted(stem for stem, claim in catalog.claims.items() if claim.path.is_relative_to(ROOT))
    assert [cell.run for cell in suite.entries] == own, "src/cupel/suites/claims.toml lists each claim once, by name"
    assert not any(cell.settings for cell in suite.entries)


def test_no_module_is_named_after_nothing() -> None:
    names = {path for path in (ROOT / "src").rglob("*.py") if path.stem.strip("_") in FORBIDDEN}
    folders = {path for path in (ROOT / "src").rglob("*/") if path.is_dir() and path.name.strip("_") in FORBIDDEN}
    assert not names | folders


def test_every_test_file_has_a_name_of_its_own() -> None:
    count = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in count.items() if times > 1] == []
    assert not list((ROOT / "tests").rglob("__init__.py"))
