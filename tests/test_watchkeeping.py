"""A watch is kept through kills, jumping clocks and failing webhooks, and each outage is alarmed once."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.diagnostics import UserError
from scaffolder.monitoring import webhook
from scaffolder.monitoring.alarms import Alarm, Kind, Rules
from scaffolder.monitoring.hands import Done, Task, Threads
from scaffolder.monitoring.ledger import load
from scaffolder.monitoring.state import state_file
from scaffolder.monitoring.stopping import interruptible, stopping
from scaffolder.monitoring.watchkeeping import (
    ALARMS,
    GRACE,
    LOOK,
    PROBES,
    SUSPECTS,
    Changed,
    Clock,
    Event,
    Raised,
    Roster,
    Seen,
    Sent,
    Sight,
    Trouble,
    Watch,
    Watchkeeper,
)

INTERVAL = 60.0
OUTAGE = (600.0, 1800.0)
END = 3600.0
RULES = Rules(3, 2)

HEALTHY, DOWN = Sight("healthy", "it answers", 12.0), Sight("down", "TCP: connection refused")


class KilledError(BaseException):
    """Stands for kill -9: nothing of the program handles it."""


def constant(*watches: Watch) -> Roster:
    """Have the same watched all the time."""
    return lambda: watches


@dataclass
class World:
    """Two clocks, a server that is down for a while, a webhook, and a hand that does one thing at a time."""

    seconds: float = 0.0
    """On the monotonic clock."""
    wall: timedelta = timedelta()
    """How far the wall clock has been set wrong."""
    probes: list[tuple[float, str]] = field(default_factory=list)
    received: list[Alarm] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)
    waiting: list[Task] = field(default_factory=list)
    takes: float = 0.5
    """Seconds of a probe."""
    failing: Callable[[float], bool] = lambda _: False
    """When the webhook does not answer."""
    outage: tuple[float, float] = OUTAGE
    end: float = END
    sleeps: Callable[[float], float] = lambda seconds: seconds
    """How long a wait really is."""
    step: Callable[[], None] = lambda: None
    """Called wherever a kill could make a difference."""
    kills: int = 0

    @property
    def clock(self) -> Clock:
        """Give both clocks."""
        return Clock(
            lambda: self.seconds,
            lambda: datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.seconds) + self.wall,
        )

    def start(self, task: Task) -> None:
        """Take a task."""
        self.waiting.append(task)

    def wait(self, seconds: float | None) -> Done | None:
        """Do the next task; if there is none, let the time pass."""
        self.step()
        if self.waiting:
            task = self.waiting.pop(0)
            try:
                return Done(task, task.call())
            except Exception as error:  # noqa: BLE001 -- as Threads does
                return Done(task, error)
        assert seconds is not None
        self.seconds += self.sleeps(seconds)
        return None

    def dismiss(self) -> int:
        """Let everything that was begun with go on."""
        return 0

    def tell(self, event: Event) -> None:
        """Take note."""
        self.step()
        self.told.append(event)
        self.step()

    def send(self, alarm: Alarm) -> str | None:
        """Receive an alarm."""
        self.step()
        if self.failing(self.seconds):
            return "HTTP 503"
        self.received.append(alarm)
        self.step()
        return None

    def watch(self, name: str = "a", interval: float = INTERVAL) -> Watch:
        """Give a watch of the server."""

        def probe() -> Sight:
            self.probes.append((self.seconds, name))
            self.seconds += self.takes
            return DOWN if self.outage[0] <= self.seconds < self.outage[1] else HEALTHY

        return Watch(name, f"https://{name}.example.com/mcp", probe, interval, RULES)

    def keeper(self, file: Path, watches: Sequence[Watch] = (), **options: Any) -> Watchkeeper:
        """Start a monitor on what the last one has left."""
        self.waiting.clear()
        options = {"send": self.send, "chance": random.Random(1), **options}
        roster = options.pop("roster", None) or constant(*(watches or [self.watch()]))
        return Watchkeeper(roster, file, load(file)[0], self.tell, hands=self, clock=self.clock, **options)

    def over(self) -> bool:
        """Tell whether the test has seen enough."""
        return self.seconds >= self.end

    def alarms(self) -> list[Kind]:
        """Give what a receiver knows that leaves out what it has got already."""
        return [alarm.kind for alarm in {alarm.id: alarm for alarm in self.received}.values()]


ONCE = [Kind.OUTAGE, Kind.RECOVERY]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the state goes."""
    return tmp_path / "state.json"


