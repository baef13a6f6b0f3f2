"""Work out the cold starts of a server from samples, if there is evidence of them, and enough. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, pairwise

ENOUGH = 20
"""Of fewer cold starts none lies beyond the 95th percentile."""

BOUNDED = 72
"""So many values have an upper end of the interval in which their 95th percentile lies."""

FOREIGN = 0.1
"""How many of the slow answers after an idle time may be slow for another reason, judged by the others."""

CHANCE = 0.001
"""How probable it may be that slowness and idleness have met by accident."""

LOST = 0.05
"""How many after an idle time may fail; with more, the 95th percentile may be one of those."""

GAP = 1.5
"""How many times the slow cluster's lower end is the fast one's upper end, at least, if there are two."""

SMALLEST = 1e-3
"""Milliseconds; nothing is told apart below that."""

CONFIDENCE = 0.95

ESTIMATOR = "median-unbiased between order statistics (Hyndman and Fan 1996, type 8)"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: the first request on a new connection."""

    latency_ms: float
    rested: bool
    """Whether the server had had no request of ours for the whole idle time, or was started for this one."""


class Evidence(StrEnum):
    """What tells cold starts from warm answers."""

    FRESH = "each on a process that was started for it"
    BOTH = "spacing and shape"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Told:
    """The samples told apart."""

    evidence: Evidence
    because: str
    """What was seen, in a sentence without a full stop."""
    cold: tuple[float, ...] = ()
    """Milliseconds, in ascending order."""
    warm: tuple[float, ...] = ()
    boundary_ms: float | None = None
    """Between the clusters."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of cold starts or of warm answers, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    p95_interval: tuple[float | None, float | None]
    """Where the true 95th percentile lies with 95 % confidence; None where so few samples cannot say."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a series of samples came to."""

    told: Told
    cold: Percentiles | None
    warm: Percentiles | None
    wanted: int = field(default=ENOUGH)
    lost: int = 0
    """How many answers after an idle time did not come."""
    rested: int = 0
    """How many did."""

    @property
    def p95_ms(self) -> float | None:
        """What may be written to the manifest; None while the table's value has to do."""
        if self.cold is None or self.shortfall is not None:
            return None
        # The manifest takes no zero, and nobody measures less.
        return max(round(self.cold.p95, 1), 0.1)

    @property
    def shortfall(self) -> str | None:
        """Why nothing can be written, in a sentence without a full stop; None if something can."""
        if self.told.evidence is Evidence.NOTHING and self.rested < self.wanted:
            seen = "1 answer" if self.rested == 1 else f"{self.rested} answers"
            return f"{seen} came after an idle time; a 95th percentile takes {self.wanted} cold starts"
        if self.told.evidence is Evidence.NOTHING:
            return f"cold starts and warm answers cannot be told apart: {self.told.because}"
        found = len(self.told.cold)
        if found < self.wanted:
            seen = "1 cold start was seen" if found == 1 else f"{found} cold starts were seen"
            return f"{seen}; a 95th percentile takes {self.wanted}"
        asked = self.lost + self.rested
        if self.lost > LOST * asked:
            return f"{self.lost} of {asked} requests after an idle time failed, and may have been the slowest"
        return None


def calibrate(samples: Sequence[Sample], *, fresh: bool = False, lost: int = 0) -> Calibration:
    """Judge a series of samples.

    `fresh` says that each rested one had a process of its own, `lost` how many more of them failed.
    """
    told = apart(samples, fresh=fresh)
    rested = sum(sample.rested for sample in samples)
    return Calibration(told, _percentiles(told.cold), _percentiles(told.warm), lost=lost, rested=rested)


def apart(samples: Sequence[Sample], *, fresh: bool = False) -> Told:
    """Tell cold starts from warm answers, or say why that cannot be done.

    Two things have to agree. Spacing: only what comes after an idle time can be a cold start, so slow answers
    have to be far more frequent there than right after another. Shape: there is a gap between the slow and
    the fast ones. Of several gaps, as where some starts are from a snapshot, it is the one that idleness
    explains best. A rested sample below it met a server that was still warm: other clients had asked it, or
    the idle time was too short. It counts as warm.
    """
    rested = sorted(sample.latency_ms for sample in samples if sample.rested)
    others = sorted(sample.latency_ms for sample in samples if not sample.rested)
    if fresh:
        because = f"{len(rested)} starts, and {len(others)} answers of what was started"
        return Told(Evidence.FRESH, because, tuple(rested), tuple(others))
    if len(rested) < 2 or len(others) < 2:  # noqa: PLR2004 - a cluster is more than one
        return Told(Evidence.NOTHING, "there are too few samples", warm=tuple(sorted(rested + others)))
    clefts = list(_clefts(rested, others))
    best = max(clefts, key=_Cleft.rank, default=None)
    if best is None or best.flaw is not None:
        because = best.flaw if best and best.flaw else "all took the same time"
        return Told(Evidence.NOTHING, because, warm=tuple(sorted(rested + others)))
    cold = [value for value in rested if value > best.low]
    because = (
        f"{len(cold)} of {len(rested)} answers after an idle time took more than {best.boundary:.0f} ms, and "
        f"{best.others} of {len(others)} that came right after another; "
        f"the slow ones begin at {best.gap:.1f} times the fast ones' end"
    )
    if still := len(rested) - len(cold):
        because += f"; {still} after an idle time met a warm server"
    warm = sorted(set_aside(rested + others, cold))
    return Told(Evidence.BOTH, because, tuple(cold), tuple(warm), best.boundary)


