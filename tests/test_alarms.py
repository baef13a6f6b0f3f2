"""An outage raises one alarm when it begins and one when it ends, however the verdicts fall."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.monitoring.alarms import DOWN, HEALTHY, Kind, Rules, Standing, judged, kind, looked_at

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
AILING = ["degraded", "drifted", "auth-walled"]

states = st.sampled_from([HEALTHY, DOWN, *AILING])
verdicts = st.lists(states, max_size=40)
# Long runs are what the rules are about, and a list of single draws has few of them.
runs = st.lists(st.tuples(states, st.integers(1, 8)), max_size=12).map(
    lambda drawn: [state for state, length in drawn for _ in range(length)]
)
rules = st.builds(Rules, st.integers(1, 5), st.integers(1, 5))


def believed(found: Sequence[str], by: Rules, standing: Standing | None = None) -> list[Standing]:
    """Give what is believed after each verdict."""
    steps = [standing or Standing()]
    for number, state in enumerate(found):
        steps.append(judged(steps[-1], state, by, START + timedelta(minutes=number)))
    return steps


def alarms(found: Sequence[str], by: Rules) -> list[Kind]:
    """Give the alarms that a row of verdicts raises."""
    changes = (kind(a.state, b.state) for a, b in pairwise(believed(found, by)))
    return [change for change in changes if change]


H, D, S, X = HEALTHY, DOWN, "degraded", "drifted"


@pytest.mark.parametrize(
    ("found", "raised"),
    [
        ([H, H, H], []),
        ([H, D, D, H, D, D, H], []),
        ([H, D, D, D], [Kind.OUTAGE]),
        ([D, D, D], [Kind.OUTAGE]),
        ([D, D, D, D, D, D, D, D], [Kind.OUTAGE]),
        ([H, D, D, D, H, D, H, D], [Kind.OUTAGE]),
        ([H, D, D, D, H, H], [Kind.OUTAGE, Kind.RECOVERY]),
        ([H, D, D, D, S, H], [Kind.OUTAGE, Kind.RECOVERY]),
        ([H, D, D, D, H, D, D, D, H, H], [Kind.OUTAGE, Kind.RECOVERY]),
        ([H, D, D, D, H, H, D, D, D], [Kind.OUTAGE, Kind.RECOVERY, Kind.OUTAGE]),
        ([H, S, H, S, S, H], []),
        ([H, S, S, S], [Kind.CHANGE]),
        ([H, S, S, S, H, S, S, S, H, H], [Kind.CHANGE, Kind.CHANGE]),
        ([H, X, S, X], [Kind.CHANGE]),
        ([H, X, X, X, S, X, S, X], [Kind.CHANGE]),
        ([H, X, X, X, S, S, S], [Kind.CHANGE, Kind.CHANGE]),
        ([H, X, X, X, D, D, D, X, X], [Kind.CHANGE, Kind.OUTAGE, Kind.RECOVERY]),
    ],
)
def test_what_raises_an_alarm(found: list[str], raised: list[Kind]) -> None:
    """Three in a row begin something, two healthy ones end it, and one slow or lost probe is nothing."""
    assert alarms(found, Rules(3, 2)) == raised


@given(verdicts | runs, rules)
def test_an_outage_is_alarmed_once(found: list[str], by: Rules) -> None:
    """Outages and recoveries take turns, an outage first."""
    changes = [change for change in alarms(found, by) if change is not Kind.CHANGE]
    assert changes == [Kind.OUTAGE, Kind.RECOVERY] * (len(changes) // 2) + [Kind.OUTAGE] * (len(changes) % 2)


@given(verdicts | runs, rules)
def test_an_outage_takes_so_many_failures_in_a_row(found: list[str], by: Rules) -> None:
    """Never fewer, and never more: what the manifest says is when the alarm comes."""
    for number, (before, after) in enumerate(pairwise(believed(found, by)), 1):
        down = found[max(0, number - by.failures) : number] == [DOWN] * by.failures
        assert (kind(before.state, after.state) is Kind.OUTAGE) == (down and before.state != DOWN)


@given(verdicts | runs, rules)
def test_a_recovery_takes_so_many_answers_in_a_row(found: list[str], by: Rules) -> None:
    """An outage lasts until the server has answered so many probes in a row, in whatever health."""
    for number, (before, after) in enumerate(pairwise(believed(found, by)), 1):
        recent = found[max(0, number - by.recoveries) : number]
        answers = len(recent) == by.recoveries and DOWN not in recent
        assert (kind(before.state, after.state) is Kind.RECOVERY) == (answers and before.state == DOWN)


@given(verdicts | runs, rules)
def test_a_state_began_with_the_first_verdict_of_its_row(found: list[str], by: Rules) -> None:
    """`since` is neither when enough of them had come, nor when the state was last seen."""
    for number, (before, after) in enumerate(pairwise(believed(found, by))):
        if before.state == after.state:
            assert after.since == before.since
            continue
        row = found[: number + 1]
        # Of the verdicts up to this one, those at the end that are down, or that are not.
        alike = [(each == DOWN) == (row[-1] == DOWN) for each in reversed(row)]
        length = alike.index(False) if False in alike else len(alike)
        first = START + timedelta(minutes=number + 1 - length)
        assert after.since
        if kind(before.state, after.state) in (Kind.OUTAGE, Kind.RECOVERY):
            assert after.since == first
        else:
            assert after.since <= START + timedelta(minutes=number)


@pytest.mark.parametrize(
    ("found", "minute"),
    [
        ([H, D, D, D], 1),
        ([H, D, H, D, D, D], 3),
        ([H, D, D, D, D, H, D, H, S], 7),
        ([H, S, D, S], 1),
        ([H, S, H, X, S, X], 3),
        ([H, X, X, X, H, S, S, S], 5),
        ([H, X, X, X, H, H], 4),
        ([D, D, D], 0),
    ],
)
def test_when_a_state_began(found: list[str], minute: int) -> None:
    """An outage with the first failure of the row, its end with the first answer, a change likewise."""
    assert believed(found, Rules(3, 2))[-1].since == START + timedelta(minutes=minute)


def test_fewer_failures_are_asked_for_at_a_restart() -> None:
    """The outage began where its row did, though fewer would have been enough."""
    standing = believed([H, D, D, D, D], Rules(9, 2))[-1]
    assert judged(standing, D, Rules(2, 2), START + timedelta(minutes=5)).since == START + timedelta(
        minutes=1
    )


def test_a_time_in_which_nobody_looked_is_noted() -> None:
    """As long as the same is believed, and no longer; a clock that was set back is no such time."""
    standing = believed([H, H], Rules(3, 2))[-1]
    last, pause = START + timedelta(minutes=1), timedelta(minutes=4)
    assert looked_at(standing, last + pause, pause) == standing
    assert looked_at(standing, last - timedelta(days=1), pause) == standing
    assert looked_at(Standing(), last, pause) == Standing()
    at = last + timedelta(days=3)
    after = looked_at(standing, at, pause)
    assert after.unwatched == (last, at)
    assert judged(after, H, Rules(3, 2), at).unwatched == (last, at)
    assert judged(after, D, Rules(1, 2), at).unwatched is None


@given(verdicts | runs, rules)
def test_what_is_believed_has_been_seen(found: list[str], by: Rules) -> None:
    """No state is made up, and what is kept does not grow."""
    for number, step in enumerate(believed(found, by)):
        assert step.state is None or step.state in found[:number]
        assert len(step.recent) <= max(by.failures, by.recoveries)


@given(verdicts | runs, rules, st.integers(0, 40), st.integers(-(10**9), 10**9))
def test_the_wall_clock_decides_nothing(found: list[str], by: Rules, jump_at: int, seconds: int) -> None:
    """A clock that jumps, either way, changes stamps and no belief."""
    standing = Standing()
    states: list[str | None] = [None]
    for number, state in enumerate(found):
        jump = timedelta(seconds=seconds if number >= jump_at else 0)
        standing = judged(standing, state, by, START + jump)
        states.append(standing.state)
    assert states == [step.state for step in believed(found, by)]


@given(verdicts | runs, rules, st.data())
def test_the_rules_may_change_at_a_restart(found: list[str], by: Rules, data: st.DataObject) -> None:
    """Whatever was kept under other rules, outages and recoveries still take turns."""
    other = data.draw(rules)
    first = believed(found, by)
    after = believed(data.draw(verdicts | runs), other, first[-1])
    steps = [*first, *after[1:]]
    changes = [change for a, b in pairwise(steps) if (change := kind(a.state, b.state))]
    decisive = [change for change in changes if change is not Kind.CHANGE]
    assert all(a is not b for a, b in pairwise(decisive))
