"""Cumulative buckets come in, quantiles go out, the same ones that PromQL's ``histogram_quantile`` finds."""

from __future__ import annotations

import math
from collections.abc import Mapping


def quantile(q: float, buckets: Mapping[float, float]) -> float:
    """The value that a share ``q`` of all observations did not exceed, by interpolation within its bucket.

    Args:
        q: Between 0 and 1.
        buckets: Observations up to each bound, by the bound; that of everything is ``inf``.

    Returns:
        NaN where there are no observations, or too few buckets to tell.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    counts: list[float] = []
    for bound in bounds:
        # Where series were read at different moments, a higher bucket may know of less.
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    total = counts[-1]
    if total <= 0:
        return math.nan
    rank = q * total
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    start, before = (0.0, 0.0) if index == 0 else (bounds[index - 1], counts[index - 1])
    within = counts[index] - before
    if within <= 0:
        # Only the lowest value of all is looked for in a bucket without any; PromQL divides zero by zero there.
        return math.nan
    # Rounding shall not lead out of the bucket.
    return min(bounds[index], start + (bounds[index] - start) * ((rank - before) / within))
