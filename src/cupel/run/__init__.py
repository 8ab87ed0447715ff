"""From a request to records: plan, back ends, worker, resume."""
