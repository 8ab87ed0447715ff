"""The command line: one file per verb, imported when it is asked for."""

from cupel.cli._main import main

__all__ = ["main"]
