"""An application that puts a person's values wherever Sentry could take them from, and reports all of it.

``CANARY`` looks like data and is everywhere; ``NAME`` is a word like others, and is where the application works with it
as a value: bound, pasted, quoted back by the server, in variables and in parameters of log messages.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import Any

CANARY, NAME = os.environ["CANARY"], os.environ["NAME"]
OPTIONS = json.loads(os.environ.get("OPTIONS", "{}"))

if os.environ["INIT"] != "never":
    import sentry_sdk

    sentry_sdk.init(os.environ["DSN"], **OPTIONS)
if os.environ["INIT"] == "before":
    import otel_dbmon

    otel_dbmon.instrument()

import psycopg
import sentry_sdk
from opentelemetry import trace
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

log = logging.getLogger("app")
engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))

STATEMENTS = (
    "INSERT INTO people (email, name) VALUES (%(email)s, %(name)s)",
    f"INSERT INTO people (email, name) VALUES ('{CANARY}', '{NAME}')",
    "SELECT %(email)s::text::integer, %(name)s::text",
    f"SELECT '{NAME}'::integer, '{CANARY}'",
    f"SELECT * FROM people WHERE email = '{CANARY} AND name = '{NAME}'",
    f"DO $$ BEGIN RAISE EXCEPTION 'no {NAME} {CANARY}' USING DETAIL = '{CANARY}', HINT = '{NAME}'; END $$",
)


class Person:
    """Something that says more of itself than it should."""

    def __init__(self, email: str, name: str) -> None:
        self.email = email
        self.name = name

    def __repr__(self) -> str:
        return f"Person({self.email!r}, {self.name!r})"


def save(form: dict[str, Any], statement: str) -> None:
    """The innermost of several frames, each with the values in variables of another kind."""
    parameters = {"email": form["person"].email, "name": form["names"][0]}
    with engine.begin() as connection:
        connection.exec_driver_sql(statement, parameters if "%(email)s" in statement else None)


def handle(statement: str) -> None:
    """A view: nested values, and an error of its own around the database's."""
    person = Person(CANARY, NAME)
    form = {"person": person, "names": [NAME], "nested": {"again": [(CANARY, {"deep": NAME})]}}
    save(form, statement)


def report_errors() -> None:
    """Every statement, reported in each of the ways people report errors."""
    for statement in STATEMENTS:
        for report in (sentry_sdk.capture_exception, _log_exception, _wrap, _hide, _in_thread):
            try:
                handle(statement)
            except DBAPIError as error:
                report(error)


def _log_exception(error: BaseException) -> None:
    log.exception("could not save %s: %s", NAME, error)
    log.warning("the database said %s", error)


def _wrap(error: BaseException) -> None:
    try:
        raise RuntimeError(f"could not save {CANARY} of {NAME}") from error
    except RuntimeError as wrapped:
        sentry_sdk.capture_exception(wrapped)


def _hide(error: BaseException) -> None:
    try:
        raise ValueError(str(getattr(error, "orig", error))) from None
    except ValueError as hidden:
        sentry_sdk.capture_exception(hidden)


def _in_thread(error: BaseException) -> None:
    thread = threading.Thread(target=sentry_sdk.capture_exception, args=(error,))
    thread.start()
    thread.join()


def report_connect() -> None:
    """The password of a database that can't be reached."""
    for url in (f"postgresql://{NAME}:{CANARY}@127.0.0.1:1/x", f"host=127.0.0.1 port=1 password={CANARY} user={NAME}"):
        try:
            psycopg.connect(url)
        except psycopg.Error as error:
            sentry_sdk.capture_exception(error)


def report_messages() -> None:
    """What is no exception at all: messages, logs, breadcrumbs, extra data, contexts, metrics."""
    email, name = CANARY, NAME
    parameters = {"email": email, "name": name}
    sentry_sdk.add_breadcrumb(category="app", message=f"saw {email}", data={"row": {"email": email}})
    sentry_sdk.set_extra("statement", STATEMENTS[1])
    sentry_sdk.set_extra("parameters", parameters | {email: [email]})
    sentry_sdk.set_context("order", {"by": email, "note": STATEMENTS[3]})
    sentry_sdk.set_tag("statement", STATEMENTS[1])
    sentry_sdk.capture_message(f"nobody is called {email}")
    log.error("no account for %s", email)
    log.error("no account for %(email)s of %(name)s", parameters)
    log.error(f"no account for {email}")
    log.error(STATEMENTS[1], extra={"parameters": parameters, "email": email})
    log.error("stack", stack_info=True)
    sentry_sdk.logger.error("no account for {email}", email=email)
    sentry_sdk.logger.error(f"no account for {email}", attributes={"row": email})
    sentry_sdk.metrics.count("accounts", 1, attributes={"email": email})


def report_transaction() -> None:
    """One of Sentry's own transactions, with statements and values in its spans."""
    with sentry_sdk.start_transaction(op="task", name="import") as transaction:
        transaction.set_data("email", CANARY)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT 1 FROM people WHERE email = '{CANARY}' OR name = '{NAME}'")
        with sentry_sdk.start_span(op="http.client", name=f"GET http://host/people?email={CANARY}") as span:
            span.set_data("url", f"http://host/people/{CANARY}")
            span.set_data("http.query", f"email={CANARY}")


def main() -> None:
    """All of it, in one traced request, and one error that nobody handles."""
    logging.basicConfig(stream=sys.stdout)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS people"))
        connection.execute(text("CREATE TABLE people (id serial PRIMARY KEY, email text UNIQUE, name text)"))
        connection.execute(text("INSERT INTO people (email) VALUES (:email)"), {"email": CANARY})
    with trace.get_tracer("app").start_as_current_span("GET /people"):
        report_errors()
        report_connect()
        report_messages()
        report_transaction()
        handle(STATEMENTS[0])


if __name__ == "__main__":
    main()
