"""What each code means: tables from SQLSTATEs, driver codes and exception class names to the metrics' error types.

Only data lives here; ``errors`` looks it up. A new code is a new line.
"""

from __future__ import annotations

#: Every value of the metric label ``error_type``.
ERROR_TYPES = frozenset(
    {
        "cancelled",
        "connection",
        "data",
        "deadlock",
        "integrity",
        "other",
        "permission",
        "resource",
        "serialization",
        "syntax",
        "timeout",
    }
)

# Sources: PostgreSQL documentation, appendix A "PostgreSQL Error Codes"; ISO/IEC 9075-2 clause 24 (classes 00 to 44);
# ODBC reference, appendix A "ODBC Error Codes" (classes HY, IM, S1).

#: A five-character SQLSTATE that means something else than its class.
SQLSTATES = {
    "21S01": "syntax",  # ODBC: insert value list does not match column list
    "25006": "permission",  # read_only_sql_transaction
    "25P03": "timeout",  # idle_in_transaction_session_timeout
    "25P04": "timeout",  # transaction_timeout
    "40002": "integrity",  # transaction_integrity_constraint_violation
    "40003": "connection",  # statement_completion_unknown
    "40P01": "deadlock",  # deadlock_detected
    "42501": "permission",  # insufficient_privilege
    "55P03": "timeout",  # lock_not_available: lock_timeout ran out, or NOWAIT, which is a time-out of zero
    "57P01": "connection",  # admin_shutdown
    "57P02": "connection",  # crash_shutdown
    "57P03": "connection",  # cannot_connect_now
    "57P04": "connection",  # database_dropped
    "57P05": "timeout",  # idle_session_timeout
    "70100": "cancelled",  # MySQL and MariaDB: query was killed
    "72000": "serialization",  # snapshot_too_old
    "HY001": "resource",  # ODBC: memory allocation error
    "HY008": "cancelled",  # ODBC: operation cancelled
    "HY013": "resource",  # ODBC: memory management error
    "HY014": "resource",  # ODBC: too many handles
    "HYT00": "timeout",  # ODBC: timeout expired
    "HYT01": "timeout",  # ODBC: connection timeout expired
    "P0002": "data",  # no_data_found
    "P0003": "data",  # too_many_rows
    "S1T00": "timeout",  # ODBC 2: timeout expired
    "XX001": "resource",  # data_corrupted: the disk's fault, like 58030 io_error
    "XX002": "resource",  # index_corrupted
}

#: The first two characters of a SQLSTATE. Classes that are missing here (01 warnings, 25 transaction state, P0 raised
#: by a person's function, XX internal) say nothing about the kind of error: they are "other".
SQLSTATE_CLASSES = {
    "08": "connection",  # connection exception
    "0A": "syntax",  # feature not supported
    "0L": "permission",  # invalid grantor
    "0P": "permission",  # invalid role specification
    "10": "data",  # XQuery error
    "20": "data",  # case not found
    "21": "data",  # cardinality violation
    "22": "data",  # data exception
    "23": "integrity",  # integrity constraint violation
    "27": "integrity",  # triggered data change violation
    "28": "permission",  # invalid authorization specification
    "2B": "integrity",  # dependent objects still exist
    "34": "syntax",  # invalid cursor name
    "3D": "connection",  # invalid catalog name: there is no such database to connect to
    "3F": "syntax",  # invalid schema name
    "40": "serialization",  # transaction rollback
    "42": "syntax",  # syntax error or access rule violation
    "44": "integrity",  # WITH CHECK OPTION violation
    "53": "resource",  # insufficient resources
    "54": "resource",  # program limit exceeded
    "57": "cancelled",  # operator intervention
    "58": "resource",  # system error outside the database
    "IM": "connection",  # ODBC: no such data source or driver
}

