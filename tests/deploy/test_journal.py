"""All changes or none, and back again to the byte: whatever is changed, whatever fails, whenever the process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make, tree

from otel_dbmon.deploy.changes import PRIVATE, PUBLIC, change
from otel_dbmon.deploy.journal import Journal
from otel_dbmon.deploy.problems import DeployError

names = st.sampled_from(["a", "b", "new/a", "new/deeper/a", "old/a", "stack/a", "stack/new/b"])
contents = st.binary(max_size=20)
files = st.dictionaries(names, st.tuples(contents, st.sampled_from([PRIVATE, PUBLIC])), min_size=1)


@settings(max_examples=12, deadline=None)
@given(
    before=st.dictionaries(st.sampled_from(["a", "b", "old/a", "stack/a"]), contents),
    applies=st.lists(
        st.dictionaries(names, st.tuples(contents, st.sampled_from([PRIVATE, PUBLIC])), min_size=1), max_size=3
    ),
)
def test_rolling_back_is_exact(
    before: dict[str, bytes],
    applies: list[dict[str, tuple[bytes, int]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """After any applies, as many roll-backs give every file, folder and permission as it was at each step."""
    root = tmp_path_factory.mktemp("root")
    make(root, before)
    journal = Journal(root / "stack")
    states = []
    for files in applies:
        states.append(tree(root))
        changes = [change(root / name, content, mode) for name, (content, mode) in files.items()]
        journal.apply([found for found in changes if found.is_needed], 1)
        assert all((root / name).read_bytes() == content for name, (content, _) in files.items())
        assert not [found for found in changes if change(found.path, found.after, found.mode).is_needed]
    while states:
        Journal(root / "stack").roll_back()
        assert without_journal(tree(root)) == without_journal(states.pop())
    assert not (root / "stack" / ".otel-dbmon").exists()


def without_journal(found: dict[str, tuple[int, bytes | None]]) -> dict[str, tuple[int, bytes | None]]:
    """A tree but for the journal itself."""
    return {name: entry for name, entry in found.items() if ".otel-dbmon" not in name}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The files before it are as they were, the journal and its folder are gone."""
    make(tmp_path, {"a": "1", "file": ""})
    changes = [change(tmp_path / "a", "2"), change(tmp_path / "new" / "b", "3")]
    # What looked like a folder when the change was planned.
    blocked = change(tmp_path / "later" / "c", "4")
    make(tmp_path, {"later": ""})
    before = tree(tmp_path)
    with pytest.raises(DeployError, match="nothing was changed"):
        Journal(tmp_path / "stack").apply([*changes, blocked], 1)
    assert tree(tmp_path) == before


def test_a_file_that_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    """Somebody saved it between the look and the apply."""
    make(tmp_path, {"a": "1", "b": "1"})
    changes = [change(tmp_path / "a", "2"), change(tmp_path / "b", "2")]
    make(tmp_path, {"b": "theirs"})
    before = tree(tmp_path)
    with pytest.raises(DeployError, match="changed while it was looked at"):
        Journal(tmp_path / "stack").apply(changes, 1)
    assert tree(tmp_path) == before


KILLED = """
import os, sys
from pathlib import Path
from otel_dbmon.deploy import journal
from otel_dbmon.deploy.changes import change

root, left = Path(sys.argv[1]), int(sys.argv[2])
write = journal.write

def write_or_die(*arguments):
    global left
    if not left:
        os._exit(9)
    left -= 1
    write(*arguments)

journal.write = write_or_die
journal.Journal(root / "stack").apply([change(root / name, "new") for name in ("a", "b", "stack/c")], 1)
"""


@pytest.mark.parametrize("writes", range(6))
def test_a_killed_apply_is_taken_back(writes: int, tmp_path: Path) -> None:
    """Whichever write was the last, the next call finds all as it was, or all as it was to be."""
    make(tmp_path, {"a": "1", "b": "1"})
    before = tree(tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(writes)], check=False)
    assert done.returncode == (9 if writes < 5 else 0)
    journal = Journal(tmp_path / "stack")
    assert journal.is_interrupted == (0 < writes < 5)
    if journal.applies:
        journal.roll_back()
    assert tree(tmp_path) == before


def test_what_a_person_changed_since_is_not_lost(tmp_path: Path) -> None:
    """It is named, and nothing is undone; unless told so."""
    make(tmp_path, {"a": "1", "b": "1"})
    before = tree(tmp_path)
    journal = Journal(tmp_path / "stack")
    journal.apply([change(tmp_path / "a", "2"), change(tmp_path / "b", "2")], 1)
    make(tmp_path, {"b": "theirs"})
    edited = tree(tmp_path)
    with pytest.raises(DeployError, match=r"changed since.*\n.*b\n"):
        journal.roll_back()
    assert tree(tmp_path) == edited
    journal.roll_back(force=True)
    assert tree(tmp_path) == before


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it leads to is changed and put back."""
    make(tmp_path, {"real/a": "1"})
    (tmp_path / "a").symlink_to("real/a")
    before = tree(tmp_path)
    journal = Journal(tmp_path / "stack")
    journal.apply([change(tmp_path / "a", "2")], 1)
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "2"
    journal.roll_back()
    assert tree(tmp_path) == before


def test_a_tree_that_was_moved_is_rolled_back_where_it_is(tmp_path: Path) -> None:
    """The journal knows no absolute paths."""
    make(tmp_path, {"old/a": "1"})
    Journal(tmp_path / "old" / "stack").apply([change(tmp_path / "old" / "a", "2")], 1)
    (tmp_path / "old").rename(tmp_path / "moved")
    Journal(tmp_path / "moved" / "stack").roll_back()
    assert set(tree(tmp_path)) == {"moved", "moved/a"}
    assert (tmp_path / "moved" / "a").read_text() == "1"


def test_nobody_else_applies_meanwhile(tmp_path: Path) -> None:
    """The second is told so."""
    with (
        Journal(tmp_path).locked(),
        pytest.raises(DeployError, match="another deploy is at work"),
        Journal(tmp_path).locked(),
    ):
        pytest.fail("both have the lock")


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99, "applies": []}', '{"version": 1, "applies": [{}]}'])
def test_a_broken_journal_is_told_of(text: str, tmp_path: Path) -> None:
    """Nothing is guessed from it."""
    make(tmp_path, {".otel-dbmon/journal.json": text})
    with pytest.raises(DeployError, match=r"journal\.json"):
        Journal(tmp_path)


def test_there_is_nothing_to_roll_back(tmp_path: Path) -> None:
    """It says so."""
    with pytest.raises(DeployError, match="nothing to roll back"):
        Journal(tmp_path).roll_back()
