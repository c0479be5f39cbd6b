"""From a URL to one that may leave: scheme, host, names and ordinary words of the path stay, credentials and values go.

Follows the semantic conventions' ``REDACTED`` (``url.full``, ``url.query``), but for every query value, not for a list
of signatures only: what a person typed into a search box is a value too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

REDACTED = "REDACTED"

#: Characters that are read: a longer URL is one of values, and its head says what can be said.
_MAX_LENGTH = 8192

_absolute = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}:)?//").match
_host = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{0,253})(?::[0-9]{0,5})?").fullmatch
_authority_end = re.compile(r"[/?]").search
_separator = re.compile(r"([&;])").split
#: A parameter's name: a word with at most one run of two digits, perhaps indexed (``ids[]``, ``filter[name]``).
_name = re.compile(
    r"[A-Za-z_$][A-Za-z_.-]{0,39}(?:[0-9]{1,2}[A-Za-z_.-]{0,20})?(?:\[[A-Za-z_]{0,32}\]|%5[Bb]%5[Dd]){0,4}"
).fullmatch

#: A segment of a path that is a word of the route: letters, joined by single marks, perhaps one digit (``oauth2``), or
#: a version (``v1``). Ids, codes, dates, percent escapes, e-mail addresses and very long words are values.
_word = re.compile(r"\.{1,2}|[A-Za-z]{1,40}[0-9]?(?:[._~-][A-Za-z]{1,40}){0,6}|v[0-9]{1,3}(?:\.[0-9]{1,3})?").fullmatch


def redact_url(url: str) -> str:
    """Redact a URL, a request target, a path or a connection string in URL form. Total, linear, idempotent.

    User and password become ``REDACTED:REDACTED@``; each query value, and each path segment that is not a plain word,
    becomes ``REDACTED``; so does a host that nothing follows, and a text that is no URL; the fragment goes.

    What can't be known: a value in the path that is a plain word of letters (``/users/bob``), or of which only letters
    are left where the text was cut off. It stays; ``http.route`` is the attribute made to tell them apart.
    """
    url = url[:_MAX_LENGTH].strip().partition("#")[0]
    absolute = _absolute(url)
    if absolute is None:
        path, mark, query = url.partition("?")
        safe = _redact_path(path) if path.startswith("/") or not path else REDACTED
        return safe + mark + redact_query(query)
    end = _authority_end(url, absolute.end())
    if end is None:  # perhaps cut off in front of its @, by an attribute limit
        return f"{absolute[0]}{REDACTED if url[absolute.end() :] else ''}"
    authority, (path, mark, query) = url[absolute.end() : end.start()], url[end.start() :].partition("?")
    return absolute[0] + _redact_authority(authority) + _redact_path(path) + mark + redact_query(query)


def redact_query(query: str) -> str:
    """Redact a query string without its question mark: names stay, values and bare words become ``REDACTED``."""
    query = query[:_MAX_LENGTH].strip().partition("#")[0]
    if not query:
        return ""
    parts = _separator(query)
    parts[::2] = [_redact_pair(pair) for pair in parts[::2]]
    return "".join(parts)


def _redact_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    if not equals:
        return REDACTED if pair else ""
    return f"{name if _name(name) else REDACTED}={REDACTED}"


def _redact_authority(authority: str) -> str:
    _, at, host = authority.rpartition("@")
    # A port that is no number is the rest of a password that holds a slash.
    safe = host if _host(host) else REDACTED
    return f"{REDACTED}:{REDACTED}@{safe}" if at else safe


def _redact_path(path: str) -> str:
    return "/".join([segment if not segment or _word(segment) else REDACTED for segment in path.split("/")])


#: Which attributes hold a URL, and what makes each of them safe.
URL_ATTRIBUTES: Mapping[str, Callable[[str], str]] = {
    "url.full": redact_url,
    "url.original": redact_url,
    "url.path": redact_url,
    "url.query": redact_query,
    "http.url": redact_url,
    "http.target": redact_url,
    "db.connection_string": redact_url,
}
