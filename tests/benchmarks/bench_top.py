"""What `otel-dbmon top` costs: the service that is watched, and the machine that it runs on.

A service runs 5,000 statements a second on SQLite under the launcher, for some time with nobody watching and for some
with `otel-dbmon top` on a terminal (of tmux) at its usual interval, in turns. Printed are the service's CPU time per
statement, watched to unwatched, and how much of one core the view took once it had started.

    .venv/bin/python tests/benchmarks/bench_top.py [SECONDS OF EACH TURN] [TURNS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "otel_dbmon"))

from launching import Launched

_SERVICE = '''
"""Runs so many statements a second, in small batches, and says after each second how many there were so far."""
import sys, threading, time
from opentelemetry import trace
from sqlalchemy import create_engine, text
RATE, BATCH = 5000, 50
tracer = trace.get_tracer("bench")
statements = [text(f"SELECT v{n} FROM t WHERE id = :id") for n in range(20)]
engine = create_engine("sqlite://")
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
with engine.connect() as connection:
    columns = ", ".join(f"v{n} TEXT" for n in range(20))
    connection.execute(text(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})"))
    begun, sent, told = time.monotonic(), 0, 0
    while not ended.is_set():
        with tracer.start_as_current_span("work"):
            for number in range(BATCH):
                connection.execute(statements[number % 20], {"id": number}).all()
        sent += BATCH
        if sent - told >= RATE / 10:
            print(sent, time.process_time(), flush=True)
            told = sent
        ahead = begun + sent / RATE - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        elif ahead < -1:
            begun = time.monotonic() - sent / RATE
'''
_START_S = 5.0


class Progress:
    """What the service says of itself, read while it goes on."""

    def __init__(self, service: Launched) -> None:
        self._descriptor = service.output.fileno()
        os.set_blocking(self._descriptor, False)
        self._latest = "0 0.0"
        self._rest = ""

    def now(self) -> tuple[int, float]:
        """Statements so far, and CPU time in seconds."""
        while True:
            try:
                piece = os.read(self._descriptor, 1 << 16).decode()
            except BlockingIOError:
                break
            *lines, self._rest = (self._rest + piece).split("\n")
            self._latest = lines[-1] if lines else self._latest
        sent, cpu = self._latest.split()
        return int(sent), float(cpu)


def measure(progress: Progress, seconds: float) -> tuple[float, float]:
    """CPU microseconds per statement, and statements per second."""
    sent, cpu = progress.now()
    began = time.monotonic()
    time.sleep(seconds)
    sent_then, cpu_then = progress.now()
    count = max(sent_then - sent, 1)
    return (cpu_then - cpu) / count * 1e6, count / (time.monotonic() - began)


class View:
    """`otel-dbmon top` on a terminal of tmux."""

    def __init__(self, port: int) -> None:
        self._tmux = ["tmux", "-L", f"bench-{uuid.uuid4().hex[:8]}", "-f", os.devnull]
        view = [sys.executable, "-m", "otel_dbmon", "top", f"localhost:{port}"]
        subprocess.run([*self._tmux, "new-session", "-d", "-x", "120", "-y", "40", *view], check=True)
        listed = [*self._tmux, "list-panes", "-F", "#{pane_pid}"]
        self.pid = int(subprocess.run(listed, check=True, capture_output=True, text=True).stdout)

    def cpu_s(self) -> float:
        """CPU time so far, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def shown(self) -> str:
        """What is on the screen."""
        return subprocess.run([*self._tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout

    def close(self) -> None:
        """End it."""
        subprocess.run([*self._tmux, "kill-server"], check=True)


def main(seconds: float, turns: int) -> None:
    """Measure in turns, so that what else the machine does meets both."""
    script = Path(f"/tmp/bench-top-{os.getpid()}.py")
    script.write_text(_SERVICE)
    alone, watched, shares, rates, starts = [], [], [], [], []
    try:
        with Launched(str(script), {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}) as service:
            progress = Progress(service)
            time.sleep(_START_S)
            for _ in range(turns):
                cost, rate = measure(progress, seconds)
                alone.append(cost)
                rates.append(rate)
                view = View(service.port)
                time.sleep(_START_S)
                starts.append(view.cpu_s())
                before, began = view.cpu_s(), time.monotonic()
                cost, rate = measure(progress, seconds)
                shares.append((view.cpu_s() - before) / (time.monotonic() - began))
                watched.append(cost)
                rates.append(rate)
                screen = view.shown()
                view.close()
    finally:
        script.unlink()
    print(screen)
    print(f"statements per second            {statistics.median(rates):8.0f}")
    print(f"service, CPU per statement       {statistics.median(alone):8.1f} us alone")
    print(f"                                 {statistics.median(watched):8.1f} us watched")
    ratios = [one / other for one, other in zip(watched, alone, strict=True)]
    print(
        f"watched to alone                 {statistics.median(ratios):8.3f}   ({min(ratios):.3f} to {max(ratios):.3f})"
    )
    print(
        f"the view's share of one core     {statistics.median(shares):8.1%}   ({min(shares):.1%} to {max(shares):.1%})"
    )
    print(f"its start                        {statistics.median(starts):8.2f} s of CPU")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
