"""Exit codes of a worker: 0 with a result, 1 with a recorded failure, 74 without room for either."""

DISK_FULL_EXIT = 74
"""`EX_IOERR` of sysexits.h: the worker could not write its records, so its supervisor has to say why."""
