"""Records on disk: append, read, and the run folder that holds them."""
