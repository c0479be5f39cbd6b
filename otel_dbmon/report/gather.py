"""Takes a Prometheus and a period; asks it, and answers with the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from otel_dbmon.querying.prometheus import Prometheus, Sample
from otel_dbmon.report.capacity import forecast
from otel_dbmon.report.model import (
    ENOUGH_BEFORE,
    NOTHING_KNOWN,
    Amount,
    Changes,
    Curve,
    ErrorKind,
    NPlusOne,
    Pattern,
    Pool,
    Report,
    Service,
    Slow,
    Suggested,
    TableUse,
    of,
)
from otel_dbmon.report.period import Period
from otel_dbmon.report.questions import ERROR, PATTERN, POOL, SERVICE, STATEMENT, TABLE, Questions
from otel_dbmon.report.regression import Windows, compare

_DAY_S = 86_400
#: Pools are foretold from whole weeks of days, so that weekends weigh as much at the end as at the beginning.
_FORETOLD_FROM_DAYS = 28

Key = tuple[str, ...]
Amounts = Mapping[Key, Amount]
#: What it was in each window of the period before, then in each window of the period; None where nothing is known.
Rows = Mapping[Key, Sequence["float | None"]]


@dataclass(frozen=True)
class Gatherer:
    """Asks about one period.

    Attributes:
        prometheus: Who is asked.
        period: About what.
        services: Whose metrics; everybody's if empty.
    """

    prometheus: Prometheus
    period: Period
    services: tuple[str, ...] = ()

    def gather(self, note: Callable[[str], None] = lambda _: None) -> Report:
        """Everything that the report says of metrics.

        Args:
            note: Told what is being asked.

        Raises:
            UnansweredError: Prometheus does not answer.
        """
        note("windows")
        load = self._rows(self._in_window.per_second(SERVICE), SERVICE)
        covered = self._covered(load)
        ask = _Both(self, has_before=covered >= ENOUGH_BEFORE)
        note("services")
        services = list(_services(ask))
        note("patterns")
        patterns = list(_patterns(ask))
        changes = compare(patterns, self._pattern_windows()) if ask.has_before else Changes()
        note("tables, errors and pools")
        pools, pool_use = list(self._pools(ask)), self._rows(self._in_window.pool_peak(), POOL)
        return Report(
            source=self.prometheus.url,
            made_at=time.time(),
            period=self.period,
            covered_before=covered,
            services_asked=self.services,
            services=tuple(services),
            patterns=tuple(patterns),
            slow=tuple(_slow(ask)),
            tables=tuple(_tables(ask)),
            errors=tuple(_errors(ask)),
            pools=tuple(pools),
            n_plus_one=tuple(_n_plus_one(ask)),
            suggested=tuple(self._suggested(ask)),
            changes=changes,
            load=self._curves(load, [(found.service,) for found in services]),
            latency=self._curves(
                self._rows(self._in_window.mean(SERVICE), SERVICE), [(found.service,) for found in services]
            ),
            pool_use=self._curves(pool_use, [(found.service, found.database, found.pool) for found in pools]),
        )

    @property
    def in_period(self) -> Questions:
        """Questions about all of the period."""
        return Questions(self.services, self.period.length_s)

    @property
    def _in_window(self) -> Questions:
        return Questions(self.services, self.period.window_s)

    def amounts(self, query: str, by: Sequence[str], has_before: bool) -> dict[Key, Amount]:
        """A number for each set of labels, in the period and in the one before."""
        now = _by_labels(self.prometheus.instant(query, self.period.end), by)
        if not has_before:
            return {key: Amount(value) for key, value in now.items()}
        before = _by_labels(self.prometheus.instant(query, self.period.start), by)
        return {key: Amount(now.get(key), before.get(key)) for key in {**now, **before}}

    def _rows(self, query: str, by: Sequence[str]) -> dict[Key, list[float | None]]:
        period, rows = self.period, dict[Key, list["float | None"]]()
        for half, end in enumerate((period.start, period.end)):
            first = period.first_window(end)
            for series in self.prometheus.range(query, first, end, period.window_s):
                row = rows.setdefault(_key(series.labels, by), [None] * (2 * period.windows))
                for moment, value in series.points:
                    row[half * period.windows + round((moment - first) / period.window_s)] = of(value)
        return rows

    def _covered(self, load: Rows) -> float:
        """Which share of the period before's windows anybody told anything of."""
        count = self.period.windows
        told = [any(row[window] is not None for row in load.values()) for window in range(count)]
        return sum(told) / count

    def _curves(self, rows: Rows, keys: Sequence[Key]) -> tuple[Curve, ...]:
        """Curves of what is worth most first."""
        count = self.period.windows
        return tuple(
            Curve(" / ".join(filter(None, key)), tuple(rows[key][count:]), tuple(rows[key][:count]))
            for key in keys
            if key in rows
        )

    def _pattern_windows(self) -> dict[tuple[str, str, str], Windows]:
        calls = self._rows(self._in_window.pattern_calls(), PATTERN)
        seconds = self._rows(self._in_window.pattern_seconds(), PATTERN)
        nothing = [0.0] * (2 * self.period.windows)
        return {
            (key[0], key[1], key[2]): Windows(
                [value or 0.0 for value in row], [value or 0.0 for value in seconds.get(key, nothing)]
            )
            for key, row in calls.items()
        }

    def _pools(self, ask: _Both) -> Iterator[Pool]:
        questions = self.in_period
        limit, peak = ask(questions.pool_limit(), POOL), ask(questions.pool_peak(), POOL)
        active = ask(questions.pool_active(), POOL)
        left, wait = ask(questions.pool_left(), POOL), ask(questions.pool_wait(), POOL)
        timeouts, days = ask(questions.pool_timeouts(), POOL), self._daily_peaks()
        for key in sorted(active, key=lambda key: (-(_get(peak, key).now or 0), key)):
            yield Pool(
                service=key[0],
                database=key[1],
                pool=key[2],
                limit=_get(limit, key).now or None,
                active=active[key],
                peak=_get(peak, key),
                left=_get(left, key),
                wait_p95_s=_get(wait, key),
                timeouts=_get(timeouts, key),
                forecast=forecast(days.get(key, ()), self.period.end, (_get(peak, key).now or 0) >= 1),
            )

    def _daily_peaks(self) -> dict[Key, list[tuple[float, float]]]:
        """When each of the last days ended, and the largest share of each pool that was in use in it."""
        span = self.foretold_from_days
        step = -(-span // (4 * _FORETOLD_FROM_DAYS)) * _DAY_S
        start = self.period.end - (span * _DAY_S // step - 1) * step
        found = self.prometheus.range(Questions(self.services, step).pool_peak(), start, self.period.end, step)
        return {_key(series.labels, POOL): list(series.points) for series in found}

    @property
    def foretold_from_days(self) -> int:
        """How many days pools are foretold from."""
        return max(_FORETOLD_FROM_DAYS, 2 * self.period.length_s // _DAY_S)

    def _suggested(self, ask: _Both) -> Iterator[Suggested]:
        found = ask(self.in_period.suggestions(), TABLE)
        for key in sorted(found, key=lambda key: (-(found[key].now or 0), key)):
            if indexes := found[key].now:
                yield Suggested(key[0], key[1], indexes)


class _Both:
    """Asks about the period and, where anything is known of it, the one before."""

    def __init__(self, gatherer: Gatherer, has_before: bool) -> None:
        self._gatherer = gatherer
        self.has_before = has_before
        self.questions = gatherer.in_period

    def __call__(self, query: str, by: Sequence[str]) -> dict[Key, Amount]:
        return self._gatherer.amounts(query, by, self.has_before)


def _services(ask: _Both) -> Iterator[Service]:
    questions = ask.questions
    statements, seconds = ask(questions.statements(SERVICE), SERVICE), ask(questions.seconds(SERVICE), SERVICE)
    p95, errors = ask(questions.quantile(SERVICE), SERVICE), ask(questions.errors(SERVICE), SERVICE)
    slow, n_plus_one = ask(questions.slow(SERVICE), SERVICE), ask(questions.n_plus_one(SERVICE), SERVICE)
    for key in _costliest(statements, seconds):
        others = (_get(amounts, key) for amounts in (p95, errors, slow, n_plus_one))
        yield Service(key[0], statements[key], _get(seconds, key), *others)


def _patterns(ask: _Both) -> Iterator[Pattern]:
    calls, seconds = ask(ask.questions.pattern_calls(), PATTERN), ask(ask.questions.pattern_seconds(), PATTERN)
    for key in _costliest(calls, seconds):
        yield Pattern(key[0], key[1], key[2], calls[key], _get(seconds, key))


def _tables(ask: _Both) -> Iterator[TableUse]:
    questions = ask.questions
    calls, seconds = ask(questions.statements(TABLE), TABLE), ask(questions.seconds(TABLE), TABLE)
    p95 = ask(questions.quantile(TABLE), TABLE)
    for key in _costliest(calls, seconds):
        yield TableUse(key[0], key[1], calls[key], _get(seconds, key), _get(p95, key))


def _slow(ask: _Both) -> Iterator[Slow]:
    found = ask(ask.questions.slow(STATEMENT), STATEMENT)
    yield from (Slow(key[0], key[1], key[2], found[key]) for key in _most(found))


def _errors(ask: _Both) -> Iterator[ErrorKind]:
    found = ask(ask.questions.errors(ERROR), ERROR)
    yield from (ErrorKind(key[0], key[1], key[2], found[key]) for key in _most(found))


def _n_plus_one(ask: _Both) -> Iterator[NPlusOne]:
    found = ask(ask.questions.n_plus_one(TABLE), TABLE)
    yield from (NPlusOne(key[0], key[1], found[key]) for key in _most(found))


def _costliest(calls: Amounts, seconds: Amounts) -> list[Key]:
    """Whose statements took the most time, first; what ran in neither period is left out."""
    ran = [key for key, amount in calls.items() if amount.now or amount.before]
    return sorted(ran, key=lambda key: (-(_get(seconds, key).now or 0), key))


def _most(found: Amounts) -> list[Key]:
    """What happened the most, first; what happened in neither period is left out."""
    happened = [key for key, amount in found.items() if amount.now or amount.before]
    return sorted(happened, key=lambda key: (-(found[key].now or 0), -(found[key].before or 0), key))


def _get(amounts: Amounts, key: Key) -> Amount:
    return amounts.get(key, NOTHING_KNOWN)


def _by_labels(samples: Sequence[Sample], by: Sequence[str]) -> dict[Key, float | None]:
    return {_key(sample.labels, by): of(sample.value) for sample in samples}


def _key(labels: Mapping[str, str], by: Sequence[str]) -> Key:
    """The values of these labels; "" for one that a series does not have."""
    return tuple(labels.get(name, "") for name in by)
