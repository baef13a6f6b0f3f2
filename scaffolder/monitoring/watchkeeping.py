"""Keep watch: probe each server when it is due, note the verdict, and see that alarms arrive.

Everything is timed on the monotonic clock; the wall clock, which people and time servers set, only stamps.
"""

import heapq
import itertools
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from scaffolder.diagnostics import UserError, from_system
from scaffolder.monitoring import webhook
from scaffolder.monitoring.alarms import DOWN, Alarm, Rules, Standing
from scaffolder.monitoring.hands import Done, Hands, Task
from scaffolder.monitoring.ledger import Ledger, save

JITTER = 0.05
"""How much sooner or later a probe may come, as a share of the interval: monitors keep out of step."""

GRACE = 3.0
"""Seconds that what is under way has to finish once the watch is to stop."""

PAUSE = 3, 60.0
"""Intervals, and seconds on top for a probe that hangs; for longer, nobody has looked at a server."""

LOOK = 5.0
"""Seconds after which what says what is to be watched is looked at again, at the latest."""

PROBES, SUSPECTS, ALARMS = "probes", "suspects", "alarms"
"""The lanes: a probe that hangs keeps no alarm waiting, and no server that answered at last."""


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
    waiting: bool = False
    """Whether it is for a webhook, and this run has none: it waits for one that has."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt to deliver an alarm: why it failed, and whether that was the last one."""

    alarm: Alarm
    failure: str | None = None
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What is watched is not what it was, since what says so has changed; targets by name."""

    watches: tuple[Watch, ...]
    """All that are left."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    """Those that have another URL, or are probed at another pace."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong with the monitor itself, and not with what it watches."""

    message: str


Event = Seen | Raised | Sent | Changed | Trouble

Roster = Callable[[], tuple[Watch, ...]]
"""Say what is to be watched by now: the same tuple until that changes. May raise, and nothing follows."""


