"""Samplers: where searchers that work in rungs get new configurations from."""