#: MySQL and MariaDB error numbers (MySQL 8.4 Error Message Reference, server and client; MariaDB Error Code Reference).
MYSQL = {
    1020: "serialization",  # record has changed since last read
    1021: "resource",  # disk full
    1022: "integrity",  # can't write, duplicate key
    1037: "resource",  # out of memory
    1038: "resource",  # out of sort memory
    1040: "resource",  # too many connections
    1041: "resource",  # out of resources
    1042: "connection",  # can't get hostname
    1043: "connection",  # bad handshake
    1044: "permission",  # access denied to database
    1045: "permission",  # access denied for user
    1046: "syntax",  # no database selected
    1048: "integrity",  # column cannot be null
    1049: "connection",  # unknown database
    1050: "syntax",  # table exists
    1051: "syntax",  # unknown table
    1052: "syntax",  # ambiguous column
    1053: "connection",  # server shutdown in progress
    1054: "syntax",  # unknown column
    1060: "syntax",  # duplicate column name
    1062: "integrity",  # duplicate entry
    1064: "syntax",  # parse error
    1065: "syntax",  # empty query
    1091: "syntax",  # can't drop, check that it exists
    1114: "resource",  # table is full
    1129: "connection",  # host is blocked
    1130: "permission",  # host is not allowed
    1136: "syntax",  # column count doesn't match value count
    1142: "permission",  # command denied on table
    1143: "permission",  # command denied on column
    1146: "syntax",  # no such table
    1149: "syntax",  # syntax error
    1152: "connection",  # aborted connection
    1153: "resource",  # packet too large
    1158: "connection",  # read error on the network
    1159: "timeout",  # read timeout on the network
    1160: "connection",  # write error on the network
    1161: "timeout",  # write timeout on the network
    1169: "integrity",  # unique constraint
    1184: "connection",  # aborted connection
    1203: "resource",  # user has too many connections
    1205: "timeout",  # lock wait timeout
    1206: "resource",  # lock table full
    1213: "deadlock",  # deadlock found
    1216: "integrity",  # no referenced row
    1217: "integrity",  # row is referenced
    1226: "resource",  # user limit reached
    1227: "permission",  # access denied, privilege missing
    1235: "syntax",  # not supported yet
    1264: "data",  # out of range value
    1265: "data",  # data truncated
    1290: "permission",  # server runs with an option (read only) that forbids this
    1292: "data",  # truncated incorrect value
    1305: "syntax",  # no such procedure
    1317: "cancelled",  # query was interrupted
    1364: "integrity",  # no default value
    1365: "data",  # division by zero
    1366: "data",  # incorrect value
    1370: "permission",  # command denied on routine
    1406: "data",  # data too long
    1411: "data",  # incorrect value for function
    1426: "data",  # too big precision
    1451: "integrity",  # row is referenced
    1452: "integrity",  # no referenced row
    1526: "data",  # no partition for value
    1557: "integrity",  # foreign key duplicate
    1586: "integrity",  # duplicate entry with key name
    1614: "serialization",  # transaction branch was rolled back
    1644: "other",  # SIGNAL: raised by a person's procedure
    1690: "data",  # out of range in an expression
    1698: "permission",  # access denied, no password
    1792: "permission",  # read only transaction
    1836: "permission",  # read only mode
    1927: "connection",  # MariaDB: connection was killed
    1969: "timeout",  # MariaDB: max_statement_time exceeded
    2002: "connection",  # can't connect through socket
    2003: "connection",  # can't connect
    2005: "connection",  # unknown host
    2006: "connection",  # server has gone away
    2008: "resource",  # client out of memory
    2012: "connection",  # error in server handshake
    2013: "connection",  # lost connection during query
    2014: "connection",  # commands out of sync
    2026: "connection",  # TLS error
    2055: "connection",  # lost connection, system error
    3024: "timeout",  # max_execution_time exceeded
    3101: "serialization",  # certification failed in group replication
    3140: "data",  # invalid JSON text
    3572: "timeout",  # NOWAIT is set, a time-out of zero
    3819: "integrity",  # check constraint
    4025: "integrity",  # MariaDB: check constraint
    4031: "timeout",  # disconnected because of inactivity
}

#: SQL Server error numbers (Microsoft, "Database engine events and errors"), as pymssql gives them.
SQL_SERVER = {
    -2: "timeout",
    102: "syntax",
    109: "syntax",
    110: "syntax",
    156: "syntax",
    207: "syntax",
    208: "syntax",
    220: "data",
    229: "permission",
    230: "permission",
    241: "data",
    245: "data",
    262: "permission",
    515: "integrity",
    547: "integrity",
    701: "resource",
    802: "resource",
    1105: "resource",
    1205: "deadlock",
    1222: "timeout",
    2601: "integrity",
    2627: "integrity",
    2628: "data",
    2812: "syntax",
    3906: "permission",
    3960: "serialization",
    4060: "permission",
    8114: "data",
    8115: "data",
    8134: "data",
    8152: "data",
    9002: "resource",
    10928: "resource",
    10929: "resource",
    18456: "permission",
    20002: "connection",
    20003: "timeout",
    20004: "connection",
    20009: "connection",
    20047: "connection",
}