def test_an_outage_is_alarmed_once_and_so_is_its_end(file: Path) -> None:
    """The third failure in a row is the outage, the second answer in a row its end; each is sent once."""
    world = World()
    world.keeper(file).keep(world.over)
    assert [alarm.kind for alarm in world.received] == ONCE
    down, up = world.received
    at = [round((each - datetime(2026, 11, 22, tzinfo=UTC)).total_seconds()) for each in (down.at, up.at)]
    assert OUTAGE[0] + INTERVAL < at[0] < OUTAGE[0] + 4 * INTERVAL
    assert OUTAGE[1] < at[1] < OUTAGE[1] + 3 * INTERVAL
    assert (down.reason, up.reason) == (DOWN.reason, HEALTHY.reason)
    assert load(file)[0].outbox == ()


def test_a_probe_every_interval(file: Path) -> None:
    """At most a twentieth sooner or later, from start to start, however long it takes."""
    world = World(takes=20)
    world.keeper(file).keep(world.over)
    times = [at for at, _ in world.probes]
    gaps = [b - a for a, b in pairwise(times)]
    assert all(0.95 * INTERVAL <= gap <= 1.05 * INTERVAL + 1e-6 for gap in gaps)
    assert len({round(gap, 3) for gap in gaps}) > len(gaps) / 2


def test_a_probe_that_takes_longer_than_the_interval(file: Path) -> None:
    """The next begins when it has ended, and none runs beside it."""
    world = World(takes=100)
    world.keeper(file, [world.watch(interval=10)]).keep(world.over)
    times = [at for at, _ in world.probes]
    assert all(b - a == pytest.approx(100) for a, b in pairwise(times))


@pytest.mark.parametrize("kills", [1, 2])
def test_it_survives_kills(kills: int, tmp_path: Path) -> None:
    """Killed anywhere, at any write and before and after any delivery: the next run knows what was known.

    What the receiver gets twice has the same id, and only where the kill came before the delivery was noted.
    """
    point = 0
    while True:
        point += 1
        file = tmp_path / f"{point}.json"
        if not killed(file, point, kills):
            break
    assert point > 50


def killed(file: Path, point: int, kills: int) -> bool:
    """Keep watch with a kill at so many steps, once or more; tell whether one came."""
    world = World(outage=(120, 360), end=600)
    interrupt(world, file, point, kills)
    assert world.alarms() == ONCE, point
    times = Counter(alarm.id for alarm in world.received)
    assert sum(times.values()) <= len(ONCE) + kills
    assert load(file)[0].outbox == ()
    return world.kills > 0


def test_it_survives_kills_without_a_webhook(tmp_path: Path) -> None:
    """Killed before an alarm is told or after: it is told, and what is told twice is said to come again."""
    point = 0
    while True:
        point += 1
        world = World(outage=(120, 360), end=600)
        file = tmp_path / f"{point}.json"
        interrupt(world, file, point, 1, send=None)
        told = [event for event in world.told if isinstance(event, Raised)]
        assert [event.alarm.kind for event in {event.alarm.id: event for event in told}.values()] == ONCE
        assert len(told) <= len(ONCE) + 1
        assert len([event for event in told if not event.again]) <= len(ONCE)
        assert load(file)[0].outbox == ()
        if not world.kills:
            break
    assert point > 40


