"""Takes what is about to leave for Sentry and takes the values out of it, part by part, each by a rule of its own.

What comes here has been made ready for JSON: texts, numbers, lists and dicts. A part that no rule names is the
application's own data, of which words stay and data goes (``freetext``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from otel_dbmon_processors.freetext import is_typed, kind_of_value, leaves, mask_data, mask_source, typed_words
from otel_dbmon_processors.lines import is_database
from otel_dbmon_processors.messages import safe_exception_message
from otel_dbmon_processors.urls import REDACTED, URL_ATTRIBUTES, redact_query, redact_url
from otel_dbmon_semconv import attributes as names

Event = dict[str, Any]

#: Parts of an event that the SDK, the deployment or the developer says, not a person who typed something.
_KEPT = frozenset(
    {
        "event_id", "timestamp", "start_timestamp", "type", "level", "platform", "logger", "server_name", "release",
        "dist", "environment", "sdk", "modules", "transaction_info", "measurements", "debug_meta", "check_in_id",
        "monitor_slug", "monitor_config", "status", "duration", "errors", "version", "received",
    }
)  # fmt: skip
#: What a bare event keeps.
_BARE = ("event_id", "timestamp", "start_timestamp", "type", "level", "platform", "release", "environment", "sdk")
#: Contexts about the process and its machine, and our own.
_KEPT_CONTEXTS = frozenset(
    {"app", "browser", "cloud_resource", "culture", "device", "gpu", "os", "otel", "profile", "response", "runtime"}
)
_OWN_PARTS = ("message", "tags", "fingerprint")
_OWN_CONTEXTS = ("database", "finding", "trace")
_KEPT_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "baggage", "connection", "content-length", "content-type",
        "host", "sentry-trace", "traceparent", "tracestate", "user-agent", "x-request-id",
    }
)  # fmt: skip
_STATEMENTS = frozenset({names.DB_STATEMENT, names.DB_QUERY_TEXT, "sql"})
_URLS = frozenset({"url", *URL_ATTRIBUTES})
#: Attributes that hold nothing but what a person or a program typed: by how they begin, and by their last part.
_REMOVED = (
    *(names.DB_QUERY_PARAMETER, "sentry.message.parameter", "redis.", "cache."),
    *("http.request.body", "http.request.header", "http.response.header", "http.response.body"),
)
_REMOVED_ENDS = frozenset({"query", "fragment", "params", "parameters", "query_string", "cookies"})
#: Attributes about the process, the code and the peer.
_KEPT_ATTRIBUTES = (
    *("sentry.", "code.", "server.", "network.", "thread.", "process.", "os.", "runtime.", "service.", "logger."),
    *(names.DB_SYSTEM, names.DB_NAMESPACE, names.DB_NAME, names.DB_OPERATION, names.DB_COLLECTION_NAME),
    *("http.method", "http.request.method", "http.status_code", "http.response.", "http.route"),
    *("method", "status_code", "reason", "device.", "telemetry."),
)
_TEXT_ATTRIBUTES = ("sentry.message.template", "sentry.segment.name")
_MAX_DEPTH = 10
#: What a key looks like that a developer wrote.
_is_key = re.compile(r"[A-Za-z_][A-Za-z_.-]*[0-9]{0,2}").fullmatch


class Scrubber:
    """Scrubs events, transactions, logs, metrics and streamed spans. Thread safe: it keeps nothing.

    Args:
        safe: Makes a text safe that quotes a database's error.
        sanitize: Makes a statement safe, given its ``db.system``.
        keep_variables: Whether local variables keep their values where no database error is about.
        redact_urls: Whether values in URLs go.
    """

    def __init__(
        self,
        safe: Callable[[str], str],
        sanitize: Callable[[str, str], str],
        keep_variables: bool = False,
        redact_urls: bool = True,
    ) -> None:
        self._safe = safe
        self._sanitize = sanitize
        self._keep_variables = keep_variables
        self._redact_urls = redact_urls

    def event(self, event: Event, hint: Any) -> Event:
        """An error, a message, or whatever else is an event."""
        database = _is_about_database(event, hint)
        return self._scrubbed(event, self._pen(event, hint), database)

    def transaction(self, event: Event) -> Event:
        """One of Sentry's own transactions."""
        return self._scrubbed(event, self._pen(event, {}), database=False)

    def own_event(self, event: Event) -> Event:
        """An event about a finding: what it says is safe, what Sentry's scope added to it is not."""
        scrubbed = self._scrubbed(event, self._pen(event, {}), database=False)
        scrubbed.update({part: event[part] for part in _OWN_PARTS if part in event})
        contexts = event.get("contexts") or {}
        scrubbed["contexts"] = {
            **scrubbed.get("contexts", {}),
            **{name: contexts[name] for name in _OWN_CONTEXTS if name in contexts},
        }
        # The stack of our own thread says nothing.
        scrubbed.pop("threads", None)
        return scrubbed

    def log(self, log: Event) -> Event:
        """A log record; the values are in its parameters, and again in its body."""
        attributes = log.get("attributes") or {}
        pen = _Pen(self, typed_words(str(attributes[key]) for key in attributes if _is_removed(key)))
        template = attributes.get("sentry.message.template")
        has_parameters = any(key.startswith("sentry.message.parameter") for key in attributes)
        body = template if template and has_parameters else log.get("body")
        return {**log, "body": pen.text(str(body)), "attributes": pen.attributes(attributes)}

    def metric(self, metric: Event) -> Event:
        """A metric of Sentry's own."""
        return {**metric, "attributes": _Pen(self, frozenset()).attributes(metric.get("attributes") or {})}

    def span(self, span: Event) -> Event:
        """A span that is sent on its own."""
        pen = _Pen(self, frozenset())
        attributes = span.get("attributes") or {}
        name = pen.description(str(span.get("name", "")), str(attributes.get("sentry.op", "")), attributes)
        return {**span, "name": name, "attributes": pen.attributes(attributes)}

    def _pen(self, event: Event, hint: Any) -> _Pen:
        return _Pen(self, typed_words(_values(event, hint)) - _code_names(event))

    def _scrubbed(self, event: Event, pen: _Pen, database: bool) -> Event:
        variables = self._keep_variables and not database
        rules: dict[str, Callable[[Any], Any]] = {
            "message": pen.text_or_data,
            "logentry": pen.logentry,
            "exception": lambda part: pen.exceptions(part, database, variables),
            "threads": lambda part: pen.threads(part, variables),
            "stacktrace": lambda part: pen.stacktrace(part, variables),
            "breadcrumbs": pen.breadcrumbs,
            "spans": lambda part: [pen.transaction_span(span) for span in part],
            "request": pen.request,
            "contexts": pen.contexts,
            "extra": pen.data,
            # What the developer has chosen to name things by; a database's error and a statement have no place there.
            "tags": pen.labels,
            "user": pen.labels,
            "fingerprint": pen.labels,
            "transaction": pen.transaction_name,
        }
        # What the serializer remarks about parts that were cut is told by their keys, which may be values.
        return {
            part: value if part in _KEPT else rules.get(part, pen.data)(value)
            for part, value in event.items()
            if part != "_meta" and value is not None
        }

    # The tools of the pen, which knows the values of one event.

    def safe(self, text: str) -> str:
        """A text, without the values of a database's error or a statement that it is or quotes."""
        return self._sanitize(text, "") if _is_statement(text) else self._safe(text)

    def statement(self, text: str, system: str) -> str:
        """A statement without its values."""
        return self._sanitize(text, system)

    def url(self, text: str) -> str:
        """A URL without its values, if that is wanted."""
        return redact_url(text) if self._redact_urls else text

    def query_string(self, text: str) -> str:
        """Likewise."""
        return redact_query(text) if self._redact_urls else text


