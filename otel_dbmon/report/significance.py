"""Takes differences; answers how probable they are by chance, how large they are, and what many tests leave of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement
from statistics import median


def signed_rank(differences: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test, exact, with ties as well.

    If nothing changed, each difference is as likely to be positive as negative, whatever its size. All 2^n ways to put
    the signs are counted (by dynamic programming), and the share of those is answered whose sum of ranks lies as far
    from the middle as the one that was seen. Differences of zero say nothing and are left out. (F. Wilcoxon,
    "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945.)

    Args:
        differences: One for each pair; at most a hundred, or it takes seconds.
    """
    told = [difference for difference in differences if difference]
    if not told:
        return 1.0
    ranks = _doubled_ranks([abs(difference) for difference in told])
    seen = sum(rank for rank, difference in zip(ranks, told, strict=True) if difference > 0)
    total = sum(ranks)
    tail = _as_low(tuple(sorted(ranks)))[min(seen, total - seen)]
    return min(1.0, 2 * tail)


def typical(differences: Sequence[float]) -> float:
    """What the differences are around: the median of the means of all pairs of them, each with itself as well.

    It is the estimate that belongs to the signed-rank test. (J. L. Hodges and E. L. Lehmann, "Estimates of location
    based on rank tests", Annals of Mathematical Statistics 34, 1963.)
    """
    return median((one + other) / 2 for one, other in combinations_with_replacement(differences, 2))


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the rank of each size, equal ones getting the mean of theirs: so all of them are whole numbers."""
    counts = Counter(sizes)
    ranks, below = {}, 0
    for size in sorted(counts):
        ranks[size] = 2 * below + counts[size] + 1
        below += counts[size]
    return [ranks[size] for size in sizes]


@lru_cache(maxsize=256)
def _as_low(ranks: tuple[int, ...]) -> tuple[float, ...]:
    """For each sum: which share of all choices among the ranks has that sum or a lower one."""
    ways = [1] + [0] * sum(ranks)
    for rank in ranks:
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    shares, running, choices = [], 0, 1 << len(ranks)
    for count in ways:
        running += count
        shares.append(running / choices)
    return tuple(shares)


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
        least = min(least, p_values[index] * count / (count - place))
        answers[index] = least
    return answers
