"""Tasks that tally a till, on SQLite; `celery --app app worker --beat` runs one each second."""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy import ForeignKey, String, create_engine, func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

#: The broker is a folder, so that nothing else has to run.
QUEUE = Path(os.environ.get("QUEUE", "queue")).resolve()
for folder in ("messages", "control"):
    (QUEUE / folder).mkdir(parents=True, exist_ok=True)

engine = create_engine(os.environ.get("DATABASE_URL", f"sqlite:///{QUEUE}/till.db"), connect_args={"timeout": 30})
app = Celery("app", broker=os.environ.get("BROKER_URL", "filesystem://"))
app.conf.broker_transport_options = {
    "data_folder_in": QUEUE / "messages",
    "data_folder_out": QUEUE / "messages",
    "control_folder": QUEUE / "control",
}
app.conf.beat_schedule_filename = str(QUEUE / "schedule")
app.conf.beat_schedule = {"tally": {"task": "app.tally", "schedule": float(os.environ.get("EVERY", "1"))}}


class Base(DeclarativeBase):
    """What all tables have in common."""


class Till(Base):
    """Where money goes."""

    __tablename__ = "tills"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


class Tally(Base):
    """What was in a till when it was counted."""

    __tablename__ = "tallies"

    id: Mapped[int] = mapped_column(primary_key=True)
    till_id: Mapped[int] = mapped_column(ForeignKey("tills.id"), index=True)
    cents: Mapped[int]


@app.on_after_configure.connect
def open_shop(**_: object) -> None:
    """Make the tables and eight tills, once."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        if not session.scalar(select(func.count()).select_from(Till)):
            session.add_all(Till(name=f"till of clerk-{number}@example.com") for number in range(1, 9))
    engine.dispose()


@worker_process_init.connect
def leave_parent(**_: object) -> None:
    """A process of the pool opens connections of its own."""
    engine.dispose(close=False)


@app.task
def tally() -> None:
    """A statement for the tills, one for each of eight (an N+1 pattern), and one that notes what was found."""
    with Session(engine) as session, session.begin():
        tills = session.scalars(select(Till)).all()
        counted = {till.id: session.scalar(select(func.count()).where(Tally.till_id == till.id)) or 0 for till in tills}
        session.execute(insert(Tally), [{"till_id": till, "cents": count * 100} for till, count in counted.items()])