def interrupt(world: World, file: Path, point: int, kills: int, **options: Any) -> None:
    """Keep watch with a kill at so many steps, once or more."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if world.kills < kills and count % point == 0:
            world.kills += 1
            raise KilledError

    sync = os.fsync

    def fsync(handle: int) -> None:
        step()
        sync(handle)
        step()

    world.step = step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        while True:
            try:
                world.keeper(file, **options).keep(world.over)
                break
            except KilledError:
                # It takes a while until somebody starts it again.
                world.seconds += 5


def test_a_restart_in_the_middle_alarms_of_nothing_twice(file: Path) -> None:
    """However often it is started anew, after every single probe, the outage is one."""
    world = World()
    while not world.over():
        world.keeper(file, rounds=1).keep()
        world.seconds += INTERVAL
    assert [alarm.kind for alarm in world.received] == ONCE


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jumps=st.lists(
        st.tuples(st.floats(0, END), st.timedeltas(-timedelta(days=3650), timedelta(days=3650))), max_size=5
    )
)
def test_the_wall_clock_may_jump(jumps: list[tuple[float, timedelta]], tmp_path: Path) -> None:
    """Years back or forth: no probe comes sooner or later, and each outage is alarmed once."""
    file = tmp_path / f"{random.random()}.json"
    straight, jumping = World(), World()
    straight.keeper(file.with_suffix(".straight")).keep(straight.over)

    def over() -> bool:
        jumping.wall = sum((by for at, by in jumps if at <= jumping.seconds), timedelta())
        return jumping.over()

    jumping.keeper(file).keep(over)
    assert jumping.probes == straight.probes
    assert [alarm.kind for alarm in jumping.received] == ONCE


def test_a_suspended_night_is_not_made_up_for(file: Path) -> None:
    """A machine that wakes up probes each server once, and not once for each minute that it has slept."""
    world = World()
    night = 8 * 3600.0
    world.sleeps = lambda seconds: seconds + (night if world.seconds < 100 <= world.seconds + seconds else 0)
    world.keeper(file, [world.watch("a"), world.watch("b")]).keep(lambda: world.seconds >= night + 130)
    awake = Counter(name for at, name in world.probes if at > night)
    assert awake["a"] <= 2
    assert awake["b"] <= 2


def test_a_webhook_that_is_away_gets_every_alarm_in_order(file: Path) -> None:
    """It is tried again, ever more slowly; the recovery waits for the outage."""
    world = World(failing=lambda seconds: seconds < OUTAGE[1] + 400)
    world.keeper(file).keep(world.over)
    assert [alarm.kind for alarm in world.received] == ONCE
    failures = [event for event in world.told if isinstance(event, Sent) and event.failure]
    assert 5 < len(failures) < webhook.TRIES
    assert not any(event.given_up for event in failures)


def test_a_webhook_that_never_answers_is_given_up(file: Path) -> None:
    """After so many tries, which is said; and the next alarm has its own."""
    world = World(failing=lambda _: True)
    world.keeper(file).keep(lambda: world.seconds > 3 * END)
    tries = Counter(event.alarm.kind for event in world.told if isinstance(event, Sent))
    assert tries == {Kind.OUTAGE: webhook.TRIES, Kind.RECOVERY: webhook.TRIES}
    given_up = [event.alarm.kind for event in world.told if isinstance(event, Sent) and event.given_up]
    assert given_up == ONCE
    assert load(file)[0].outbox == ()


def test_an_alarm_that_was_not_delivered_is_sent_by_the_next_run(file: Path) -> None:
    """What was raised while the webhook was away is told again, and arrives."""
    world = World(failing=lambda _: True)
    world.keeper(file).keep(lambda: world.seconds > OUTAGE[0] + 4 * INTERVAL)
    assert not world.received
    world.failing = lambda _: False
    world.told.clear()
    world.keeper(file).keep(world.over)
    assert [alarm.kind for alarm in world.received] == ONCE
    assert isinstance(world.told[0], Raised)
    assert world.told[0].again


def test_a_receiver_that_has_gone_for_good_is_given_up_at_once(file: Path) -> None:
    """An alarm is not sent there again; the next one is, for somebody may have mended it."""
    world = World()
    world.keeper(file, send=lambda _: webhook.Final("HTTP 410")).keep(world.over)
    sent = [(event.alarm.kind, event.given_up) for event in world.told if isinstance(event, Sent)]
    assert sent == [(Kind.OUTAGE, True), (Kind.RECOVERY, True)]
    assert load(file)[0].outbox == ()


def test_an_error_in_sending_tells_no_secret(file: Path) -> None:
    """Its text may hold the URL of the webhook; its name does not."""

    def send(_: Alarm) -> str | None:
        raise ValueError("cannot post to https://hooks.example.com/token")

    world = World()
    world.keeper(file, send=send).keep(lambda: world.seconds > OUTAGE[0] + 4 * INTERVAL)
    failures = {event.failure for event in world.told if isinstance(event, Sent)}
    assert failures == {"ValueError"}


def test_without_a_webhook_telling_is_delivery(file: Path) -> None:
    """Each alarm is told once, and nothing of it is left."""
    world = World()
    world.keeper(file, send=None).keep(world.over)
    raised = [event for event in world.told if isinstance(event, Raised)]
    assert [event.alarm.kind for event in raised] == ONCE
    assert not any(event.again for event in raised)
    assert load(file)[0].outbox == ()


def test_a_look_without_the_webhook_loses_no_alarm(file: Path) -> None:
    """What it has not taken waits for a run that has it, as does what is new meanwhile; each is said to."""
    world = World(failing=lambda _: True)
    world.keeper(file).keep(lambda: world.seconds > OUTAGE[0] + 4 * INTERVAL)
    world.told.clear()
    world.keeper(file, send=None).keep(lambda: world.seconds > OUTAGE[1] + 4 * INTERVAL)
    raised = [event for event in world.told if isinstance(event, Raised)]
    assert [(event.alarm.kind, event.again) for event in raised] == [
        (Kind.OUTAGE, True),
        (Kind.RECOVERY, False),
    ]
    assert all(event.waiting for event in raised)
    assert not any(isinstance(event, Sent) for event in world.told)
    world.failing = lambda _: False
    world.told.clear()
    world.keeper(file).keep(world.over)
    assert [alarm.kind for alarm in world.received] == ONCE
    assert not any(event.waiting for event in world.told if isinstance(event, Raised))
    assert load(file)[0].outbox == ()


def test_an_alarm_does_not_wait_for_a_webhook_for_ever(file: Path) -> None:
    """After a week it is given up, which is said once; and what is raised then is delivered by telling."""
    world = World(failing=lambda _: True)
    world.keeper(file).keep(lambda: world.seconds > OUTAGE[0] + 4 * INTERVAL)
    world.told.clear()
    world.seconds += 8 * 24 * 3600
    world.keeper(file, send=None, rounds=2).keep()
    told = [event for event in world.told if isinstance(event, Raised | Sent)]
    assert [(event.alarm.kind, type(event)) for event in told] == [
        (Kind.OUTAGE, Raised),
        (Kind.OUTAGE, Sent),
        (Kind.RECOVERY, Raised),
    ]
    assert [event.given_up for event in told if isinstance(event, Sent)] == [True]
    assert not isinstance(told[2], Sent)
    assert not told[2].waiting
    assert load(file)[0].outbox == ()


def test_a_pause_between_two_runs_is_known(file: Path) -> None:
    """Nobody knows what was while no monitor ran; a restart or a slow probe is no such time."""
    world = World(outage=(0.0, 0.0))
    for pause, known in ((5, False), (100, False), (3600, True)):
        world.keeper(file, rounds=2).keep()
        before = world.seconds
        world.seconds += pause
        world.told.clear()
        world.keeper(file, rounds=1).keep()
        (seen,) = [event for event in world.told if isinstance(event, Seen)]
        assert (seen.standing.unwatched is not None) is known
    assert seen.standing.unwatched
    start, end = seen.standing.unwatched
    assert seen.standing.since
    assert seen.standing.since < start < end == seen.at
    assert (end - start).total_seconds() == pytest.approx(3600, abs=world.seconds - before - 3600 + 1)


def test_it_stops_after_its_rounds(file: Path) -> None:
    """So many probes of each server, and no waiting for a webhook that is away."""
    world = World(failing=lambda _: True, seconds=OUTAGE[0])
    world.keeper(file, [world.watch("a"), world.watch("b")], rounds=4).keep()
    assert Counter(name for _, name in world.probes) == {"a": 4, "b": 4}
    assert len(load(file)[0].outbox) == 2


def test_a_fault_of_the_monitor_is_no_outage(file: Path) -> None:
    """A probe that raises says nothing of the server; it is told, and the watch goes on."""
    world = World()

    def probe() -> Sight:
        raise RuntimeError("bug")

    world.keeper(file, [Watch("a", "https://a.example.com/mcp", probe, 60, RULES)], rounds=5).keep()
    assert [event for event in world.told if isinstance(event, Trouble)] == [
        Trouble("a could not be probed: RuntimeError: bug")
    ] * 5
    assert not world.received


def test_a_full_disk_stops_no_alarm(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, the alarms go out, and the state is written as soon as it can be."""
    full = True

    def fsync(_: int) -> None:
        if full:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    world = World()
    keeper = world.keeper(file)
    keeper.keep(lambda: world.seconds > OUTAGE[1])
    assert [alarm.kind for alarm in world.received] == [Kind.OUTAGE]
    (trouble,) = [event for event in world.told if isinstance(event, Trouble)]
    assert trouble.message.startswith(f"{file}: no space left on device")
    assert not file.exists()
    full = False
    keeper.keep(world.over)
    assert [alarm.kind for alarm in world.received] == ONCE
    assert load(file)[0].targets["a"].standing.state == "healthy"


