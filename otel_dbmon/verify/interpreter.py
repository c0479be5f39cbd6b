"""Runs something in the service's interpreter: a look at what is installed, or the probe under the launcher."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_INSPECT_S, _PROBE_S = 60, 90


class InterpreterError(Exception):
    """The interpreter or the launcher did not do it; the message says why, without any value."""


@lru_cache
def installed(python: str) -> Any:
    """What ``inspection.py`` prints there.

    Raises:
        InterpreterError: It cannot be run.
    """
    return _answer([python, "-I", str(_HERE / "inspection.py")], None, _INSPECT_S)


def probe(python: str, environment: Mapping[str, str]) -> Any:
    """What ``probe.py`` prints under the launcher of that interpreter.

    Raises:
        InterpreterError: There is no launcher, or it does not run.
    """
    launcher = Path(python).with_name("opentelemetry-instrument")
    if not launcher.is_file():
        raise InterpreterError(f"there is no opentelemetry-instrument beside {python}")
    return _answer([str(launcher), python, str(_HERE / "probe.py")], environment, _PROBE_S)


def _answer(command: list[str], environment: Mapping[str, str] | None, timeout_s: float) -> Any:
    try:
        done = subprocess.run(
            command,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise InterpreterError(f"{command[0]} did not end within {timeout_s:.0f} s") from None
    except OSError as error:
        raise InterpreterError(f"{command[0]}: {error.strerror}") from None
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        # The name of an exception says enough; its message may quote a value.
        raise InterpreterError(f"{command[0]} failed: {last.partition(':')[0]}") from None
