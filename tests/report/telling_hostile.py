"""A report in which every name that comes from outside tries to be more than a name."""

from __future__ import annotations

from otel_dbmon.report.model import (
    Advised,
    Amount,
    Changed,
    Changes,
    Curve,
    ErrorKind,
    Forecast,
    NPlusOne,
    Pattern,
    Place,
    Pool,
    Report,
    Service,
    Slow,
    Suggested,
    TableUse,
)
from otel_dbmon.report.period import Period

ONE = Amount(1.0, 2.0)
END = 1_772_409_600


def report_with(name: str) -> Report:
    """Everything there is, under that name."""
    period = Period(END, 86_400)
    pattern = Pattern(name, name, name, ONE, ONE)
    hours = tuple(float(hour) for hour in range(period.windows))
    curve = Curve(name, hours, hours)
    return Report(
        source=name,
        made_at=END,
        period=period,
        covered_before=1.0,
        services_asked=(name,),
        lines_from=name,
        advice_from=name,
        services=(Service(name, ONE, ONE, ONE, ONE, ONE, ONE),),
        patterns=(pattern, Pattern(name, "", "", ONE, ONE)),
        slow=(Slow(name, name, name, ONE),),
        tables=(TableUse(name, name, ONE, ONE, ONE), TableUse(name, f"{name} ", ONE, ONE, ONE)),
        errors=(ErrorKind(name, name, name, ONE),),
        pools=(Pool(name, name, name, 5.0, ONE, ONE, ONE, ONE, ONE, Forecast("grows", 0.1, 9e5, 8e5, None, 0.001)),),
        n_plus_one=(NPlusOne(name, name, ONE),),
        places=(Place("N+1", name, name, name, name, 3),),
        suggested=(Suggested(name, name, 2.0),),
        advised=(Advised(name, name, "cost", (name,), 2, 0.9),),
        changes=Changes((Changed(pattern, 2.0, 2.0, 0.001, 0.01, 24, 9.0),), 1, 2, 3, (pattern,)),
        load=(curve,),
        latency=(curve,),
        pool_use=(curve,),
    )