def test_what_is_told_is_on_the_disk(file: Path) -> None:
    """Whoever reads of a verdict or an alarm can be sure that a kill does not undo it."""
    world = World()

    def tell(event: Event) -> None:
        known = load(file)[0]
        if isinstance(event, Seen):
            assert known.targets["a"].standing == event.standing
        if isinstance(event, Raised):
            assert event.alarm in [letter.alarm for letter in known.outbox]
        world.told.append(event)

    world.tell = tell  # type: ignore[method-assign] # of this world alone
    world.keeper(file).keep(world.over)
    assert any(isinstance(event, Raised) for event in world.told)


def test_a_stop_waits_for_what_is_under_way(file: Path) -> None:
    """A probe that has begun is noted; nothing new begins, and nothing is waited for without end."""
    world = World()
    keeper = world.keeper(file)
    keeper.keep(lambda: bool(world.waiting))
    assert len(world.probes) == 1
    assert load(file)[0].targets["a"].standing.state == "healthy"
    hanging = World()
    keeper = hanging.keeper(file)
    hanging.sleeps = lambda seconds: seconds

    def wait(seconds: float | None) -> None:
        assert seconds is not None
        hanging.seconds += seconds

    started: list[Task] = []
    hanging.start = started.append  # type: ignore[assignment, method-assign] # of this world alone
    hanging.wait = wait  # type: ignore[method-assign] # likewise
    keeper.keep(lambda: bool(started))
    assert hanging.seconds == pytest.approx(GRACE)


