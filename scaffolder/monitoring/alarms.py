"""Tell an outage from a failed probe: when verdicts become an alarm, and when that is over. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from scaffolder.monitoring.verdict import State

HEALTHY, DOWN = State.HEALTHY.value, State.DOWN.value
"""Between them lie the states of a server that answers and is not what it should be."""


class Kind(StrEnum):
    """What an alarm is about."""

    OUTAGE = "outage"
    """The server is down."""
    RECOVERY = "recovery"
    """It was down, and is so no longer."""
    CHANGE = "change"
    """It answers, and how it does is another way than before."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How many verdicts in a row it takes: to believe in trouble, and to believe that it is over."""

    failures: int = 3
    recoveries: int = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """What is believed of a server, and the verdicts in a row that may change it."""

    state: str | None = None
    """None until enough verdicts agree."""
    since: datetime | None = None
    """When the first of the verdicts came that led to the belief, and not the last one."""
    recent: tuple[str, ...] = ()
    """The last verdicts, oldest first; no more of them than the rules look at."""
    times: tuple[datetime, ...] = ()
    """When they came."""
    unwatched: tuple[datetime, datetime] | None = None
    """From when to when nobody looked, at last, while this was believed; None if somebody always did."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change that somebody is to be told of, once."""

    id: str
    """The same however often it is sent, and after a restart: who gets it twice can tell."""
    kind: Kind
    target: str
    url: str
    before: str | None
    after: str
    reason: str
    """Of the verdict that was the last straw."""
    since: datetime | None
    """When the state before began."""
    at: datetime
    """When enough verdicts agreed."""
    began: datetime | None = None
    """When the first of those came: the beginning of an outage, or its end."""
    unwatched: tuple[datetime, datetime] | None = None
    """From when to when nobody looked, at last, while the state before was believed."""

    @property
    def down_seconds(self) -> int | None:
        """How long a server was down that is so no longer, by the wall clock."""
        if self.kind is not Kind.RECOVERY or self.since is None or self.began is None:
            return None
        return max(round((self.began - self.since).total_seconds()), 0)


def looked_at(standing: Standing, at: datetime, pause: timedelta) -> Standing:
    """Note that somebody looks again, and that nobody did for a while if that is longer than a pause."""
    last = standing.times[-1] if standing.times else None
    if last is None or at - last <= pause:
        return standing
    return replace(standing, unwatched=(last, at))


def judged(standing: Standing, state: str, rules: Rules, at: datetime) -> Standing:
    """Take one more verdict into account; `at` is its time, which is noted and never reckoned with."""
    kept = max(rules.failures, rules.recoveries)
    states, times = (*standing.recent, state), (*standing.times, at)
    recent = states[-kept:]
    believed = _believed(standing.state, recent, rules)
    if believed == standing.state:
        return replace(standing, recent=recent, times=times[-kept:])
    since = _first(states, times, _speaking(standing.state, believed))
    return Standing(believed, since, recent, times[-kept:])


def kind(before: str | None, after: str | None) -> Kind | None:
    """Say what a change of belief is; None where it is no news: the same, or healthy at first sight."""
    if after is None or before == after or (before is None and after == HEALTHY):
        return None
    if after == DOWN:
        return Kind.OUTAGE
    return Kind.RECOVERY if before == DOWN else Kind.CHANGE


def _believed(state: str | None, recent: tuple[str, ...], rules: Rules) -> str | None:
    """Say what to believe after the recent verdicts."""

    def in_a_row(number: int, test: Callable[[str], bool]) -> bool:
        return len(recent) >= number and all(map(test, recent[-number:]))

    last = recent[-1]
    if in_a_row(rules.failures, lambda each: each == DOWN):
        changes, after = True, DOWN
    elif state == DOWN:
        changes = in_a_row(rules.recoveries, lambda each: each != DOWN)
        # One slow answer after an outage is not yet a state of its own.
        after = HEALTHY if HEALTHY in recent[-rules.recoveries :] else last
    elif last == HEALTHY:
        changes = state is None or in_a_row(rules.recoveries, lambda each: each == HEALTHY)
        after = HEALTHY
    elif state in (None, HEALTHY):
        # They need not agree in what is wrong, only that something is.
        changes = last != DOWN and in_a_row(rules.failures, lambda each: each != HEALTHY)
        after = last
    else:
        changes, after = in_a_row(rules.failures, lambda each: each == last), last
    return after if changes else state


def _speaking(before: str | None, after: str | None) -> Callable[[str], bool]:
    """Tell which verdicts speak for a change of belief."""
    if after == DOWN:
        return lambda each: each == DOWN
    if before == DOWN:
        return lambda each: each != DOWN
    if after != HEALTHY and before in (None, HEALTHY):
        return lambda each: each != HEALTHY
    return lambda each: each == after


def _first(states: Sequence[str], times: Sequence[datetime], test: Callable[[str], bool]) -> datetime:
    """Give the time of the first of the last verdicts in a row that all pass a test; the very last does."""
    row = sum(1 for _ in takewhile(test, reversed(states)))
    return times[-max(min(row, len(times)), 1)]
