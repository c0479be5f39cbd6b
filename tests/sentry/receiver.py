"""Starts Spotlight, a real receiver of what Sentry's SDK sends, and reads back every envelope byte for byte."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launching import free_port
from programs import UnavailableError, need

HERE = Path(__file__).parent / "spotlight"


class Envelope:
    """One envelope as it was sent.

    Attributes:
        raw: All of it.
        items: Its items, each with its header and, where that is JSON, its payload.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.items: list[tuple[dict[str, Any], Any]] = []
        head, _, rest = raw.partition(b"\n")
        self.header: dict[str, Any] = json.loads(head)
        while rest.strip():
            line, _, rest = rest.partition(b"\n")
            header = json.loads(line)
            length = header.get("length")
            payload, rest = (rest[:length], rest[length + 1 :]) if length is not None else rest.split(b"\n", 1)
            try:
                self.items.append((header, json.loads(payload)))
            except ValueError:
                self.items.append((header, None))


class Spotlight:
    """A running Spotlight; a context manager.

    Raises:
        UnavailableError: It could not be installed.
    """

    def __enter__(self) -> Spotlight:
        need("node")
        need("npm")
        installed = subprocess.run([str(HERE / "install.sh")], capture_output=True, text=True, check=False)
        if installed.returncode:
            raise UnavailableError(f"Spotlight could not be installed: {installed.stderr.strip()}")
        program = Path(installed.stdout.strip(), "node_modules", "@spotlightjs", "spotlight", "dist", "run.js")
        self._port = free_port()
        self._process = subprocess.Popen(
            ["node", str(program), "server", "-p", str(self._port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=installed.stdout.strip(),
        )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        # Asked to end, it waits for whoever reads its stream.
        self._process.kill()
        self._process.wait()

    @property
    def dsn(self) -> str:
        """Where applications send to."""
        return f"http://key@127.0.0.1:{self._port}/1"

    def clear(self) -> None:
        """Forget what has been received."""
        self._open("/clear", method="DELETE").close()

    def envelopes(self) -> list[Envelope]:
        """Everything that was received since it was cleared, in order."""
        found = []
        for envelope_id in self._ids():
            with self._open(f"/envelope/{envelope_id}") as answer:
                found.append(Envelope(answer.read()))
        return found

    def payloads(self, *kinds: str) -> list[Any]:
        """The payloads of all items of these types."""
        return [payload for each in self.envelopes() for header, payload in each.items if header["type"] in kinds]

    def events(self) -> list[Any]:
        """All events, those of transactions aside."""
        return self.payloads("event")

    def wait_for(self, count: int, within_s: float = 10) -> list[Any]:
        """The events, once there are so many."""
        deadline = time.monotonic() + within_s
        while len(found := self.events()) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _ids(self) -> Iterator[str]:
        # The stream repeats all it knows at once and then goes on for ever.
        with self._open("/stream?client=tests", timeout=0.3) as stream:
            while True:
                try:
                    line = stream.readline()
                except TimeoutError:
                    return
                if not line:
                    return
                if line.startswith(b"id:"):
                    yield line[3:].strip().decode()

    def _open(self, path: str, method: str = "GET", timeout: float = 10) -> Any:
        return urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", method=method), timeout=timeout
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self._open("/health").close()
            except (urllib.error.URLError, ConnectionError) as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise UnavailableError(f"Spotlight did not start: {error}") from error
                time.sleep(0.1)
            else:
                return
