"""Work out the cold starts of a server from samples, if there is evidence of them, and enough. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

ENOUGH = 20
"""Of fewer cold starts none lies beyond the 95th percentile."""

MAJORITY = 0.9
"""How many of a cluster have to be of the kind that it stands for."""

GAP = 1.5
"""How many times the slow cluster's lower end is the fast one's upper end, at least, if there are two."""

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

    @property
    def p95_ms(self) -> float | None:
        """What may be written to the manifest; None while the table's value has to do."""
        if self.cold is None or self.cold.count < self.wanted:
            return None
        # The manifest takes no zero, and nobody measures less.
        return max(round(self.cold.p95, 1), 0.1)

    @property
    def shortfall(self) -> str | None:
        """Why nothing can be written, in a sentence without a full stop; None if something can."""
        if self.told.evidence is Evidence.NOTHING:
            return f"cold starts and warm answers cannot be told apart: {self.told.because}"
        found = len(self.told.cold)
        if found < self.wanted:
            return f"{found} of the {self.wanted} cold starts were seen that a 95th percentile takes"
        return None


def calibrate(samples: Sequence[Sample], *, fresh: bool = False) -> Calibration:
    """Judge a series of samples; `fresh` says that each rested one had a process of its own."""
    told = apart(samples, fresh=fresh)
    return Calibration(told, _percentiles(told.cold), _percentiles(told.warm))


def apart(samples: Sequence[Sample], *, fresh: bool = False) -> Told:
    """Tell cold starts from warm answers, or say why that cannot be done.

    Two things have to agree. Spacing: only what comes after an idle time can be a cold start. Shape: the
    latencies fall into two clusters with a gap between them, the slow one of rested samples, the fast one
    of all others. A rested sample in the fast cluster met a server that was still warm: other clients had
    asked it, or the idle time was too short. It counts as warm.
    """
    rested = sorted(sample.latency_ms for sample in samples if sample.rested)
    others = sorted(sample.latency_ms for sample in samples if not sample.rested)
    if fresh:
        because = f"{len(rested)} starts, and {len(others)} answers of what was started"
        return Told(Evidence.FRESH, because, tuple(rested), tuple(others))
    if len(rested) < 2 or len(others) < 2:  # noqa: PLR2004 - a cluster is more than one
        return Told(Evidence.NOTHING, "there are too few samples", warm=tuple(sorted(rested + others)))
    boundary = _boundary(sorted(rested + others))
    fast = [value for value in sorted(rested + others) if value <= boundary]
    slow = [value for value in rested + others if value > boundary]
    cold = [value for value in rested if value > boundary]
    gap = _ratio(percentile(slow, 0.05), percentile(fast, CONFIDENCE)) if slow and fast else 1.0
    warm_and_fast = sum(value <= boundary for value in others)
    if not slow or gap < GAP:
        because = f"the latencies have no gap: the slower ones begin at {gap:.2f} times the faster ones' end"
    elif len(cold) < MAJORITY * len(slow) or warm_and_fast < MAJORITY * len(others):
        because = (
            f"{len(slow) - len(cold)} of {len(slow)} slow answers came right after another, "
            "so it was no idle time that made them slow"
        )
    else:
        because = (
            f"of {len(slow)} answers above {boundary:.0f} ms, {len(cold)} came after an idle time; "
            f"{warm_and_fast} of {len(others)} that came right after another lie below; "
            f"the slow ones begin at {gap:.1f} times the fast ones' end"
        )
        if still := len(rested) - len(cold):
            because += f"; {still} after an idle time met a warm server"
        warm = sorted(set_aside(rested + others, cold))
        return Told(Evidence.BOTH, because, tuple(cold), tuple(warm), boundary)
    return Told(Evidence.NOTHING, because, warm=tuple(sorted(rested + others)))


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


def _boundary(ordered: Sequence[float]) -> float:
    """Split values in two where the logarithms of both parts vary least within them (Otsu)."""
    logs = [math.log(max(value, 1e-3)) for value in ordered]
    total, count = sum(logs), len(logs)
    best, found, left = -1.0, ordered[-1], 0.0
    for index in range(count - 1):
        left += logs[index]
        sizes = (index + 1) * (count - index - 1)
        between = sizes * (left / (index + 1) - (total - left) / (count - index - 1)) ** 2
        if between > best and ordered[index] < ordered[index + 1]:
            best, found = between, math.exp((logs[index] + logs[index + 1]) / 2)
    return found


def _ratio(high: float, low: float) -> float:
    return high / max(low, 1e-3)