@dataclass(frozen=True, slots=True)
class _Cleft:
    """A place at which samples can be parted, and what speaks for it."""

    low: float
    """The slowest of the fast ones."""
    boundary: float
    share: float
    """How much more frequent slow answers are after an idle time than right after another."""
    gap: float
    """How many times the fast ones' end the slow ones' beginning is."""
    others: int
    """Slow answers that came right after another."""
    flaw: str | None
    """Why it is no evidence, in a sentence without a full stop."""

    def rank(self) -> tuple[bool, float, float]:
        """Order clefts: by what they are evidence of, then by width."""
        return self.flaw is None, self.share, self.gap


def _clefts(rested: Sequence[float], others: Sequence[float]) -> Iterator[_Cleft]:
    """Give the places between two neighbouring values; both sequences are in ascending order."""
    ordered = sorted([*rested, *others])
    for number, (low, high) in enumerate(pairwise(ordered), 1):
        if low == high:
            continue
        boundary = math.sqrt(max(low, SMALLEST) * max(high, SMALLEST))
        cold = len(rested) - bisect_right(rested, low)
        slow = len(ordered) - number
        foreign = (slow - cold) / len(others)
        gap = percentile(ordered[number:], 0.05) / max(percentile(ordered[:number], 0.95), SMALLEST)
        flaw = None
        if gap < GAP:
            flaw = f"the latencies have no gap: the slower ones begin at {gap:.2f} times the faster ones' end"
        elif foreign * len(rested) > FOREIGN * cold:
            flaw = (
                f"{slow - cold} of {slow} slow answers came right after another, "
                "so it was no idle time that made them slow"
            )
        elif _accident(len(rested), len(others), slow, cold) > CHANCE:
            flaw = f"{cold} slow answers after an idle time, of {len(rested)}, may be chance"
        yield _Cleft(low, boundary, cold / len(rested) - foreign, gap, slow - cold, flaw)


def _accident(rested: int, others: int, slow: int, cold: int) -> float:
    """Say how probable it is that so many of the slow ones are rested, if that had nothing to do with it."""
    ways = sum(
        math.comb(rested, number) * math.comb(others, slow - number)
        for number in range(cold, min(rested, slow) + 1)
    )
    return ways / math.comb(rested + others, slow)


def set_aside(values: Sequence[float], without: Sequence[float]) -> list[float]:
    """Give the values that are left, each as often as it was there more often."""
    left = list(values)
    for value in without:
        left.remove(value)
    return left


def percentile(values: Sequence[float], share: float) -> float:
    """Estimate the percentile of the distribution that values were drawn from.

    Interpolates between two of them so that the estimate is as often too low as too high, whatever the
    distribution: type 8 of Hyndman and Fan. Below the first and above the last value it is that value.
    """
    ordered = sorted(values)
    place = (len(ordered) + 1 / 3) * share + 1 / 3
    below = math.floor(place)
    low = ordered[min(max(below - 1, 0), len(ordered) - 1)]
    high = ordered[min(max(below, 0), len(ordered) - 1)]
    return low + (high - low) * (place - below)


def interval(values: Sequence[float], share: float) -> tuple[float | None, float | None]:
    """Give two of the values between which a percentile lies with 95 % confidence, by counting alone.

    None stands for an end that so few values do not have.
    """
    ordered, count = sorted(values), len(values)
    tail = (1 - CONFIDENCE) / 2
    # How many of the values lie below the percentile is drawn from a binomial distribution.
    cumulative = list(accumulate(_probability(number, count, share) for number in range(count + 1)))
    below = sum(each <= tail for each in cumulative)
    above = sum(each < 1 - tail for each in cumulative)
    return ordered[below - 1] if below else None, ordered[above] if above < count else None


def _probability(number: int, count: int, share: float) -> float:
    """Give the probability of so many successes."""
    ways = math.lgamma(count + 1) - math.lgamma(number + 1) - math.lgamma(count - number + 1)
    return math.exp(ways + number * math.log(share) + (count - number) * math.log1p(-share))


def _percentiles(values: Sequence[float]) -> Percentiles | None:
    if not values:
        return None
    return Percentiles(
        len(values),
        percentile(values, 0.5),
        percentile(values, 0.95),
        percentile(values, 0.99),
        interval(values, 0.95),
    )
