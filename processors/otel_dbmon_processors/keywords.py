"""Which words of a statement say something, in upper case; the classifier maps each to what it does about it."""

from __future__ import annotations

#: Objects of CREATE, ALTER, DROP and the like. What has rows is a collection.
TABLES = frozenset({"TABLE", "TABLES", "COLUMNFAMILY"})
NAMED_OBJECTS = frozenset(
    {
        *TABLES,
        *("VIEW", "INDEX", "SEQUENCE", "SCHEMA", "DATABASE", "KEYSPACE", "USER", "ROLE", "LOGIN", "GROUP", "TYPE"),
        *("DOMAIN", "EXTENSION", "SYNONYM", "TABLESPACE", "SUBSCRIPTION", "PUBLICATION", "POLICY", "SERVER", "STAGE"),
        *("WAREHOUSE", "PIPE", "STREAM", "TASK", "COLLATION", "AGGREGATE", "OPERATOR", "STATISTICS", "CATALOG"),
    }
)
#: Objects that have a body of statements.
ROUTINES = frozenset({"PROCEDURE", "PROC", "FUNCTION", "TRIGGER", "PACKAGE", "EVENT", "RULE"})
UNNAMED_OBJECTS = frozenset({"SYSTEM", "SESSION"})
#: Words between an object's kind and its name.
NAME_PREFIXES = frozenset({"IF", "NOT", "EXISTS", "CONCURRENTLY", "ONLY", "BODY"})

#: Words between an operation or FROM and a table's name.
TARGET_PREFIXES = frozenset({"ONLY", "LATERAL", "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK"})
CALL_PREFIXES = frozenset({"IMMEDIATE", "NEXT", "VALUE", "FOR"})
TRANSACTION_WORDS = frozenset({"TRANSACTION", "WORK", "TRAN"})
AGGREGATES = frozenset(
    {
        *(
            "COUNT",
            "SUM",
            "AVG",
            "MIN",
            "MAX",
            "STDDEV",
            "VARIANCE",
            "ARRAY_AGG",
            "STRING_AGG",
            "GROUP_CONCAT",
            "LISTAGG",
        ),
        *(
            "JSON_AGG",
            "JSONB_AGG",
            "JSON_ARRAYAGG",
            "JSON_OBJECTAGG",
            "BOOL_AND",
            "BOOL_OR",
            "MEDIAN",
            "PERCENTILE_CONT",
        ),
        *(
            "STDDEV_POP",
            "STDDEV_SAMP",
            "VAR_POP",
            "VAR_SAMP",
            "APPROX_COUNT_DISTINCT",
            "COUNT_BIG",
            "ANY_VALUE",
            "TOTAL",
        ),
    }
)
CLAUSE_ENDS = frozenset({"WHERE", "ORDER", "HAVING", "LIMIT", "OFFSET", "FETCH", "SET", "RETURNING", "FOR", "WHEN"})
#: They end a clause as well, each in some databases; in the others tables are called so.
SOFT_CLAUSE_ENDS = frozenset(
    {
        *("WINDOW", "QUALIFY", "CONNECT", "PIVOT", "UNPIVOT", "OPTION", "SAMPLE", "OUTPUT", "PREWHERE"),
        "SETTINGS",
    }
)
TRANSACTIONS = frozenset({"COMMIT", "ROLLBACK", "START", "SAVEPOINT", "RELEASE", "ABORT"})
UTILITIES = frozenset(
    {
        *("SHOW", "VACUUM", "ANALYZE", "REINDEX", "CLUSTER", "CHECKPOINT", "DISCARD", "LISTEN", "UNLISTEN", "NOTIFY"),
        *(
            "FETCH",
            "CLOSE",
            "DEALLOCATE",
            "PREPARE",
            "KILL",
            "FLUSH",
            "OPTIMIZE",
            "REPAIR",
            "PRAGMA",
            "BACKUP",
            "RESTORE",
        ),
        *("DBCC", "ATTACH", "DETACH", "COMMENT", "DO", "REFRESH", "MOVE", "RESET", "UNLOCK", "HANDLER", "PURGE"),
    }
)
