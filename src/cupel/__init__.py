"""Cupel measures AI machines and compares ML methods, and says how sure it is."""

__version__ = "0.1.0"

__all__ = ["__version__"]