class _Pen:
    """The rules for the parts of one event, with the words that are known to be values in it."""

    def __init__(self, scrubber: Scrubber, typed: Collection[str]) -> None:
        self._scrubber = scrubber
        self._typed = typed

    def text(self, text: str) -> str:
        safe = self._scrubber.safe(text)
        return safe if safe != text else mask_data(text, self._typed)

    def text_or_data(self, part: Any) -> Any:
        return self.logentry(part) if isinstance(part, dict) else self.text(str(part))

    def data(self, value: Any, depth: int = _MAX_DEPTH) -> Any:
        """The application's own data."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if not depth:
            return "?"
        if isinstance(value, dict):
            return {self._key(key): self.data(each, depth - 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(each, depth - 1) for each in value]
        return "?"

    def _key(self, key: Any) -> str:
        name = str(key)
        return name if _is_key(name) and name.lower() not in self._typed else mask_data(name, self._typed)

    def labels(self, value: Any) -> Any:
        """What the developer names things by: it stays, unless it is a statement or quotes a database's error."""
        if isinstance(value, dict):
            return {key: self.labels(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.labels(each) for each in value]
        return self._scrubber.safe(value) if isinstance(value, str) else value

    def transaction_name(self, name: Any) -> Any:
        return self.url(name) if str(name).startswith("/") or "://" in str(name) else self.labels(name)

    def url(self, url: str) -> str:
        """A URL; a word of its path that is known to be a value goes as well."""
        safe = self._scrubber.url(url)
        if safe == url and not self._typed:
            return safe
        scheme, slashes, path = safe.rpartition("://")
        host, *segments = path.split("/")
        return (
            scheme
            + slashes
            + "/".join([host, *(REDACTED if is_typed(each, self._typed) else each for each in segments)])
        )

    def logentry(self, entry: Any) -> dict[str, Any]:
        """The message as it was written down, with none of its parameters in it."""
        message = self.text(str(entry.get("message") or entry.get("formatted") or ""))
        return {"message": message, "formatted": message} if entry else {}

    def exceptions(self, part: Any, database: bool, variables: bool) -> Any:
        return {"values": [self._exception(each, database, variables) for each in _listed(part)]}

    def _exception(self, exception: Event, database: bool, variables: bool) -> Event:
        made = dict(exception)
        value = str(exception.get("value") or "")
        name = ".".join(filter(None, (exception.get("module"), exception.get("type"))))
        if value:
            made["value"] = safe_exception_message(name, value) if database else self.text(value)
        for key in ("stacktrace", "raw_stacktrace"):
            if exception.get(key):
                made[key] = self.stacktrace(exception[key], variables)
        mechanism = exception.get("mechanism")
        if isinstance(mechanism, dict) and "data" in mechanism:
            made["mechanism"] = {**mechanism, "data": self.data(mechanism["data"])}
        return made

    def threads(self, part: Any, variables: bool) -> Any:
        return {
            "values": [
                {**each, "stacktrace": self.stacktrace(each["stacktrace"], variables)}
                if isinstance(each, dict) and each.get("stacktrace")
                else each
                for each in _listed(part)
            ]
        }

    def stacktrace(self, stacktrace: Any, variables: bool) -> Any:
        frames = stacktrace.get("frames") or []
        return {**stacktrace, "frames": [self._frame(frame, variables) for frame in frames]}

    def _frame(self, frame: Event, variables: bool) -> Event:
        made = dict(frame)
        if not variables and "vars" in frame:
            made["vars"] = {name: kind_of_value(value) for name, value in (frame["vars"] or {}).items()}
        for key in ("pre_context", "post_context"):
            if key in frame:
                made[key] = [mask_source(str(line)) for line in frame[key] or ()]
        if frame.get("context_line"):
            made["context_line"] = mask_source(str(frame["context_line"]))
        return made

    def breadcrumbs(self, part: Any) -> Any:
        return {"values": [self._breadcrumb(each) for each in _listed(part) if isinstance(each, dict)]}

    def _breadcrumb(self, crumb: Event) -> Event:
        data = crumb.get("data")
        made: Event = {
            key: crumb[key] for key in ("timestamp", "type", "category", "level", "event_id") if key in crumb
        }
        if crumb.get("message") is not None:
            system = _system(data) if isinstance(data, dict) else ""
            message = str(crumb["message"])
            is_query = crumb.get("category") == "query" or crumb.get("type") == "query"
            made["message"] = self._scrubber.statement(message, system) if is_query else self.text(message)
        if isinstance(data, dict):
            made["data"] = self.attributes(data)
        return made

    def transaction_span(self, span: Any) -> Any:
        data = span.get("data") or {}
        made = {**span, "data": self.attributes(data)}
        if span.get("description"):
            made["description"] = self.description(str(span["description"]), str(span.get("op", "")), data)
        if "tags" in span:
            made["tags"] = self.labels(span["tags"])
        return made

    def description(self, text: str, op: str, attributes: Event) -> str:
        """What a span is called: of a database's its statement."""
        if op.startswith("db") and not op.endswith("redis"):
            return self._scrubber.statement(text, _system(attributes))
        return self.text(text)

    def attributes(self, attributes: Event) -> Event:
        """What a span, a log record or a breadcrumb carries."""
        return {key: self._attribute(key, attributes) for key in attributes if not _is_removed(key)}

    def _attribute(self, key: str, attributes: Event) -> Any:
        value = attributes[key]
        if key in _STATEMENTS and isinstance(value, str):
            return self._scrubber.statement(value, _system(attributes))
        if key in _URLS and isinstance(value, str):
            return self.url(value)
        if key.startswith(_KEPT_ATTRIBUTES) and not key.startswith(_TEXT_ATTRIBUTES):
            return value
        return self.data(value)

    def request(self, request: Any) -> Any:
        """A web request: what was asked for stays, what was typed goes."""
        made = {key: request[key] for key in ("method", "env", "api_target") if key in request}
        if request.get("url"):
            made["url"] = self.url(str(request["url"]))
        if request.get("query_string"):
            made["query_string"] = self._scrubber.query_string(str(request["query_string"]))
        if isinstance(request.get("headers"), dict):
            made["headers"] = {
                name: value if name.lower() in _KEPT_HEADERS else "?" for name, value in request["headers"].items()
            }
        if request.get("data"):
            made["data"] = "?"
        return made

    def contexts(self, contexts: Any) -> Any:
        made = {}
        for name, context in contexts.items():
            if name == "trace" and isinstance(context, dict):
                made[name] = self._trace(context)
            else:
                made[name] = context if name in _KEPT_CONTEXTS else self.data(context)
        return made

    def _trace(self, context: Event) -> Event:
        made = dict(context)
        if context.get("data"):
            made["data"] = self.attributes(context["data"])
        if context.get("description"):
            made["description"] = self.text(str(context["description"]))
        return made


def blank(event: Event) -> Event:
    """The bare event: when, where, in which trace, and the classes of its exceptions."""
    bare: Event = {key: event[key] for key in _BARE if key in event}
    values = _listed(event.get("exception") or {})
    if values:
        bare["exception"] = {"values": [{key: each.get(key) for key in ("type", "module")} for each in values]}
    context = (event.get("contexts") or {}).get("trace") or {}
    ids = {key: context[key] for key in ("trace_id", "span_id", "parent_span_id") if key in context}
    return {**bare, "contexts": {"trace": ids}} if ids else bare


def _listed(part: Any) -> list[Any]:
    values = part.get("values") if isinstance(part, dict) else part
    return list(values or ())


def _is_removed(key: str) -> bool:
    return key.startswith(_REMOVED) or key.rpartition(".")[2] in _REMOVED_ENDS


def _system(attributes: Event) -> str:
    return str(attributes.get(names.DB_SYSTEM) or attributes.get(names.DB_SYSTEM_NAME) or "")


def _is_statement(text: str) -> bool:
    words = text.split(None, 2)
    return len(words) > 1 and words[0].upper() in _VERBS


_VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "REPLACE", "COPY", "CALL", "EXPLAIN"})


