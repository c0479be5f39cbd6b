"""The pytest plugin, in a pytest of its own: an N+1 fails a test or warns, and queries can be counted."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("sqlalchemy")

pytest_plugins = ["pytester"]

MODELS = """
import pytest
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship()


def names(session, *options):
    books = session.scalars(select(Book).order_by(Book.id).options(*options)).all()
    return [book.author.name for book in books]


def fill(session):
    for number in range(1, 9):
        session.add(Book(id=number, author=Author(id=number, name="canary-4711")))
    session.commit()
    session.expunge_all()
"""
SYNC = """
from models import *


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
        yield session
    engine.dispose()


def test_lazy(session):
    assert len(names(session)) == 8


def test_eager(session):
    assert len(names(session, selectinload(Book.author))) == 8


@pytest.mark.allow_n_plus_one
def test_allowed(session):
    assert len(names(session)) == 8
"""
ASYNC = """
import asyncio
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from models import *


async def fetch_one_by_one(session):
    ids = (await session.scalars(select(Book.author_id).order_by(Book.id))).all()
    for author_id in ids:
        await session.scalar(select(Author.name).where(Author.id == author_id))


def test_async():
    async def work():
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            await session.run_sync(fill)
            await fetch_one_by_one(session)
        await engine.dispose()

    asyncio.run(work())
"""
FIXTURE = """
from models import *


def test_counts(dbmon):
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
        dbmon.begin()
        names(session, selectinload(Book.author))
        dbmon.assert_max_queries(2)
        assert [query.summary for query in dbmon.queries] == ["SELECT books", "SELECT authors"]
        assert dbmon.queries[0].location.path == "models.py"
        names(session)
        dbmon.assert_max_queries(2)
    engine.dispose()


def test_starts_from_nothing(dbmon):
    dbmon.assert_max_queries(0)
"""


def run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """A pytest in a process of its own, with settings of its own."""
    pytester.makeini("[pytest]")
    pytester.makepyfile(models=MODELS, test_it=tests)
    return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *options)


def test_an_n_plus_one_fails_its_test_with_line_and_statements(pytester: pytest.Pytester) -> None:
    """Its eager twin passes, and so does the test that may."""
    result = run(pytester, SYNC, "--dbmon-n-plus-one=fail")
    result.assert_outcomes(passed=2, failed=1)
    line = next(number for number, text in enumerate(MODELS.strip().splitlines(), 1) if "book.author.name" in text)
    result.stdout.fnmatch_lines(
        [
            "N+1: authors was queried 8 times, row by row",
            f"  at models.py:{line} in models.*",
            "  first SELECT books.id, books.author_id FROM books ORDER BY books.id",
            "  then  SELECT authors.id* FROM authors WHERE authors.id = ?",
            "  Load it together with the first query: options(selectinload(..))*",
        ]
    )
    assert "canary-4711" not in result.stdout.str()


def test_a_warning_lets_the_test_pass(pytester: pytest.Pytester) -> None:
    """It is listed with the others at the end."""
    result = run(pytester, SYNC, "--dbmon-n-plus-one=warn")
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(["*NPlusOneWarning: N+1: authors was queried 8 times, row by row"])


def test_async_engines_are_looked_at_too(pytester: pytest.Pytester) -> None:
    """The line is that of the coroutine that awaits."""
    pytest.importorskip("aiosqlite")
    result = run(pytester, ASYNC, "--dbmon-n-plus-one=fail")
    result.assert_outcomes(failed=1)
    line = next(number for number, text in enumerate(ASYNC.strip().splitlines(), 1) if "await session.scalar(" in text)
    result.stdout.fnmatch_lines(["N+1: authors was queried 8 times, row by row"])
    result.stdout.fnmatch_lines([f"  at test_it.py:{line} in test_it.fetch_one_by_one", "*WHERE authors.id IN (..)*"])


def test_the_fixture_counts_queries(pytester: pytest.Pytester) -> None:
    """Without the option as well; a failure lists what was sent, and each test starts from nothing."""
    result = run(pytester, FIXTURE)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: * queries, at most 2 allowed:",
            "*2 x SELECT books.id, books.author_id FROM books ORDER BY books.id * ?models.py:*",
        ]
    )


def test_who_does_not_use_it_pays_nothing(pytester: pytest.Pytester) -> None:
    """Loading the plugin loads no OpenTelemetry, and a test without it none either."""
    pytester.makepyfile("import sys\ndef test_it():\n    assert 'opentelemetry' not in sys.modules\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    code = "import sys, pytest, otel_dbmon.pytest_plugin; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
