"""Reads an observation out of an ending span and rewrites the span; no other module knows a span's insides.

Public setters do nothing once a span is ending, and one attribute object is shared by the span, the read-only span and
every processor. So the rewritten values are put behind that object: every exporter sees them, whoever added it.

The rules for errors and URLs take 15 ms to load; the first span that has one loads them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import Status, StatusCode

from otel_dbmon_processors.observation import ErrorFacts, Observation, Origin
from otel_dbmon_semconv import attributes as names

#: Attributes that hold the statement, in the order in which they are believed.
TEXT_KEYS = (names.DB_QUERY_TEXT, names.DB_STATEMENT)
#: contrib puts "SELECT shopdb" there, and the convention says not to parse these out of the text.
_WRONG_KEYS = frozenset({names.DB_OPERATION_NAME, names.DB_OPERATION, names.DB_COLLECTION_NAME, names.DB_SQL_TABLE})
_SECRET_KEYS = (names.DB_QUERY_PARAMETER, names.DB_STATEMENT_PARAMETERS, names.DB_CONNECTION_STRING)
_URL_KEYS = frozenset(
    {
        names.URL_FULL,
        names.URL_ORIGINAL,
        names.URL_PATH,
        names.URL_QUERY,
        names.HTTP_URL,
        names.HTTP_TARGET,
    }
)
_MESSAGE_KEYS = frozenset({names.EXCEPTION_MESSAGE, names.ERROR_MESSAGE})
_STACKTRACE_KEYS = frozenset({names.EXCEPTION_STACKTRACE})
# A span context is a tuple, and its properties are calls of Python.
_TRACE_ID, _SPAN_ID, _IS_REMOTE, _TRACE_FLAGS = 0, 1, 2, 3
# Members of an enumeration are found by a search each time.
_CLIENT, _ERROR = SpanKind.CLIENT, StatusCode.ERROR
_MAX_SHAPES = 512
_MAX_PLACES = 64


class Rewritten(NamedTuple):
    """What a span gets: its name and its attributes, both shared by all spans that get the same."""

    name: str
    attributes: dict[str, Any]


class Place:
    """What spans have in common that differ in nothing but their statements, and what became of them.

    A service sends the same statements over the same connections again and again; with other literals, too, a statement
    has the same analysis, and its span becomes the same.

    Attributes:
        origin: Where their statements were sent.
        rewritten: What spans become that run without trouble, by the analysis of their statements.
    """

    __slots__ = ("origin", "rewritten")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.rewritten: dict[Hashable, Rewritten] = {}


class Shape:
    """What to do with attributes, worked out once for each combination of keys.

    Attributes:
        text: Key of the SQL statement, "" if there is none; ``texts`` are all keys that hold it.
        texts: Keys that hold a SQL statement, the one that is believed first.
        system: Key that holds the database system, "" if there is none; likewise ``namespace``, ``address``, ``port``.
        has_error: Whether an attribute says that the operation failed.
        removed: Keys that never leave: bound parameters and connection strings always, contrib's wrong names where
            there is a statement.
        urls: Keys whose values are URLs or parts of one.
        messages: Keys that hold an exception's message.
        stacktraces: Keys that hold a stack trace.
        is_plain: Whether nothing has to be done at all.
        is_unsafe: Whether something besides the statement has to be made safe.
        others: Gives the values of all attributes but the statement.
        places: What is known of spans with these keys and those values.
    """

    __slots__ = (
        "_origins",
        "_others",
        "_where",
        "address",
        "has_error",
        "is_plain",
        "is_unsafe",
        "messages",
        "namespace",
        "others",
        "places",
        "port",
        "removed",
        "stacktraces",
        "system",
        "text",
        "texts",
        "urls",
    )

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.texts = tuple(key for key in TEXT_KEYS if key in keys)
        self.text = self.texts[0] if self.texts else ""
        self.has_error = names.ERROR_TYPE in keys
        self.system = _first(keys, names.DB_SYSTEM_NAME, names.DB_SYSTEM)
        self.namespace = _first(keys, names.DB_NAMESPACE, names.DB_NAME)
        self.address = _first(keys, names.SERVER_ADDRESS, names.NET_PEER_NAME)
        self.port = _first(keys, names.SERVER_PORT, names.NET_PEER_PORT)
        wrong = _WRONG_KEYS if self.texts else frozenset()
        self.removed = tuple(key for key in keys if key in wrong or key.startswith(_SECRET_KEYS))
        self.urls = tuple(key for key in keys if key in _URL_KEYS)
        self.messages = tuple(key for key in keys if key in _MESSAGE_KEYS)
        self.stacktraces = tuple(key for key in keys if key in _STACKTRACE_KEYS)
        unsafe = self.urls or self.messages or self.stacktraces or (self.removed and not self.texts)
        self.is_unsafe = bool(unsafe)
        self.is_plain = not (unsafe or self.texts or self.removed)
        self._others = [key for key in keys if key not in self.texts]
        self.others = _getter(self._others)
        self.places: dict[Hashable, Place] = {}
        self._where = _getter([key for key in (self.system, self.namespace, self.address, self.port) if key])
        self._origins: dict[Hashable, Origin] = {}

    def new_place(self, attributes: Mapping[str, Any]) -> Place:
        """The place of a span whose attributes are not among the known ones, which they then are if possible."""
        place = Place(self.origin(attributes))
        # True, 1 and 1.0 would be the same key, and a list is none.
        if all(type(attributes[key]) is (int if key == self.port else str) for key in self._others):
            if len(self.places) >= _MAX_PLACES:
                # Some values are those of one request.
                self.places.clear()
            self.places[self.others(attributes)] = place
        return place

    def origin(self, attributes: Mapping[str, Any]) -> Origin:
        """Where a statement with these attributes was sent; mostly the same object for the same place."""
        where = self._where(attributes)
        try:
            return self._origins[where]
        except KeyError:
            origin = self._read_origin(attributes)
        except TypeError:  # a value that can't be a key
            return self._read_origin(attributes)
        if len(self._origins) < _MAX_PLACES:
            self._origins[where] = origin
        return origin

    def _read_origin(self, attributes: Mapping[str, Any]) -> Origin:
        system = attributes[self.system] if self.system else ""
        return Origin(
            names.DB_SYSTEM_NAME_OF.get(system, system) if isinstance(system, str) else "",
            str(attributes[self.namespace]) if self.namespace else "",
            str(attributes[self.address]) if self.address else "",
            _port(attributes[self.port]) if self.port else 0,
        )


def _getter(keys: list[str]) -> Callable[[Mapping[str, Any]], Hashable]:
    return itemgetter(*keys) if keys else lambda _: None


def _first(keys: tuple[str, ...], *candidates: str) -> str:
    return next((key for key in candidates if key in keys), "")


class Shapes(dict[tuple[str, ...], Shape]):
    """A bounded cache of shapes: services use few combinations of keys, but an application may invent keys."""

    def __missing__(self, keys: tuple[str, ...]) -> Shape:
        shape = Shape(keys)
        if len(self) < _MAX_SHAPES:
            self[keys] = shape
        return shape

    def forget_places(self) -> None:
        """Forget what became of which span."""
        for shape in tuple(self.values()):
            shape.places.clear()


#: The span's attributes as they are now, to be read only. (This and the next run no Python: each query's span asks.)
attributes_of: Callable[[Any], dict[str, Any]] = attrgetter("_attributes._dict")
kind_of: Callable[[Any], SpanKind] = attrgetter("_kind")


def id_of(span: Any) -> int:
    """The span's own id."""
    span_id: int = span._context[_SPAN_ID]
    return span_id