def _is_about_database(event: Event, hint: Any) -> bool:
    """Whether a database's error is anywhere in the chain, under its own name or as the base of another class."""
    for exception in _listed(event.get("exception") or {}):
        if is_database(".".join(filter(None, (exception.get("module"), exception.get("type"))))):
            return True
    kinds = (kind for error in chain_of(hint) for kind in type(error).__mro__)
    return any(is_database(f"{kind.__module__}.{kind.__qualname__}") for kind in kinds)


def chain_of(hint: Any) -> Iterator[BaseException]:
    """The exception that an event is about, and all that it was raised from or in place of."""
    info = hint.get("exc_info") if isinstance(hint, dict) else None
    seen: set[int] = set()
    waiting = [info[1]] if isinstance(info, tuple) and len(info) == 3 else []
    while waiting and len(seen) < 50:
        error = waiting.pop()
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            waiting += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def _values(event: Event, hint: Any) -> Iterator[str]:
    """The texts of an event that are values and nothing else: they may be anywhere else in it as well."""
    for error in chain_of(hint):
        yield from leaves(getattr(error, "params", None))
    for stacktrace in _stacktraces(event):
        for frame in stacktrace.get("frames") or ():
            for value in leaves(frame.get("vars") or {}):
                if value[:1] in ("'", '"'):
                    yield value
    yield from leaves((event.get("logentry") or {}).get("params"))
    request = event.get("request") or {}
    yield from leaves(request.get("data"))


def _stacktraces(event: Event) -> Iterator[Event]:
    for part in ("exception", "threads"):
        for each in _listed(event.get(part) or {}):
            if isinstance(each, dict) and isinstance(each.get("stacktrace"), dict):
                yield each["stacktrace"]
    if isinstance(event.get("stacktrace"), dict):
        yield event["stacktrace"]


def _code_names(event: Event) -> frozenset[str]:
    """Words that name code in this event: a variable may hold one of them by chance."""
    found: list[str] = [str(event.get("logger", ""))]
    for stacktrace in _stacktraces(event):
        for frame in stacktrace.get("frames") or ():
            found += [str(frame.get("function", "")), str(frame.get("module", "")), *(frame.get("vars") or ())]
    return typed_words(name.replace(".", " ").replace("_", " ") for name in found)