#: Oracle's codes (Oracle Database Error Messages) and python-oracledb's own (DPY, DPI).
ORACLE = {
    "ORA-00001": "integrity",  # unique constraint
    "ORA-00018": "resource",  # maximum number of sessions
    "ORA-00020": "resource",  # maximum number of processes
    "ORA-00028": "connection",  # session was killed
    "ORA-00054": "timeout",  # resource busy, NOWAIT or timeout
    "ORA-00060": "deadlock",
    "ORA-00900": "syntax",
    "ORA-00903": "syntax",
    "ORA-00904": "syntax",
    "ORA-00905": "syntax",
    "ORA-00906": "syntax",
    "ORA-00907": "syntax",
    "ORA-00911": "syntax",
    "ORA-00917": "syntax",
    "ORA-00918": "syntax",
    "ORA-00923": "syntax",
    "ORA-00933": "syntax",
    "ORA-00936": "syntax",
    "ORA-00942": "syntax",  # table or view does not exist
    "ORA-00955": "syntax",  # name is already used
    "ORA-01012": "connection",  # not logged on
    "ORA-01013": "cancelled",  # user requested cancel
    "ORA-01017": "permission",  # invalid username or password
    "ORA-01031": "permission",  # insufficient privileges
    "ORA-01033": "connection",  # initialization or shutdown in progress
    "ORA-01034": "connection",  # not available
    "ORA-01045": "permission",  # lacks CREATE SESSION
    "ORA-01089": "connection",  # shutdown in progress
    "ORA-01400": "integrity",  # cannot insert NULL
    "ORA-01401": "data",
    "ORA-01403": "data",  # no data found
    "ORA-01407": "integrity",  # cannot update to NULL
    "ORA-01422": "data",  # too many rows
    "ORA-01426": "data",
    "ORA-01438": "data",
    "ORA-01476": "data",  # divisor is zero
    "ORA-01536": "resource",  # space quota
    "ORA-01555": "serialization",  # snapshot too old
    "ORA-01652": "resource",
    "ORA-01653": "resource",
    "ORA-01654": "resource",
    "ORA-01722": "data",
    "ORA-01830": "data",
    "ORA-01843": "data",
    "ORA-01847": "data",
    "ORA-01858": "data",
    "ORA-01861": "data",
    "ORA-02290": "integrity",
    "ORA-02291": "integrity",
    "ORA-02292": "integrity",
    "ORA-02396": "connection",  # exceeded maximum idle time
    "ORA-03113": "connection",
    "ORA-03114": "connection",
    "ORA-03135": "connection",
    "ORA-03136": "timeout",  # inbound connection timed out
    "ORA-04030": "resource",
    "ORA-04031": "resource",
    "ORA-08177": "serialization",
    "ORA-12154": "connection",
    "ORA-12170": "timeout",  # connect timeout
    "ORA-12505": "connection",
    "ORA-12514": "connection",
    "ORA-12516": "resource",
    "ORA-12519": "resource",
    "ORA-12520": "resource",
    "ORA-12537": "connection",
    "ORA-12541": "connection",
    "ORA-12545": "connection",
    "ORA-12899": "data",
    "ORA-28000": "permission",  # the account is locked
    "ORA-28001": "permission",  # the password has expired
    "ORA-30006": "timeout",  # WAIT timeout expired
    "DPI-1067": "timeout",
    "DPI-1080": "connection",
    "DPY-1001": "connection",
    "DPY-4005": "timeout",  # pool: timed out waiting for a connection
    "DPY-4011": "connection",
    "DPY-4024": "timeout",
    "DPY-6000": "connection",
    "DPY-6001": "connection",
    "DPY-6003": "connection",
    "DPY-6005": "connection",
}