@dataclass
class Plan:
    """Says what is to be watched, and changes its mind."""

    watches: tuple[Watch, ...]
    error: Exception | None = None

    def __call__(self) -> tuple[Watch, ...]:
        """Say it."""
        if self.error:
            raise self.error
        return self.watches


def during(world: World, *changes: tuple[float, Callable[[], None]]) -> Callable[[], bool]:
    """Make changes at their times, and stop at the end of the world."""
    left = sorted(changes, key=lambda change: change[0])

    def over() -> bool:
        while left and left[0][0] <= world.seconds:
            left.pop(0)[1]()
        return world.over()

    return over


def test_a_target_that_is_removed_is_watched_no_more(file: Path) -> None:
    """Its outage that would have come is none; what is known of it is forgotten, and the others go on."""
    world = World()
    a, b = world.watch("a"), world.watch("b")
    plan = Plan((a, b))
    world.keeper(file, roster=plan).keep(during(world, (300, lambda: setattr(plan, "watches", (b,)))))
    assert max(at for at, name in world.probes if name == "a") < 300 + INTERVAL
    assert {alarm.target for alarm in world.received} == {"b"}
    assert world.alarms() == ONCE
    assert set(load(file)[0].targets) == {"b"}
    assert [event for event in world.told if isinstance(event, Changed)] == [Changed((b,), removed=("a",))]


