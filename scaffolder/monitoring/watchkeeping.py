"""Keep watch: probe each server when it is due, note the verdict, and see that alarms arrive.

Everything is timed on the monotonic clock; the wall clock, which people and time servers set, only stamps.
"""

import heapq
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from scaffolder.diagnostics import from_system
from scaffolder.monitoring import webhook
from scaffolder.monitoring.alarms import Alarm, Rules, Standing
from scaffolder.monitoring.hands import Done, Hands, Task
from scaffolder.monitoring.ledger import Ledger, save

JITTER = 0.05
"""How much sooner or later a probe may come, as a share of the interval: monitors keep out of step."""

GRACE = 3.0
"""Seconds that what is under way has to finish once the watch is to stop."""

PROBES, ALARMS = "probes", "alarms"
"""The lanes: a probe that hangs keeps no alarm waiting."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a probe came to."""

    state: str
    """One of healthy, degraded, auth-walled, drifted, down."""
    reason: str
    """Why, in a sentence."""
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """One server to be watched."""

    name: str
    url: str
    probe: Callable[[], Sight] = field(repr=False)
    interval: float = 60.0
    """Seconds from one probe to the next."""
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Seen:
    """A verdict, and what is believed after it."""

    watch: Watch
    sight: Sight
    standing: Standing
    at: datetime


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm; one that an earlier run could not deliver comes again."""

    alarm: Alarm
    again: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt to deliver an alarm: why it failed, and whether that was the last one."""

    alarm: Alarm
    failure: str | None = None
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong with the monitor itself, and not with what it watches."""

    message: str


Event = Seen | Raised | Sent | Trouble


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks: seconds that only go on, and the time of day in UTC."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Watchkeeper:
    """A watch that is being kept."""

    def __init__(  # noqa: PLR0913 - all that it depends on, so that a test can give all of it
        self,
        watches: Sequence[Watch],
        file: Path,
        ledger: Ledger,
        tell: Callable[[Event], None],
        *,
        hands: Hands,
        send: webhook.Send | None = None,
        clock: Clock | None = None,
        rounds: int | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """Begin with the ledger that an earlier run has left in the file, which the caller holds."""
        self.ledger = ledger
        self._file = file
        self._tell = tell
        self._hands = hands
        self._send = send
        self._clock = clock or Clock()
        self._chance = chance or random.Random()  # noqa: S311 - no secret
        self._rounds = {watch.name: rounds for watch in watches}
        self._began: dict[str, float] = {}
        self._agenda: list[tuple[float, int, Watch | Alarm]] = []
        self._order = itertools.count()
        self._busy = 0
        self._posted: set[str] = set()
        self._tried: set[str] = set()
        self._writable = True
        for watch in watches:
            self._plan(0.0, watch)
        for letter in ledger.outbox:
            tell(Raised(letter.alarm, again=True))
        self._post()

    def keep(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Keep watch until it is to stop, or until all rounds are done and no alarm is left untried."""
        while not stopped() and (self._busy or any(map(self._pressing, self._agenda))):
            now = self._clock.monotonic()
            if self._agenda and self._agenda[0][0] <= now:
                self._begin(heapq.heappop(self._agenda)[2])
            else:
                self._end(self._hands.wait(self._agenda[0][0] - now if self._agenda else None))
        deadline = self._clock.monotonic() + GRACE
        while self._busy and (left := deadline - self._clock.monotonic()) > 0:
            self._end(self._hands.wait(left))

    def _pressing(self, entry: tuple[float, int, Watch | Alarm]) -> bool:
        """Tell what has to be done before the end of the last round from what can wait for the next run."""
        return isinstance(entry[2], Watch) or entry[2].id not in self._tried

    def _plan(self, seconds: float, what: Watch | Alarm) -> None:
        # The number settles ties, for what is planned has no order of its own.
        heapq.heappush(self._agenda, (self._clock.monotonic() + seconds, next(self._order), what))

    def _begin(self, what: Watch | Alarm) -> None:
        self._busy += 1
        if isinstance(what, Watch):
            self._began[what.name] = self._clock.monotonic()
            self._hands.start(Task(PROBES, what, what.probe))
        else:
            self._hands.start(Task(ALARMS, what, lambda: self._send and self._send(what)))

    def _end(self, done: Done | None) -> None:
        if done is None:
            return
        self._busy -= 1
        what = done.task.key
        if isinstance(what, Watch):
            self._again(what)
            if isinstance(done.result, Exception):
                # A fault of this program is no failure of the server.
                self._tell(Trouble(f"{what.name} could not be probed: {_named(done.result)}"))
            else:
                self._note(what, cast("Sight", done.result))
        elif isinstance(what, Alarm):
            why = _named(done.result) if isinstance(done.result, Exception) else done.result
            self._delivered(what, None if why is None else str(why))
        self._post()

    def _again(self, watch: Watch) -> None:
        """Plan the next probe, an interval after the last began; none is made up for."""
        left = self._rounds[watch.name]
        self._rounds[watch.name] = left and left - 1
        if left != 1:
            taken = self._clock.monotonic() - self._began[watch.name]
            pause = watch.interval * self._chance.uniform(1 - JITTER, 1 + JITTER)
            self._plan(max(0.0, pause - taken), watch)

    def _note(self, watch: Watch, sight: Sight) -> None:
        at = self._clock.now()
        said = (sight.state, sight.reason)
        before = self.ledger
        known = {letter.alarm.id for letter in before.outbox}
        self._keep(before.noted(watch.name, watch.url, said, watch.rules, at))
        self._tell(Seen(watch, sight, self.ledger.targets[watch.name].standing, at))
        for letter in self.ledger.outbox:
            if letter.alarm.id not in known:
                self._tell(Raised(letter.alarm))

    def _post(self) -> None:
        """Send what can be sent; an alarm that nobody else is to get has arrived once it is told."""
        while letters := [letter for letter in self.ledger.due() if letter.alarm.id not in self._posted]:
            for letter in letters:
                if self._send is None:
                    self._keep(self.ledger.settled(letter.alarm.id))
                else:
                    self._posted.add(letter.alarm.id)
                    self._plan(0.0, letter.alarm)

    def _delivered(self, alarm: Alarm, failure: str | None) -> None:
        self._tried.add(alarm.id)
        ledger = self.ledger.tried(alarm.id)
        tries = next(letter.tries for letter in ledger.outbox if letter.alarm.id == alarm.id)
        given_up = failure is not None and tries >= webhook.TRIES
        if failure is None or given_up:
            self._keep(ledger.settled(alarm.id))
        else:
            self._keep(ledger)
            self._plan(webhook.pause(tries), alarm)
        self._tell(Sent(alarm, failure, given_up))

    def _keep(self, ledger: Ledger) -> None:
        """Write what is new to the disk before anything follows from it."""
        if ledger == self.ledger and self._writable:
            return
        self.ledger = ledger
        try:
            save(self._file, ledger)
        except OSError as error:
            if self._writable:
                # The watch goes on: a full disk is no reason to stop alarming.
                self._tell(Trouble(f"{from_system(error)}: a restart would forget what is known by now"))
            self._writable = False
        else:
            self._writable = True


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