def trace_of(span: Any) -> int:
    """The id of its trace."""
    trace_id: int = span._context[_TRACE_ID]
    return trace_id


def local_parent_id(span: Any) -> int:
    """The id of the parent if that is a span of this process, else 0."""
    parent = span._parent
    return 0 if parent is None or parent[_IS_REMOTE] else parent[_SPAN_ID]


def parent_id_of(span: Any) -> int:
    """The id of the parent wherever that is, 0 if there is none."""
    parent = span._parent
    return 0 if parent is None else parent[_SPAN_ID]


def remember_error(span: Any, facts: ErrorFacts) -> None:
    """Keep what an engine hook knows about the failure until the span ends, whatever its status will be."""
    span._dbmon_error = facts
    span.set_attribute(names.ERROR_TYPE, facts.exception or facts.type)


class _Streamed:
    """Stands where parameters do; like a list of them, it has no hash."""

    __hash__ = None  # type: ignore[assignment]


#: What was sent with a statement that opened a server-side cursor.
STREAMED = _Streamed()


def remember_parameters(span: Any, parameters: object) -> None:
    """Keep the parameters that a statement was sent with, or ``STREAMED``, for as long as its span lives."""
    # What records nothing is shared by all.
    if isinstance(span, ReadableSpan):
        span._dbmon_parameters = parameters  # type: ignore[attr-defined]


