"""One file per claim: a paper's "ours is better" made runnable."""
