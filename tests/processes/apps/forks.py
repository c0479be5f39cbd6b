"""Makes children in every way Python knows; each tells what it has sent, and none knows anything of monitoring.

Prints one JSON line for each process: its id, and how many statements it sent.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys

import shop


def report() -> None:
    """Say what this process has sent, in one write, for others write as well."""
    line = json.dumps({"pid": os.getpid(), "sent": shop.sent}) + "\n"
    os.write(1, line.encode())


def work(statements: int) -> None:
    """What a child does."""
    shop.visit(statements)
    report()


def fork() -> None:
    """os.fork, the child ends like any program."""
    shop.visit(5)
    child = os.fork()
    if child == 0:
        work(3)
        sys.exit()
    os.waitpid(child, 0)
    report()


def forked_again() -> None:
    """A child of a child."""
    shop.visit(5)
    child = os.fork()
    if child == 0:
        shop.visit(4)
        grandchild = os.fork()
        if grandchild == 0:
            work(3)
            sys.exit()
        os.waitpid(grandchild, 0)
        report()
        sys.exit()
    os.waitpid(child, 0)
    report()


def pool(method: str) -> None:
    """multiprocessing, with one of its start methods."""
    shop.visit(5)
    context = multiprocessing.get_context(method)
    children = [context.Process(target=work, args=(statements,)) for statements in (2, 3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    report()


def execute() -> None:
    """Migrates, as it were, and then becomes another program in the same process."""
    shop.visit(5)
    report()
    os.execv(sys.executable, [sys.executable, __file__, "executed"])


def executed() -> None:
    """What the process became."""
    work(3)


def not_executed() -> None:
    """What it wanted to become is not there, so it goes on."""
    shop.visit(5)
    try:
        os.execvp("no-such-program-anywhere", ["no-such-program-anywhere"])
    except FileNotFoundError:
        shop.visit(4)
    report()


if __name__ == "__main__":
    ways = {
        "fork": fork,
        "forked again": forked_again,
        "multiprocessing fork": lambda: pool("fork"),
        "multiprocessing spawn": lambda: pool("spawn"),
        "multiprocessing forkserver": lambda: pool("forkserver"),
        "exec": execute,
        "executed": executed,
        "no exec": not_executed,
    }
    ways[sys.argv[1]]()
