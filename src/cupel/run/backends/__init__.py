"""Where jobs run. A back end offers `affinity()`, `run(jobs) -> Iterator[Event]` and `cancel()`; a job is data, never a closure."""
