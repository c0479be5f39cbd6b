"""Plans of slow statements: a finding comes in, the database that ran its statement says how, without any value.

Asked is in a thread and on a connection of its own, seldom, and never by the one that ran the statement. Nothing here
is imported unless ``OTEL_DBMON_EXPLAIN`` says so; only :mod:`template` is shared with the advisor.
"""
