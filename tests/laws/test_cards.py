import importlib

import pytest

from cupel.spec.catalog import load_catalog
from cupel.spec.entry import Entry
from cupel.spec.extras import missing_extras
from cupel.spec.read_entry import read_entry

ENTRIES = list(load_catalog().entries.values())


def test_every_card_can_be_read() -> None:
    catalog = load_catalog()
    assert catalog.entries
    assert {name: str(error) for name, error in catalog.broken.items()} == {}


@pytest.mark.filterwarnings("ignore")  # what model libraries warn of while they are imported is theirs
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_the_card_as_read_is_the_card_as_imported(entry: Entry) -> None:
    missing = missing_extras(entry.card)
    if missing:
        pytest.skip(f"{entry.stem} needs {', '.join(missing)}, not installed")
    assert entry.module is not None
    module = importlib.import_module(entry.module)
    assert entry.card == module.CARD
    assert callable(module.setup)
    assert callable(module.sane)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_a_card_says_what_a_reader_needs(entry: Entry) -> None:
    card = entry.card
    assert set(card.memory_gib) == {"tiny", "small", "full"}, "auto size needs the memory of each size"
    assert all(gib > 0 for gib in card.memory_gib.values())
    assert card.tags
    of_torch = {"models", "media", "games", "lightning"}
    assert not of_torch & set(card.needs) or "torch" in card.needs, "a slot with torch is for cards that say 'torch'"
    assert read_entry(entry.path, entry.module) == entry