def test_a_target_that_is_added_is_watched_from_then_on(file: Path) -> None:
    """Within seconds, also where there was none left; and as often as any other."""
    world = World()
    plan = Plan(())
    a = world.watch("a")
    keeper = world.keeper(file, [a], roster=plan)
    keeper.keep(
        during(
            world,
            (100, lambda: setattr(plan, "watches", (a,))),
            (2000, lambda: setattr(plan, "watches", ())),
            (3000, lambda: setattr(plan, "watches", (a,))),
        )
    )
    times = [at for at, _ in world.probes]
    assert 100 <= times[0] <= 100 + LOOK
    again = [at for at in times if at > 2000 + LOOK]
    assert 3000 <= again[0] <= 3000 + LOOK
    gaps = [later - earlier for earlier, later in pairwise(times) if later != again[0]]
    assert all(0.95 * INTERVAL - 1 <= gap <= 1.05 * INTERVAL + 1e-6 for gap in gaps)
    assert world.alarms() == ONCE


def test_a_target_that_moves_is_probed_at_once(file: Path) -> None:
    """And at its new place from then on, once an interval; what is told and kept is of that place."""
    world = World(outage=(0, 0))
    first = world.watch("a", 600)
    second = replace(first, url="https://b.example.com/mcp", interval=30)
    plan = Plan((first,))
    world.keeper(file, roster=plan).keep(during(world, (100, lambda: setattr(plan, "watches", (second,)))))
    seen = [(event.watch.url, event.standing.state) for event in world.told if isinstance(event, Seen)]
    assert seen[0] == (first.url, "healthy")
    assert set(seen[1:]) == {(second.url, "healthy")}
    times = [at for at, _ in world.probes]
    assert 100 <= times[1] <= 100 + LOOK
    assert all(28 <= later - earlier <= 32 for earlier, later in pairwise(times[1:]))
    assert load(file)[0].targets["a"].url == second.url


def test_a_shorter_interval_holds_at_once(file: Path) -> None:
    """Nobody who asks for a probe a minute waits an hour for the first."""
    world = World(outage=(0, 0))
    slow = world.watch("a", 3600)
    plan = Plan((slow,))
    quick = replace(slow, interval=60)
    world.keeper(file, roster=plan).keep(during(world, (100, lambda: setattr(plan, "watches", (quick,)))))
    times = [at for at, _ in world.probes]
    assert times[1] <= 100 + LOOK + 60
    assert len(times) > 50


def test_files_that_make_no_sense_change_nothing(file: Path) -> None:
    """That is said once, what was watched is watched, and the next change is followed."""
    world = World()
    a = world.watch("a")
    plan = Plan((a,))
    world.keeper(file, roster=plan).keep(
        during(
            world,
            (100, lambda: setattr(plan, "error", UserError("mcp.yaml: no mapping"))),
            (3000, lambda: setattr(plan, "error", None)),
            (3100, lambda: setattr(plan, "error", OSError(2, "No such file or directory", "mcp.yaml"))),
        )
    )
    assert world.alarms() == ONCE
    troubles = [event.message for event in world.told if isinstance(event, Trouble)]
    assert troubles == [
        "mcp.yaml: no mapping: until that is mended, what was known before is watched",
        "mcp.yaml: no such file or directory: until that is mended, what was known before is watched",
    ]


@pytest.mark.parametrize("back", [False, True])
def test_what_is_under_way_when_a_target_goes(back: bool, file: Path) -> None:  # noqa: FBT001 -- a parameter
    """Its verdict is dropped; if the target is back by then, with another URL, that is probed."""
    world = World(outage=(0, 0))
    old = replace(world.watch("a"), probe=lambda: Sight("healthy", "the old one"))
    new = replace(world.watch("a"), url="https://b.example.com/mcp")
    plan = Plan((old, world.watch("b", 1)))
    keeper = world.keeper(file, roster=plan)
    held: list[Task] = []
    start = world.start

    def hold(task: Task) -> None:
        (held.append if getattr(task.key, "url", "") == old.url else start)(task)

    world.start = hold  # type: ignore[method-assign] # of this world alone
    keeper.keep(lambda: bool(held) and world.seconds > 10)
    plan.watches = (new, plan.watches[1]) if back else plan.watches[1:]
    keeper.keep(lambda: world.seconds > 20)
    assert not any(name == "a" for _, name in world.probes)
    world.waiting.extend(held)
    keeper.keep(lambda: world.seconds > 40)
    seen = [event for event in world.told if isinstance(event, Seen) and event.watch.name == "a"]
    assert {event.watch.url for event in seen} == ({new.url} if back else set())
    assert "the old one" not in {event.sight.reason for event in seen}