#: SQLite result codes (sqlite.org, "Result and Error Codes"), extended names first, then primary ones, without SQLITE_.
#: ERROR is the generic code: in practice the statement was wrong (no such table, near "x").
SQLITE = {
    "IOERR_NOMEM": "resource",
    "IOERR_LOCK": "timeout",
    "IOERR_BLOCKED": "timeout",
    "CANTOPEN_NOTEMPDIR": "resource",
    "ABORT": "cancelled",
    "AUTH": "permission",
    "BUSY": "timeout",
    "CANTOPEN": "connection",
    "CONSTRAINT": "integrity",
    "CORRUPT": "resource",
    "ERROR": "syntax",
    "FULL": "resource",
    "INTERRUPT": "cancelled",
    "IOERR": "resource",  # the disk's fault, like PostgreSQL's 58030
    "LOCKED": "timeout",
    "MISMATCH": "data",
    "MISUSE": "other",
    "NOMEM": "resource",
    "NOTADB": "connection",
    "NOLFS": "resource",
    "PERM": "permission",
    "PROTOCOL": "timeout",  # the WAL locking protocol gave up
    "RANGE": "data",
    "READONLY": "permission",
    "SCHEMA": "serialization",  # the schema changed under the statement, too often to retry
    "TOOBIG": "resource",
}

#: Before Python 3.11 sqlite3 gives no code, only SQLite's own fixed text of it (``sqlite3_errstr`` and the places in
#: SQLite that word it otherwise): there, and only there, the whole text stands for the code.
SQLITE_TEXTS = {
    "access permission denied": "PERM",
    "attempt to write a readonly database": "READONLY",
    "authorization denied": "AUTH",
    "bad parameter or other API misuse": "MISUSE",
    "column index out of range": "RANGE",
    "database disk image is malformed": "CORRUPT",
    "database is locked": "BUSY",
    "database or disk is full": "FULL",
    "database schema has changed": "SCHEMA",
    "database schema is locked": "LOCKED",
    "database table is locked": "LOCKED",
    "datatype mismatch": "MISMATCH",
    "disk I/O error": "IOERR",
    "file is not a database": "NOTADB",
    "interrupted": "INTERRUPT",
    "locking protocol": "PROTOCOL",
    "not authorized": "AUTH",
    "out of memory": "NOMEM",
    "query aborted": "ABORT",
    "string or blob too big": "TOOBIG",
    "unable to open database file": "CANTOPEN",
}

#: Where one code stands for two things, words of the server's own message tell which: code, words, error type. A text
#: only ever refines a code; in a language other than English the code's own meaning stands.
REFINEMENTS = (
    ("57014", "statement timeout", "timeout"),
    ("57014", "lock timeout", "timeout"),
    ("40001", "deadlock", "deadlock"),  # SQL Server through ODBC
    ("2003", "timed out", "timeout"),
    ("2013", "timed out", "timeout"),
)

#: Class names, looked up along an exception's MRO when it carries no code: DB-API 2.0 (PEP 249), the standard library,
#: connection pools. ``OperationalError`` without a code is in practice a connection that failed before a server spoke.
EXCEPTIONS = {
    "AcquireTimeout": "timeout",
    "BrokenPipeError": "connection",
    "CancelledError": "cancelled",
    "CannotConnectNow": "connection",
    "ConnectionError": "connection",
    "ConnectionFailure": "connection",
    "ConnectionTimeout": "timeout",
    "ConnectTimeout": "timeout",
    "DataError": "data",
    "DisconnectionError": "connection",
    "GeneratorExit": "cancelled",
    "GreenletExit": "cancelled",
    "IntegrityError": "integrity",
    "InterfaceError": "connection",
    "KeyboardInterrupt": "cancelled",
    "MemoryError": "resource",
    "NotSupportedError": "syntax",
    "OperationalError": "connection",
    "OverflowError": "data",
    "PermissionError": "permission",
    "PoolClosed": "connection",
    "PoolTimeout": "timeout",
    "ProgrammingError": "syntax",
    "QueryCanceled": "cancelled",
    "QueryCanceledError": "cancelled",
    "ReadTimeout": "timeout",
    "Timeout": "timeout",
    "TimeoutError": "timeout",
    "TooManyRequests": "resource",
    "UnicodeError": "data",
    "gaierror": "connection",
}