#: What ``remember_parameters`` kept, and what holds the span's attributes for all exporters. (No Python runs for it.)
#: AttributeError where nothing was kept.
sent_of: Callable[[Any], tuple[Any, Any]] = attrgetter("_dbmon_parameters", "_attributes")


def holder_of(span: Any) -> object:
    """What holds the span's attributes for all exporters, None without a span."""
    return None if span is None else span._attributes


def add_late(holder: Any, found: Mapping[str, Any]) -> None:
    """Put more attributes on a span that has ended; an exporter that has not taken it yet sees them."""
    holder._dict = {**holder._dict, **found}


def observation_of(
    span: Any, statement: str, origin: Origin, attributes: Mapping[str, Any], shape: Shape
) -> Observation:
    """What an ending span says about the run of its statement."""
    error = None
    if shape.has_error or span._status.status_code is _ERROR:
        error = _error_of(span, attributes, shape)
    start = span._start_time
    duration = span._end_time - start
    context = span._context
    parent = span._parent
    fields = (
        statement,
        origin,
        start,
        duration if duration > 0 else 0,
        error,
        context[_TRACE_ID],
        context[_SPAN_ID],
        parent[_SPAN_ID] if parent is not None else 0,
        context[_TRACE_FLAGS] & 1 == 1,
    )
    # Without the call of Python that the class itself would make.
    return tuple.__new__(Observation, fields)


def kind_and_limit_of(span: Any) -> tuple[type | None, int | None]:
    """A span's class, None if it is not the SDK's, and the most characters of an attribute, None for any number."""
    held = getattr(span, "_attributes", None)
    return (type(span), held.max_value_len) if type(held) is BoundedAttributes else (None, None)


