"""The shop on PostgreSQL, with pages for what must not happen; it knows nothing of monitoring.

python shop.py PORT URL [POOL_SIZE]
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine, create_engine, func, select, text, update
from sqlalchemy.exc import OperationalError
from werkzeug.serving import make_server

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "shop"))

from app import create_app
from models import Product, Review

POOL_TIMEOUT_S = 0.5


def with_mischief(app: Flask, engine: Engine) -> Flask:
    """Add the pages."""

    @app.get("/sleep")
    def sleep() -> ResponseReturnValue:
        """A slow statement."""
        with engine.connect() as connection:
            connection.execute(select(func.pg_sleep(float(request.args["seconds"]))))
        return jsonify(status="slept")

    enough = threading.Event()

    @app.get("/hold")
    def hold() -> ResponseReturnValue:
        """A connection that is held for long after its statement."""
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            enough.wait(float(request.args["seconds"]))
        return jsonify(status="let go")

    @app.get("/let-go")
    def let_go() -> ResponseReturnValue:
        """Everybody lets go, and nobody holds on any more."""
        enough.set()
        return jsonify(status="let go")

    @app.get("/deadlock")
    def deadlock() -> ResponseReturnValue:
        """Two transactions that lock the same rows in opposite order."""
        both = threading.Barrier(2, timeout=5)
        threads = [threading.Thread(target=_lock, args=(engine, both, pair)) for pair in ((1, 2), (2, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return jsonify(status="one of them lost")

    @app.get("/reviewers/<int:customer_id>")
    def reviewer(customer_id: int) -> ResponseReturnValue:
        """What somebody wrote, by a column that has no index."""
        with engine.connect() as connection:
            found = connection.execute(select(Review.stars, Review.text).where(Review.customer_id == customer_id))
            return jsonify([stars for stars, _ in found])

    @app.get("/wide/<int:number>")
    def wide(number: int) -> ResponseReturnValue:
        """A table for each caller, as of tenants."""
        with engine.connect() as connection:
            connection.execute(text(f"SELECT 1 FROM (VALUES (1)) AS tenant_{number}"))
            with suppress(Exception):
                connection.execute(text(f"SELECT 1 FROM tenants.t{'abcdefghijklmnopqrst'[number % 20]}"))
        return jsonify(status="counted")

    return app


def _lock(engine: Engine, both: threading.Barrier, products: tuple[int, int]) -> None:
    with suppress(OperationalError), engine.begin() as connection:
        for number in products:
            connection.execute(update(Product).where(Product.id == number).values(stock=Product.stock))
            if number == products[0]:
                both.wait()


def main() -> None:
    """Serve until the process is ended."""
    port, url, *size = sys.argv[1:]
    # pre_ping is off as by default: a stopped database shows where it is used.
    engine = create_engine(url, pool_size=int(*size or (5,)), max_overflow=0, pool_timeout=POOL_TIMEOUT_S)
    make_server("127.0.0.1", int(port), with_mischief(create_app(engine), engine), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
