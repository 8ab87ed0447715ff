"""Every error that Cupel raises on purpose.

    CupelError
    ├── UsageError (ValueError)            what was asked cannot be done as asked; exit code 2
    │   ├── UnknownNameError               a name that nothing has; lists the close ones
    │   ├── CardError                      a card or a suite file is malformed
    │   └── SettingError                   a setting, size or number is not one that the entry takes
    ├── NothingToRunError                  all that was asked is skipped or absent; exit code 4
    ├── MissingExtraError (ImportError)    an optional dependency is not installed; a skip, not a failure
    ├── UnsupportedError                   this device cannot do it (int8, fp8, ...); a skip, not a failure
    ├── WrongWorkError                     `sane` found that a workload does not do its work
    └── RunFolderError                     a run folder is absent, locked, damaged, or made by another code version;
                                           exit code 2

A message says what was asked, what was found, what was expected, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CupelError(Exception):
    """Base of all errors that a user can meet; its text is shown without a traceback."""

    exit_code = 1


class UsageError(CupelError, ValueError):
    """What was asked cannot be done as it was asked."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nothing has.

    Args:
        what: what kind of thing was named (`entry`, `setting`, `size`).
        name: the name as given.
        known: the names there are; the close ones are listed.
        see: what to do next.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], see: str = "") -> None:
        names = sorted(set(known))
        close = difflib.get_close_matches(name, names, n=4, cutoff=0.5)
        hint = f" Close: {', '.join(close)}." if close else f" Known: {', '.join(names[:12])}." if names else ""
        super().__init__(f"No {what} named {name!r}.{hint}{' ' + see if see else ''}")
        self.name = name
        self.close = tuple(close)


class CardError(UsageError):
    """A card, a suite file or an entry's source is malformed."""


class SettingError(UsageError):
    """A setting, a size or a number that the entry does not take."""


class NothingToRunError(CupelError):
    """Everything that was asked is skipped or absent."""

    exit_code = 4


class MissingExtraError(CupelError, ImportError):
    """An optional dependency is not installed."""

    exit_code = 4


class UnsupportedError(CupelError):
    """The device at hand cannot do what was asked; the job counts as skipped."""

    exit_code = 4


class WrongWorkError(CupelError):
    """A workload's own check found that it does not do its work."""


class RunFolderError(CupelError):
    """A run folder is locked, damaged, absent, or made by another code version or machine."""

    exit_code = 2
