"""A library's catalogue: FastAPI over SQLAlchemy's async engine; `python app.py`, then http://127.0.0.1:8000/books."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.ext.asyncio import AsyncAttrs, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///library.db"))
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(AsyncAttrs, DeclarativeBase):
    """What all tables have in common."""


class Author(Base):
    """Somebody who writes."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Book(Base):
    """Something to read."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))

    author: Mapped[Author] = relationship()


class NewBook(BaseModel):
    """What a librarian types."""

    title: str
    author: str


@asynccontextmanager
async def opened(_app: FastAPI) -> AsyncIterator[None]:
    """Make the tables, and put ten books into them if there are none."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions.begin() as session:
        if not await session.scalar(select(func.count()).select_from(Book)):
            session.add_all(Book(title=f"Volume {n}", author=Author(name=f"Author {n}")) for n in range(1, 11))
    yield
    await engine.dispose()


app = FastAPI(lifespan=opened)


@app.get("/books")
async def books() -> list[dict[str, Any]]:
    """Awaits each book's author: a statement for the page, and one for each book."""
    async with sessions() as session:
        found = await session.scalars(select(Book).order_by(Book.id).limit(10))
        return [{"title": book.title, "author": (await book.awaitable_attrs.author).name} for book in found]


@app.get("/books/eager")
async def books_eager() -> list[dict[str, Any]]:
    """The same page from two statements."""
    async with sessions() as session:
        found = await session.scalars(select(Book).options(selectinload(Book.author)).order_by(Book.id).limit(10))
        return [{"title": book.title, "author": book.author.name} for book in found]


@app.post("/books", status_code=201)
async def add_book(new: NewBook) -> dict[str, int]:
    """Two inserts in one transaction."""
    async with sessions.begin() as session:
        book = Book(title=new.title, author=Author(name=new.author))
        session.add(book)
        await session.flush()
        return {"id": book.id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
