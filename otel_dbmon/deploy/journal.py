"""Takes planned changes, makes all of them or none, and keeps what is needed to undo each apply exactly.

The journal is on disk before the first file is touched. Whatever ends the process in between, the next call finds the
apply unfinished and takes it back before it does anything else.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from otel_dbmon.deploy.changes import PRIVATE, Change
from otel_dbmon.deploy.problems import DeployError
from otel_dbmon.deploy.writing import sync_folder, write

FOLDER = ".otel-dbmon"
_VERSION = 1


@dataclass(frozen=True)
class _File:
    """One file of an apply; its path is relative to the output folder, so that a whole tree can be moved."""

    path: str
    before: str | None
    mode_before: int | None
    after: str
    mode_after: int


@dataclass
class Apply:
    """One apply, as the journal keeps it.

    Attributes:
        at: When, in UTC.
        phase: The phase of the roll-out that it reached.
        is_whole: Whether it came to its end.
        files: What it changed.
        folders: What it made, the outermost first.
    """

    at: str
    phase: int
    is_whole: bool
    files: list[_File]
    folders: list[str]


class Journal:
    """All applies to one output folder.

    Args:
        output: The folder; it need not be there.
    """

    def __init__(self, output: Path) -> None:
        self._output = output.resolve()
        self._path = self._output / FOLDER / "journal.json"
        self.applies = self._read()

    @property
    def is_interrupted(self) -> bool:
        """Whether the last apply or roll-back did not come to its end."""
        return bool(self.applies) and not self.applies[-1].is_whole

    def wrote(self, path: Path) -> str | None:
        """The digest of what an apply wrote to a file last, or None."""
        name = self._relative(path)
        return next((file.after for apply in reversed(self.applies) for file in apply.files if file.path == name), None)

    def apply(self, changes: Sequence[Change], phase: int) -> None:
        """Make all changes.

        Raises:
            DeployError: One cannot be made; none is then.
        """
        paths = [found.path for found in changes]
        folders = self._missing_folders([*paths, self._path])
        files = [self._file(found) for found in changes]
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.applies.append(Apply(at, phase, False, files, [self._relative(folder) for folder in folders]))
        try:
            self._save()
            for found in changes:
                _check_unchanged(found)
            for found in changes:
                write(found.path, found.after, found.mode_after)
        except OSError as error:
            self.roll_back()
            raise DeployError(f"{error.filename or self._output}: {error.strerror}; nothing was changed") from None
        except BaseException:
            self.roll_back()
            raise
        self.applies[-1].is_whole = True
        self._save()

    def roll_back(self, force: bool = False) -> Apply:
        """Undo the last apply: every file holds what it held, with its permissions; what was made is gone.

        Args:
            force: Whether files that were changed since lose those changes.

        Raises:
            DeployError: There is none, or files were changed since; nothing is changed then.
        """
        if not self.applies:
            raise DeployError(f"nothing to roll back: {self._output} holds no apply")
        last = self.applies[-1]
        changed = set() if force else {file.path for file in last.files if self._is_changed(file)}
        if changed and last.is_whole:
            names = "\n".join(f"  {self._absolute(name)}" for name in sorted(changed))
            raise DeployError(
                f"changed since they were written, so nothing is rolled back:\n{names}\n--force loses those changes"
            )
        last.is_whole = False
        with contextlib.suppress(OSError):
            # An apply that could not even write its journal is rolled back, too.
            self._save()
        for file in reversed(last.files):
            # An unfinished apply did not come to a file that is neither as before nor as planned.
            if file.path not in changed:
                self._restore(file)
        self.applies.pop()
        self._finish(last)
        return last

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else apply to the folder meanwhile.

        Raises:
            DeployError: Somebody does.
        """
        try:
            import fcntl
        except ModuleNotFoundError:  # not on this system
            yield
            return
        # The folder itself may not be there yet, and shall not be made by a call that then fails.
        place = next(folder for folder in (self._output, *self._output.parents) if folder.is_dir())
        descriptor = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise DeployError(f"{place}: another deploy is at work here; try again when it has ended") from None
        finally:
            os.close(descriptor)

    def _read(self) -> list[Apply]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DeployError(f"{self._path}: {error.strerror}") from None
        try:
            data = json.loads(text)
            if data["version"] != _VERSION:
                raise DeployError(f"{self._path}: written by another release of otel-dbmon; use that one")
            return [
                Apply(**{**entry, "files": [_File(**file) for file in entry["files"]]}) for entry in data["applies"]
            ]
        except (ValueError, KeyError, TypeError):
            raise DeployError(f"{self._path}: not a journal of otel-dbmon") from None

    def _save(self) -> None:
        data = {"version": _VERSION, "applies": [asdict(apply) for apply in self.applies]}
        write(self._path, json.dumps(data, indent=1).encode(), PRIVATE)

    def _finish(self, undone: Apply) -> None:
        if self.applies:
            self._save()
        else:
            self._path.unlink(missing_ok=True)
        for name in reversed(undone.folders):
            # Whatever somebody else put there stays.
            with contextlib.suppress(OSError):
                self._absolute(name).rmdir()

    def _file(self, found: Change) -> _File:
        before = None if found.before is None else base64.b64encode(found.before).decode()
        return _File(self._relative(found.path), before, found.mode_before, digest(found.after), found.mode_after)

    def _is_changed(self, file: _File) -> bool:
        path = self._absolute(file.path)
        if not path.exists():
            return file.before is not None
        content = path.read_bytes()
        return digest(content) != file.after and (file.before is None or content != base64.b64decode(file.before))

    def _restore(self, file: _File) -> None:
        path = self._absolute(file.path)
        if file.before is None or file.mode_before is None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
            if path.parent.is_dir():
                sync_folder(path.parent)
            return
        before = base64.b64decode(file.before)
        is_as_before = (
            path.exists() and path.read_bytes() == before and stat.S_IMODE(path.stat().st_mode) == file.mode_before
        )
        if not is_as_before:
            write(path, before, file.mode_before)

    def _missing_folders(self, paths: Sequence[Path]) -> list[Path]:
        folders = {folder for path in paths for folder in path.parents if not folder.exists()}
        return sorted(folders, key=lambda folder: len(folder.parts))

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self._output)

    def _absolute(self, name: str) -> Path:
        return Path(os.path.normpath(self._output / name))


def digest(content: bytes) -> str:
    """What a file's content is known by."""
    return hashlib.sha256(content).hexdigest()


def _check_unchanged(found: Change) -> None:
    content = found.path.read_bytes() if found.path.exists() else None
    if content != found.before:
        raise DeployError(f"{found.path}: changed while it was looked at; run it again. Nothing was changed")
