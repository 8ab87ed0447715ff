"""Rematerialisation: which results of a training step to hold and which to compute again, within a budget of memory.

Checkmate (Jain et al., MLSys 2020, arXiv 1910.02653): an integer program finds the cheapest schedule for a graph of any
shape, with the real cost and size of each operation; a user's torch model is traced, planned and run under it.
"""

from cupel.methods.rematerialisation.checkpoint_within import checkpoint_step, checkpoint_within
from cupel.methods.rematerialisation.graph import OpGraph
from cupel.methods.rematerialisation.schedule import Schedule, keep_all
from cupel.methods.rematerialisation.solve import SolverOptions, cheapest_schedule, leanest_schedule
from cupel.methods.rematerialisation.training_step import TrainingStep

__all__ = [
    "OpGraph",
    "Schedule",
    "SolverOptions",
    "TrainingStep",
    "cheapest_schedule",
    "checkpoint_step",
    "checkpoint_within",
    "keep_all",
    "leanest_schedule",
]
