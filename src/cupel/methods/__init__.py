"""Algorithms that papers name, as parts to use on one's own model, data or program: one file each."""
