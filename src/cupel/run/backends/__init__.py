"""Where jobs run: a back end offers `affinity()`, `run(jobs)` and `cancel()`; a job is data, never a closure."""