def test_a_server_that_did_not_answer_keeps_no_other_waiting(file: Path) -> None:
    """What hangs is probed beside those that answer, and not before them, until it answers again."""
    world = World(outage=(100, 400), end=700)
    lanes: list[str] = []
    start = world.start

    def note(task: Task) -> None:
        if task.lane != ALARMS:
            lanes.append(task.lane)
        start(task)

    world.start = note  # type: ignore[method-assign] # of this world alone
    world.keeper(file).keep(world.over)
    changes = [a for a, b in pairwise([*lanes, ""]) if a != b]
    assert changes == [PROBES, SUSPECTS, PROBES]
    assert lanes.count(SUSPECTS) == 5


def test_a_stop_begins_with_nothing(file: Path) -> None:
    """What nobody has begun with is dismissed, and not waited for."""
    world = World()

    def dismiss() -> int:
        number = len(world.waiting)
        world.waiting.clear()
        return number

    world.dismiss = dismiss  # type: ignore[method-assign] # of this world alone
    keeper = world.keeper(file, [world.watch("a"), world.watch("b")])
    keeper.keep(lambda: len(world.waiting) == 2)
    assert world.probes == []
    assert world.seconds == 0


def test_a_stop_dismisses_what_waits_for_a_thread() -> None:
    """What has not begun does not begin any more."""
    threads = Threads({PROBES: 1, ALARMS: 1})
    gate, began = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        gate.wait(30)

    for number in range(5):
        threads.start(Task(PROBES, number, hang))
    assert began.wait(30)
    assert threads.dismiss() == 4
    gate.set()
    end = threads.wait(30)
    assert end
    assert end.task.key == 0
    assert threads.wait(0.001) is None


def test_threads_are_bounded() -> None:
    """Never more at a time than the lane has, and one lane never waits for the other."""
    threads = Threads({PROBES: 2, ALARMS: 1})
    gate = threading.Event()
    running: list[int] = []
    now = 0
    lock = threading.Lock()
    both = threading.Barrier(3)

    def hang() -> str:
        nonlocal now
        with lock:
            now += 1
            running.append(now)
        if len(running) <= 2:
            both.wait(30)
        gate.wait(30)
        with lock:
            now -= 1
        return "done"

    for number in range(6):
        threads.start(Task(PROBES, number, hang))
    both.wait(30)
    threads.start(Task(ALARMS, "alarm", lambda: "sent"))
    first = threads.wait(30)
    assert first
    assert (first.task.key, first.result) == ("alarm", "sent")
    gate.set()
    ends = [threads.wait(30) for _ in range(6)]
    assert {end.task.key for end in ends if end} == set(range(6))
    assert max(running) == 2


def test_threads_hand_back_what_was_raised() -> None:
    """And a wait ends at its time, or when it is woken."""
    threads = Threads({PROBES: 1})

    def fail() -> None:
        raise ValueError("no")

    threads.start(Task(PROBES, 1, fail))
    end = threads.wait(30)
    assert end
    assert isinstance(end.result, ValueError)
    assert threads.wait(0.001) is None
    threads.wake()
    assert threads.wait(None) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_wait(number: signal.Signals) -> None:
    """The first asks for an end, the second has it at once, and afterwards signals do what they did."""
    before = signal.getsignal(number)
    threads = Threads({PROBES: 1})
    with stopping(threads.wake) as stopped:
        assert stopped() is None
        os.kill(os.getpid(), number)
        assert threads.wait(None) is None
        assert stopped() == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored() -> None:
    """A monitor under `nohup` outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for handled in (stopping(lambda: None), interruptible()):
            with handled:
                os.kill(os.getpid(), signal.SIGHUP)
                assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interruption_comes_once() -> None:
    """What cleans up after the first is not disturbed by the second."""
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)


def test_where_the_state_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the user's state folder, a file for each project or URL, whatever characters that has."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    names = [
        "/home/me/notes/mcp.yaml",
        "/home/you/notes/mcp.yaml",
        "https://ü.example/mcp?a=b",
        "/",
        "\udc80",
    ]
    files = [state_file(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(each.parent == tmp_path / "mcp-scaffold/monitor" for each in files)
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_file("/").is_relative_to(tmp_path / ".local/state")
