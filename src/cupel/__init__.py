"""Cupel measures AI machines and compares ML methods, and says how sure it is."""
