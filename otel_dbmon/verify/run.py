"""Takes checks and a target, runs one after the other, and gives each answer as it comes; nothing ends it early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from otel_dbmon.querying.client import UnansweredError
from otel_dbmon.verify.check import Check
from otel_dbmon.verify.interpreter import InterpreterError
from otel_dbmon.verify.results import Result, Status, failed
from otel_dbmon.verify.target import Target


@dataclass(frozen=True)
class Outcome:
    """A check and its answer.

    Attributes:
        check: What was looked at.
        result: What was found.
        duration_s: How long it took.
    """

    check: Check
    result: Result
    duration_s: float


def run_checks(checks: Sequence[Check], target: Target, before: Callable[[Check], None]) -> Iterator[Outcome]:
    """The outcome of each check.

    Args:
        checks: In the order in which they are run.
        target: What they look at.
        before: Told of each check as it begins.
    """
    for check in checks:
        before(check)
        start = time.monotonic()
        result = _result(check, target)
        yield Outcome(check, result, time.monotonic() - start)


def has_failed(outcomes: Sequence[Outcome]) -> bool:
    """Whether any check failed."""
    return any(outcome.result.status is Status.FAILED for outcome in outcomes)


def _result(check: Check, target: Target) -> Result:
    try:
        return check.run(target)
    except UnansweredError as error:
        return failed(str(error), "is it running, is the address right, and are --secrets the present ones?")
    except InterpreterError as error:
        return failed(str(error), "give --python the interpreter that runs the service, with otel-dbmon installed")
    except OSError as error:
        return failed(f"{error.filename or 'a file'}: {error.strerror}", "let the user who runs this read it")
    except Exception as error:  # noqa: BLE001 - the other checks are wanted all the same, and a message may quote a value
        return failed(f"the check itself failed ({type(error).__name__})", "please tell the maintainers")
