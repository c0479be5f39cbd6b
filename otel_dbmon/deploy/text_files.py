"""Reads a person's text file so that what is added fits in: same line ends, same coding mark, same last line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otel_dbmon.deploy.problems import DeployError


@dataclass(frozen=True)
class TextFile:
    """A text file as it is.

    Attributes:
        path: The file.
        text: Its text, with its own line ends, without a byte order mark.
        has_mark: Whether a byte order mark comes first.
    """

    path: Path
    text: str
    has_mark: bool

    @property
    def line_end(self) -> str:
        """The line end that its first line has."""
        return "\r\n" if "\r\n" in self.text.partition("\n")[0] + self.text.partition("\n")[1] else "\n"

    def encoded(self, text: str) -> bytes:
        """Another text in the same form."""
        return text.encode("utf-8-sig" if self.has_mark else "utf-8")

    def with_lines(self, lines: list[str]) -> bytes:
        """The file with these lines after its last one."""
        end = self.line_end
        text = self.text if not self.text or self.text.endswith("\n") else self.text + end
        return self.encoded(text + "".join(line + end for line in lines))


def read_text(path: Path) -> TextFile | None:
    """A file's text, or None if it is not there.

    Raises:
        DeployError: It cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes() if path.is_file() else None
        text = content.decode("utf-8-sig") if content is not None else ""
    except OSError as error:
        raise DeployError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeployError(f"{path}: not UTF-8, so nothing can be added to it") from None
    return None if content is None else TextFile(path, text, content.startswith(b"\xef\xbb\xbf"))
