"""Ends the spans of statements in psycopg's pipelines: when their answer arrives, with the error that it brings.

A pipeline answers in the order in which it was asked, so each one has a queue of the statements that still wait.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

import psycopg
from psycopg._pipeline_base import BasePipeline

from otel_dbmon.instrumentation.statement import Statement
from otel_dbmon_processors.errors import class_name
from otel_dbmon_processors.guard import Guard
from otel_dbmon_processors.observation import ErrorFacts

Method = Callable[..., Any]


class Pipelines:
    """Knows the statements that wait in each pipeline.

    Args:
        guard: Counts our failures: psycopg has no public way to see answers arrive.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._queues: weakref.WeakKeyDictionary[BasePipeline, _Queue] = weakref.WeakKeyDictionary()
        setattr(BasePipeline, "_process_results", self._answered(BasePipeline._process_results))  # noqa: B010
        setattr(psycopg.Pipeline, "__exit__", self._left(psycopg.Pipeline.__exit__))  # noqa: B010
        setattr(psycopg.AsyncPipeline, "__aexit__", self._left_async(psycopg.AsyncPipeline.__aexit__))  # noqa: B010

    def sending(self, cursor: Any, statement: Statement, is_batch: bool) -> _Sent:
        """A context manager around the call that puts a statement into the cursor's pipeline.

        Args:
            cursor: The cursor in whose name the answer arrives.
            statement: Ended when it does.
            is_batch: Whether the call puts any number of statements there.
        """
        pipeline = cursor.connection._pipeline
        queue = self._queues.get(pipeline)
        if queue is None:
            queue = self._queues[pipeline] = _Queue(pipeline)
        return _Sent(queue, cursor, statement, None if is_batch else 1)

    def _answered(self, process: Method) -> Method:
        @wraps(process)
        def processed(pipeline: BasePipeline, queued: Any, results: Any) -> None:
            try:
                process(pipeline, queued, results)
            except BaseException as error:
                self._settle(pipeline, queued, error)
                raise
            self._settle(pipeline, queued, None)

        return processed

    def _settle(self, pipeline: BasePipeline, queued: Any, error: BaseException | None) -> None:
        try:
            queue = self._queues.get(pipeline) if self._queues else None
            if queue is not None:
                queue.answered(queued[0] if queued is not None else None, error)
        except Exception as failure:  # noqa: BLE001 - the application waits for its answer
            self._guard.failed("pipeline", failure)

    def _left(self, leave: Method) -> Method:
        @wraps(leave)
        def left(pipeline: BasePipeline, kind: object, error: BaseException | None, traceback: object) -> None:
            try:
                leave(pipeline, kind, error, traceback)
            except BaseException as failure:
                error = failure
                raise
            finally:
                self._close(pipeline, error)

        return left

    def _left_async(self, leave: Method) -> Method:
        @wraps(leave)
        async def left(pipeline: BasePipeline, kind: object, error: BaseException | None, traceback: object) -> None:
            try:
                await leave(pipeline, kind, error, traceback)
            except BaseException as failure:
                error = failure
                raise
            finally:
                self._close(pipeline, error)

        return left

    def _close(self, pipeline: BasePipeline, error: BaseException | None) -> None:
        if pipeline.level > 0:
            return
        queue = self._queues.pop(pipeline, None)
        if queue is not None:
            queue.close(error)


class _Queue:
    """The statements of one pipeline that wait for their answer, in order."""

    def __init__(self, pipeline: BasePipeline) -> None:
        self._results = pipeline.result_queue
        self._waiting: deque[_Sent] = deque()
        self._cause: BaseException | None = None

    def add(self, sent: _Sent) -> None:
        """A statement goes to the driver now."""
        self._waiting.append(sent)

    def remove(self, sent: _Sent) -> None:
        """A statement waits no longer."""
        self._waiting.remove(sent)

    def owed(self, sent: _Sent) -> int:
        """How many answers are still to come for a statement whose call has returned."""
        queued = sum(1 for item in self._results if item is not None and item[0] is sent.cursor)
        return queued - sum(other.owed or 0 for other in self._waiting if other.cursor is sent.cursor)

    def answered(self, cursor: object, error: BaseException | None) -> None:
        """An answer arrived: for the first statement that waits in this cursor's name, or for none (None)."""
        cause, self._cause = self._cause, error if cursor is None else None
        if cursor is None:
            return
        sent = next((sent for sent in self._waiting if sent.cursor is cursor), None)
        if sent is None:
            return
        facts = None
        if isinstance(error, psycopg.errors.PipelineAborted):
            # What failed was the preparation just before; or an earlier statement, and the server skipped this one.
            if cause is None or isinstance(cause, psycopg.errors.PipelineAborted):
                facts = ErrorFacts("cancelled", class_name(error))
            else:
                error = cause
        sent.answered(error, facts)

    def close(self, error: BaseException | None) -> None:
        """No more answers will come."""
        while self._waiting:
            self._waiting.popleft().statement.end(error)


class _Sent:
    """One statement in a pipeline, and a context manager around the call that puts it there.

    Attributes:
        cursor: The cursor in whose name the answer arrives.
        statement: What is ended then.
        owed: How many answers are still to come, None as long as that is not known.
    """

    __slots__ = ("_arrived", "_error", "_expected", "_facts", "_queue", "cursor", "owed", "statement")

    def __init__(self, queue: _Queue, cursor: Any, statement: Statement, expected: int | None) -> None:
        self.cursor = cursor
        self.statement = statement
        self.owed: int | None = None
        self._queue = queue
        self._expected = expected
        self._arrived = 0
        self._error: BaseException | None = None
        self._facts: ErrorFacts | None = None

    def __enter__(self) -> None:
        self._queue.add(self)

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is None and self._expected is not None:
            self.owed = self._expected - self._arrived
        else:
            # An error may be an earlier statement's: then this one is on its way nevertheless.
            self.owed = self._queue.owed(self)
        if self.owed <= 0:
            self._end(self._error or error)

    def answered(self, error: BaseException | None, facts: ErrorFacts | None) -> None:
        """One of its answers arrived."""
        if self._error is None:
            self._error, self._facts = error, facts
        if self.owed is None:
            self._arrived += 1
            return
        self.owed -= 1
        if self.owed <= 0:
            self._end(self._error)

    def _end(self, error: BaseException | None) -> None:
        self._queue.remove(self)
        self.statement.end(error, self._facts)