# When, a number, and what: a target by its name, an alarm, or None for a look at the roster.
Entry = tuple[float, int, str | Alarm | None]


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks: seconds that only go on, and the time of day in UTC."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class Watchkeeper:
    """A watch that is being kept."""

    def __init__(  # noqa: PLR0913 - all that it depends on, so that a test can give all of it
        self,
        roster: Roster,
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
        self._roster = roster
        self._mustered = roster()
        self._senseless: str | None = None
        self._watches = {watch.name: watch for watch in self._mustered}
        self._limit = rounds
        self._rounds: dict[str, int] = {}
        # When the probes began that are under way.
        self._began: dict[str, float] = {}
        self._agenda: list[Entry] = []
        self._order = itertools.count()
        self._busy = 0
        self._posted: set[str] = set()
        self._tried: set[str] = set()
        self._writable = True
        for name in self._watches:
            self._plan(0.0, name)
        self._plan(LOOK, None)
        for letter in ledger.outbox:
            tell(self._raised(letter.alarm, again=True))
        self._post()

    @property
    def watched(self) -> Collection[str]:
        """What is watched by now."""
        return self._watches.keys()

    def keep(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Keep watch until it is to stop, or until all rounds are done and no alarm is left untried."""
        while not stopped() and (self._busy or any(map(self._pressing, self._agenda))):
            now = self._clock.monotonic()
            if self._agenda[0][0] > now:
                self._end(self._hands.wait(self._agenda[0][0] - now))
                continue
            self._muster()
            # Which may have moved what was next.
            if self._agenda[0][0] <= now:
                self._begin(heapq.heappop(self._agenda)[2])
        self._busy -= self._hands.dismiss()
        deadline = self._clock.monotonic() + GRACE
        while self._busy and (left := deadline - self._clock.monotonic()) > 0:
            self._end(self._hands.wait(left))

    def _pressing(self, entry: Entry) -> bool:
        """Tell what has to be done before the end of the last round from what can wait for the next run."""
        what = entry[2]
        if what is None:
            # As long as there is no end, targets may come back.
            return self._limit is None
        return isinstance(what, str) or what.id not in self._tried

    def _plan(self, seconds: float, what: str | Alarm | None) -> None:
        # The number settles ties, for what is planned has no order of its own.
        heapq.heappush(self._agenda, (self._clock.monotonic() + seconds, next(self._order), what))

    def _begin(self, what: str | Alarm | None) -> None:
        if what is None:
            self._plan(LOOK, None)
            return
        self._busy += 1
        if isinstance(what, str):
            watch = self._watches[what]
            self._began[what] = self._clock.monotonic()
            entry = self.ledger.targets.get(what)
            suspect = entry is not None and entry.standing.recent[-1:] == (DOWN,)
            self._hands.start(Task(SUSPECTS if suspect else PROBES, watch, watch.probe))
        else:
            self._hands.start(Task(ALARMS, what, lambda: self._send and self._send(what)))

    def _muster(self) -> None:
        """Follow what says what is to be watched; while that makes no sense, what it said before holds."""
        try:
            found = self._roster()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, the watch goes on
            message = _sentence(error)
            if message != self._senseless:
                self._tell(Trouble(f"{message}: until that is mended, what was known before is watched"))
            self._senseless = message
            return
        self._senseless = None
        if found is self._mustered:
            return
        self._mustered = found
        before, self._watches = self._watches, {watch.name: watch for watch in found}
        added = [name for name in self._watches if name not in before]
        removed = [name for name in before if name not in self._watches]
        altered = [
            name
            for name, watch in self._watches.items()
            if name in before and _pace(before[name]) != _pace(watch)
        ]
        self._replan(before, altered)
        for name in added:
            self._rounds.pop(name, None)
            if name not in self._began:
                self._plan(0.0, name)
        if removed:
            # What is not watched is neither up nor down; alarms that are on their way still arrive.
            self._keep(self.ledger.without(removed))
        if added or removed or altered:
            self._tell(Changed(found, tuple(added), tuple(removed), tuple(altered)))

    def _replan(self, before: Mapping[str, Watch], altered: Collection[str]) -> None:
        """Forget what is planned of those that are gone, and have sooner what is to be probed sooner."""
        now = self._clock.monotonic()

        def time(at: float, what: str | Alarm | None) -> float:
            if not isinstance(what, str) or what not in altered:
                return at
            watch = self._watches[what]
            return now if watch.url != before[what].url else min(at, now + watch.interval)

        self._agenda = [
            (time(at, what), number, what)
            for at, number, what in self._agenda
            if not isinstance(what, str) or what in self._watches
        ]
        heapq.heapify(self._agenda)

    def _end(self, done: Done | None) -> None:
        if done is None:
            return
        self._busy -= 1
        what = done.task.key
        if isinstance(what, Watch):
            self._probed(what, done.result)
        elif isinstance(what, Alarm):
            # Of an error only the name is said: its text may hold the URL, which may hold a token.
            why = type(done.result).__name__ if isinstance(done.result, Exception) else done.result
            self._delivered(what, cast("str | None", why))
        self._post()

    def _probed(self, asked: Watch, result: object) -> None:
        began = self._began.pop(asked.name)
        watch = self._watches.get(asked.name)
        if watch is None:
            return
        if watch.url != asked.url:
            # It has moved in the meantime, and what the former place does is no news any more.
            self._plan(0.0, watch.name)
            return
        self._again(watch, began)
        if isinstance(result, Exception):
            # A fault of this program is no failure of the server.
            self._tell(Trouble(f"{watch.name} could not be probed: {_named(result)}"))
        else:
            self._note(watch, cast("Sight", result))

    def _again(self, watch: Watch, began: float) -> None:
        """Plan the next probe, an interval after the last began; none is made up for."""
        done = self._rounds[watch.name] = self._rounds.get(watch.name, 0) + 1
        if done != self._limit:
            taken = self._clock.monotonic() - began
            pause = watch.interval * self._chance.uniform(1 - JITTER, 1 + JITTER)
            self._plan(max(0.0, pause - taken), watch.name)

    def _note(self, watch: Watch, sight: Sight) -> None:
        at = self._clock.now()
        said = (sight.state, sight.reason)
        before = self.ledger
        known = {letter.alarm.id for letter in before.outbox}
        intervals, more = PAUSE
        pause = timedelta(seconds=intervals * watch.interval + more)
        after = before.noted(watch.name, watch.url, said, watch.rules, at, pause=pause)
        self._keep(after if self._send is None else replace(after, webhook=at))
        self._tell(Seen(watch, sight, self.ledger.targets[watch.name].standing, at))
        for letter in self.ledger.outbox:
            if letter.alarm.id not in known:
                self._tell(self._raised(letter.alarm))

    def _raised(self, alarm: Alarm, *, again: bool = False) -> Raised:
        return Raised(alarm, again=again, waiting=self._send is None and self.ledger.waits(alarm))

    def _post(self) -> None:
        """Send what can be sent; an alarm that nobody else is to get has arrived once it is told."""
        if self._send is None:
            self._file_away()
            return
        for letter in self.ledger.due():
            if letter.alarm.id not in self._posted:
                self._posted.add(letter.alarm.id)
                self._plan(0.0, letter.alarm)

    def _file_away(self) -> None:
        """Do what there is to do without a webhook: who has had one looks into the same state without it."""
        told = [letter.alarm.id for letter in self.ledger.outbox if not self.ledger.waits(letter.alarm)]
        for identity in told:
            self._keep(self.ledger.settled(identity))
        for alarm in self.ledger.overdue(self._clock.now()):
            self._keep(self.ledger.settled(alarm.id))
            self._tell(Sent(alarm, "no run with a webhook came for it in time", given_up=True))

    def _delivered(self, alarm: Alarm, failure: str | None) -> None:
        ledger = self.ledger.tried(alarm.id)
        tries = next(letter.tries for letter in ledger.outbox if letter.alarm.id == alarm.id)
        given_up = failure is not None and (tries >= webhook.TRIES or isinstance(failure, webhook.Final))
        if failure is None or given_up:
            self._keep(ledger.settled(alarm.id))
            self._posted.discard(alarm.id)
            self._tried.discard(alarm.id)
        else:
            self._keep(ledger)
            self._tried.add(alarm.id)
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
                text = from_system(error)
                place = "" if error.filename else f"{self._file}: "
                self._tell(Trouble(f"{place}{text}: a restart would forget what is known by now"))
            self._writable = False
        else:
            self._writable = True


def _pace(watch: Watch) -> tuple[str, float, Rules]:
    """Give what is said of a watch, beside what is expected of the server."""
    return watch.url, watch.interval, watch.rules


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(from_system(error))
    return str(error) if isinstance(error, UserError) else _named(error)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