def set_valid(span: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a span that has just started, without a look at each: they are short and simple enough."""
    span._attributes._dict.update(attributes)


def text_of(value: object) -> str:
    """A statement that is no ``str``."""
    if isinstance(value, str):
        return value
    # psycopg2 can hand over bytes.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _port(value: object) -> int:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else 0


def _error_of(span: Any, attributes: Mapping[str, Any], shape: Shape) -> ErrorFacts:
    """What went wrong, as an engine hook or else the span itself knows it."""
    from otel_dbmon_processors.errors import error_facts, facts_of_names
    from otel_dbmon_processors.messages import error_class

    remembered: ErrorFacts | None = getattr(span, "_dbmon_error", None)
    if remembered is not None:
        return remembered
    recorded = _recorded_exception(span) or error_class(span._status.description or "")
    # A span that ends in a `with` block while an exception passes through still has it at hand.
    passing = sys.exc_info()[1]
    if passing is not None and type(passing).__qualname__ == recorded.rpartition(".")[2]:
        return error_facts(passing)
    status_code = str(attributes.get(names.DB_RESPONSE_STATUS_CODE, ""))
    return facts_of_names(recorded, status_code, shape.origin(attributes).system)


def _recorded_exception(span: Any) -> str:
    for event in reversed(tuple(span._events)):
        kind = (event.attributes or {}).get(names.EXCEPTION_TYPE)
        if kind:
            return str(kind)
    return ""


def rewritten(
    span: Any, attributes: Mapping[str, Any], shape: Shape, text: str, found: Mapping[str, Any]
) -> dict[str, Any]:
    """The attributes that a statement's span gets.

    Args:
        span: The ending span, or its read-only twin.
        attributes: Its attributes.
        shape: Their shape.
        text: The sanitized statement, "" to leave it out.
        found: Attributes to add.
    """
    made = {**attributes, **found}
    for key in shape.removed:
        made.pop(key, None)
    limit = span._attributes.max_value_len
    safe = text if limit is None else text[:limit]
    for key in (*shape.texts, names.DB_QUERY_TEXT):
        made[key] = safe
    if not text:
        for key in TEXT_KEYS:
            made.pop(key, None)
    return made


def replace(span: Any, name: str, attributes: dict[str, Any]) -> bool:
    """Put a name and attributes behind the shared attribute object; nobody may change them afterwards.

    Returns:
        Whether this is a client's span with nothing else on it: a quick look, for spans without trouble are many.
    """
    span._attributes._dict = attributes
    span._name = name
    # The length of the SDK's bounded lists would take calls of Python; their deques' does not.
    return span._kind is _CLIENT and not span._status.description and not span._events._dq and not span._links._dq


def add(span: Any, found: Mapping[str, Any]) -> None:
    """Put more attributes behind the shared attribute object of an ending span."""
    span._attributes._dict = {**span._attributes._dict, **found}


def clean(span: Any, shape: Shape, shapes: Shapes, redact_urls: bool) -> None:
    """Take values out of URLs and error texts: on the span, on its events and links, in its status."""
    if not shape.is_plain:
        span._attributes._dict = _cleaned(span._attributes._dict, shape, redact_urls)
    for holder in (*span._events, *span._links):
        _clean_holder(holder, shapes, redact_urls)
    description = span._status.description
    if description:
        from otel_dbmon_processors.messages import safe_message

        span._status = Status(span._status.status_code, safe_message(description))


def needs_cleaning(span: Any, shape: Shape) -> bool:
    """Whether anything besides the statement could hold a value."""
    return bool(shape.is_unsafe or span._status.description or span._events._dq or span._links._dq)


def _clean_holder(holder: Any, shapes: Shapes, redact_urls: bool) -> None:
    attributes = holder.attributes
    if not attributes:
        return
    shape = shapes[tuple(attributes)]
    if not shape.is_plain:
        # A statement in an event has no dialect and no reader who misses it: it goes.
        kept = {key: value for key, value in attributes.items() if key not in shape.texts}
        holder._attributes = BoundedAttributes(attributes=_cleaned(kept, shape, redact_urls))


def _cleaned(attributes: Mapping[str, Any], shape: Shape, redact_urls: bool) -> dict[str, Any]:
    from otel_dbmon_processors.messages import safe_exception_message, safe_stacktrace
    from otel_dbmon_processors.urls import URL_ATTRIBUTES

    cleaned = dict(attributes)
    for key in shape.removed:
        cleaned.pop(key, None)
    for key in shape.messages:
        # A class that is known to be a database's lets more of the message stay.
        cleaned[key] = safe_exception_message(str(cleaned.get(names.EXCEPTION_TYPE, "")), str(cleaned[key]))
    for key in shape.stacktraces:
        cleaned[key] = safe_stacktrace(str(cleaned[key]))
    if redact_urls:
        for key in shape.urls:
            cleaned[key] = URL_ATTRIBUTES[key](str(cleaned[key]))
    return cleaned


def blank(span: Any) -> None:
    """Fail closed: keep the span, drop every text that could hold a value."""
    shape = Shape(tuple(attributes_of(span)))
    doomed = {*shape.texts, *shape.removed, *shape.urls, *shape.messages, *shape.stacktraces}
    span._attributes._dict = {key: value for key, value in attributes_of(span).items() if key not in doomed}
    for holder in (*span._events, *span._links):
        holder._attributes = BoundedAttributes()
    span._status = Status(span._status.status_code)
    if shape.texts:
        span._name = shape.origin(attributes_of(span)).system or "database"
