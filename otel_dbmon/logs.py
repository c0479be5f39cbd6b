"""Takes each log record on its way to the exporters and makes the error texts in it safe; the record itself stays."""

from __future__ import annotations

import re
from collections import deque

from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord

from otel_dbmon_processors.guard import Guard
from otel_dbmon_semconv import attributes as names

#: What SQLAlchemy, drivers and servers put around values; a body without it is not about a failed statement.
_quotes_database_error = re.compile(
    r"\[SQL:|\[parameters:|\bDETAIL:|\bCONTEXT:|\bLINE [0-9]+:|\b(?:psycopg2?|sqlite3|asyncpg|pymysql|sqlalchemy)\."
).search
#: How many lines of errors' messages are kept to be recognized, the shortest that is, and how much of a message.
_REMEMBERED, _SHORTEST, _LONGEST = 32, 6, 2000


class SafeLogRecords(LogRecordProcessor):
    """Cleans the exception attributes of every record, and bodies that quote a database error.

    A body quotes one where it has the marks of one, or a line of the message that a statement failed with lately. Other
    bodies are the application's own words and pass unchanged. A record that can't be cleaned loses its body and its
    exception attributes.

    Args:
        guard: Counts our failures.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._lately: deque[str] = deque(maxlen=_REMEMBERED)

    def remember(self, message: str) -> None:
        """Recognize this message of a failed statement in the next records; it never leaves this object."""
        for line in message[:_LONGEST].splitlines():
            line = line.removeprefix("DETAIL:").removeprefix("HINT:").strip()
            if len(line) >= _SHORTEST and line not in self._lately:
                self._lately.append(line)

    def safe(self, text: str) -> str:
        """The text, without the values of the database error that it quotes, if it quotes one."""
        from otel_dbmon_processors.messages import safe_message

        if _quotes_database_error(text):
            text = safe_message(text)
        for line in tuple(self._lately):
            if line in text:
                text = text.replace(line, safe_message(line))
        return text

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Rewrite the record in place: all processors share it."""
        record = log_record.log_record
        attributes = record.attributes
        try:
            # Loaded by the first record: a service that sends no logs need not wait for it.
            from otel_dbmon_processors.messages import safe_exception_message, safe_stacktrace

            if isinstance(record.body, str):
                record.body = self.safe(record.body)
            if attributes and names.EXCEPTION_TYPE in attributes:
                kind = str(attributes[names.EXCEPTION_TYPE])
                message = str(attributes.get(names.EXCEPTION_MESSAGE, ""))
                stacktrace = str(attributes.get(names.EXCEPTION_STACKTRACE, ""))
                attributes[names.EXCEPTION_MESSAGE] = safe_exception_message(kind, message)  # type: ignore[index]
                attributes[names.EXCEPTION_STACKTRACE] = safe_stacktrace(stacktrace)  # type: ignore[index]
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the service
            self._guard.failed("log", error)
            record.body = None
            record.attributes = {}

    def shutdown(self) -> None:
        """Nothing to end."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back."""
        return True
