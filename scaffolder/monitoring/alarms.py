"""Tell an outage from a failed probe: when verdicts become an alarm, and when that is over. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

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
    recent: tuple[str, ...] = ()
    """The last verdicts, oldest first; no more of them than the rules look at."""


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


def judged(standing: Standing, state: str, rules: Rules, at: datetime) -> Standing:
    """Take one more verdict into account; `at` is its time, which is noted and never reckoned with."""
    kept = max(rules.failures, rules.recoveries)
    recent = (*standing.recent, state)[-kept:]
    believed = _believed(standing.state, recent, rules)
    if believed == standing.state:
        return replace(standing, recent=recent)
    return Standing(believed, at, recent)


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
