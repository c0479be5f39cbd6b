"""A workload and a database come in, indexes that would pay off go out; never imported by a service process."""
