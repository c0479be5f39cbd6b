"""Takes differences; answers how probable they are by chance, how large they are, and what many tests leave of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement, pairwise
from statistics import fmean, median, stdev

#: So few witnesses remain at worst, however alike neighbours are.
_FEWEST_WITNESSES = 2.0
_PRECISION = 1e-12


def mean_test(differences: Sequence[float], likeness: float) -> float:
    """The two-sided p-value of Student's t test, with as many witnesses as there are independent ones.

    Neighbours that are alike tell one thing twice: of n differences whose neighbours correlate by r, only
    n (1 - r) / (1 + r) count. (F. W. Zwiers and H. von Storch, "Taking serial correlation into account in tests of the
    mean", Journal of Climate 8, 1995.)

    Args:
        differences: In order of time; at least three.
        likeness: The correlation of neighbours, 0 to 1.
    """
    spread = stdev(differences)
    if not spread:
        return 0.0 if differences[0] else 1.0
    witnesses = max(_FEWEST_WITNESSES, len(differences) * (1 - likeness) / (1 + likeness))
    return student(fmean(differences) / spread * math.sqrt(witnesses), witnesses - 1)


def likeness(differences: Sequence[float]) -> float:
    """How much neighbours correlate, 0 to 1.

    Measured on so few it comes out too low, by (1 + 4 r) / n on average, which is put back. (M. G. Kendall, "Note on
    bias in the estimation of autocorrelation", Biometrika 41, 1954.)

    Args:
        differences: In order of time; at least five.
    """
    middle, count = fmean(differences), len(differences)
    centred = [difference - middle for difference in differences]
    total = sum(each * each for each in centred)
    if not total:
        return 0.0
    measured = sum(one * next_one for one, next_one in pairwise(centred)) / total
    return min(1.0, max(0.0, (count * measured + 1) / (count - 4)))


def typical(differences: Sequence[float]) -> float:
    """What the differences are around: the median of the means of all pairs of them, each with itself as well.

    One odd difference moves it little. (J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests",
    Annals of Mathematical Statistics 34, 1963.)
    """
    return median((one + other) / 2 for one, other in combinations_with_replacement(differences, 2))


def student(t: float, freedom: float) -> float:
    """How probable it is that Student's t, with so many degrees of freedom, is as far from zero as this one."""
    return _beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def _beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (NIST, DLMF 8.17.22), after Lentz."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction, upper, lower = 1.0, 1.0, 0.0
    for step in range(500):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1 / (1 + term * lower or 1e-300)
        upper = 1 + term / upper or 1e-300
        fraction *= upper * lower
        if abs(upper * lower - 1) < _PRECISION and step:
            break
    return front * (fraction - 1)


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """What to compare with the share of false alarms that one bears, for each of these p-values.

    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57,
    1995: of all that are told for having at most q, a share of q or less is false on average. It holds for tests that
    are independent or positively dependent, as patterns that share a database are.
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda index: p_values[index], reverse=True)
    answers, least = [1.0] * count, 1.0
    for place, index in enumerate(order):
        least = min(least, p_values[index] * (count / (count - place)))
        answers[index] = least
    return answers
