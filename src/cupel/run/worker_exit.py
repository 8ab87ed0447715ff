"""Exit codes of a worker: 0 with a result, 1 with a recorded failure, 74 without room for either, 75 of a rank."""

DISK_FULL_EXIT = 74
"""`EX_IOERR` of sysexits.h: the worker could not write its records, so its supervisor has to say why."""

UNCOUNTED_EXIT = 75
"""A rank has left its result but could not count operations: the others, in the same step, may wait for it for ever."""
