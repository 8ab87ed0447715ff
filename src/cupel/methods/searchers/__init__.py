"""Searchers: what decides which hyperparameters are tried next. One file each, its class named after the file."""
