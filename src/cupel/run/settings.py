"""Settings as users write them: `key=value` texts, checked against the cards that they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cupel.spec.card import Scalar, Workload
from cupel.spec.claim import Claim
from cupel.spec.entry import ClaimEntry, Entry
from cupel.spec.errors import SettingError, UnknownNameError

TRUE_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def split_settings(texts: Iterable[str]) -> dict[str, str]:
    """`key=value` texts as a dict."""
    settings = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise SettingError(f"--set {text!r} is no setting; expected key=value, such as --set precision=bf16.")
        settings[key.strip()] = value.strip()
    return settings


def is_joint(settings: Mapping[str, Scalar], card: Workload | Claim) -> bool:
    """Whether the ranks of a job do one work together (`devices=all`) and not each its own."""
    default = card.all_settings.get("devices", ("one",))[0]
    return settings.get("devices", default) == "all"


def takes(card: Workload | Claim, key: str) -> bool:
    """Whether an entry has a setting or a number of that name."""
    return key in card.all_settings or key in card.sizes("tiny")


def check_keys(settings: Mapping[str, str], cards: Iterable[Workload | Claim]) -> None:
    """Refuse a key that no entry of the run has."""
    known = {key for card in cards for key in (*card.all_settings, *card.sizes("tiny"))}
    for key in settings:
        if key not in known:
            raise UnknownNameError("setting", key, known, see="See an entry's own: cupel show ENTRY.")


def parse_value(entry: Entry | ClaimEntry, key: str, text: str) -> Scalar:
    """A setting's text as the value that the card means."""
    values = entry.card.all_settings.get(key)
    if values is not None:
        for value in values:
            if str(value).lower() == text.lower() or (
                isinstance(value, bool) and TRUE_WORDS.get(text.lower()) is value
            ):
                return value
        raise SettingError(
            f"{entry.stem} takes {key} = {', '.join(str(v).lower() for v in values)}; asked was {text!r}."
        )
    like = entry.card.sizes("tiny")[key]
    kind: Callable[[str], Scalar] = type(like)
    try:
        value = TRUE_WORDS[text.lower()] if isinstance(like, bool) else kind(text)
    except (ValueError, KeyError):
        raise SettingError(f"{entry.stem}'s {key} is like {like!r}; asked was {text!r}.") from None
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0 < float(like):
        raise SettingError(f"{entry.stem}'s {key} must be positive; asked was {text!r}.")
    return value
