"""Keep in a file what is believed of each server, and the alarms that have not been delivered yet."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from scaffolder.diagnostics import UserError
from scaffolder.durable import alone, sync
from scaffolder.monitoring.alarms import DOWN, Alarm, Rules, Standing, judged, kind, looked_at
from scaffolder.monitoring.state import private

SCHEMA = "mcp-scaffold/monitor-state@1"

WAIT = timedelta(days=7)
"""How long an alarm waits for a run that has a webhook, and how long after the last one any waits at all."""

MOST = 1000
"""Alarms that wait at a time: a server that comes and goes all week must not fill the disk."""

# What a file of ours begins with, however little of it is left, in this version and in any other.
OPENING = b'{"schema":"mcp-scaffold/monitor-state@'
_VERSION = re.compile(re.escape(OPENING) + rb'(?!1")\d+"')


@dataclass(frozen=True, slots=True)
class Entry:
    """One server under watch."""

    url: str
    standing: Standing = field(default_factory=Standing)
    alarms: int = 0
    """How many there have been; each has its number in its id."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An alarm that is on its way."""

    alarm: Alarm
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that a watch must not forget."""

    targets: Mapping[str, Entry] = field(default_factory=dict)
    outbox: tuple[Letter, ...] = ()
    """Oldest first."""
    webhook: datetime | None = None
    """When a run last had one; None if none ever had."""

    def noted(  # noqa: PLR0913 - what is known of a verdict
        self,
        name: str,
        url: str,
        verdict: tuple[str, str],
        rules: Rules,
        at: datetime,
        *,
        pause: timedelta = timedelta.max,
    ) -> "Ledger":
        """Note a verdict (state and reason) on a server, and put the alarm that it raises into the outbox.

        For longer than a pause nobody looks at a server only where no monitor runs.
        """
        entry = self.targets.get(name)
        if entry is None:
            entry = Entry(url)
        elif entry.url != url:
            # Another server under the name: what was seen of the former says nothing of it. But who was told
            # of an outage of this name is to be told of its end.
            outage = entry.standing.state == DOWN
            entry = Entry(
                url, replace(entry.standing, recent=(), times=()) if outage else Standing(), entry.alarms
            )
        state, reason = verdict
        before = looked_at(entry.standing, at, pause)
        after = judged(before, state, rules, at)
        what = kind(before.state, after.state)
        if what is None or after.state is None:
            return replace(self, targets={**self.targets, name: replace(entry, standing=after)})
        number = entry.alarms + 1
        alarm = Alarm(
            identity(name, url, number, at),
            what,
            name,
            url,
            before.state,
            after.state,
            reason,
            before.since,
            at,
            after.since,
            before.unwatched,
        )
        return replace(
            self,
            targets={**self.targets, name: Entry(url, after, number)},
            outbox=(*self.outbox, Letter(alarm)),
        )

    def without(self, names: Iterable[str]) -> "Ledger":
        """Forget what is believed of servers that are not watched any more; their alarms stay."""
        gone = set(names)
        return replace(self, targets={name: each for name, each in self.targets.items() if name not in gone})

    def tried(self, identity: str) -> "Ledger":
        """Note that an alarm was sent, and did not arrive."""
        return replace(
            self,
            outbox=tuple(
                replace(letter, tries=letter.tries + 1) if letter.alarm.id == identity else letter
                for letter in self.outbox
            ),
        )

    def settled(self, identity: str) -> "Ledger":
        """Take an alarm out of the outbox: it has arrived, or is given up."""
        return replace(self, outbox=tuple(letter for letter in self.outbox if letter.alarm.id != identity))

    def due(self) -> tuple[Letter, ...]:
        """Give what can be sent now: of each server the oldest, so that an outage comes before its end."""
        oldest: dict[str, Letter] = {}
        for letter in self.outbox:
            oldest.setdefault(letter.alarm.target, letter)
        return tuple(oldest.values())

    def waits(self, alarm: Alarm) -> bool:
        """Tell whether an alarm waits for a run with a webhook; where there is none, telling is delivery."""
        return self.webhook is not None and alarm.at - self.webhook <= WAIT

    def overdue(self, at: datetime) -> tuple[Alarm, ...]:
        """Give the alarms that have waited for too long, or are too many."""
        alarms = [letter.alarm for letter in self.outbox if self.waits(letter.alarm)]
        surplus = max(len(alarms) - MOST, 0)
        return tuple(alarm for number, alarm in enumerate(alarms) if number < surplus or at - alarm.at > WAIT)


@dataclass(frozen=True, slots=True)
class _Document:
    """The file as a whole."""

    schema: str
    targets: dict[str, Entry]
    outbox: tuple[Letter, ...]
    webhook: datetime | None = None


_DOCUMENT = TypeAdapter(_Document)


def identity(name: str, url: str, number: int, at: datetime) -> str:
    """Name an alarm so that no other has its name, in letters that any header or file name can hold."""
    mark = hashlib.sha256(f"{name} {url}".encode(errors="replace")).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_]', '_', name)}-{mark}-{number}-{at:%Y%m%dT%H%M%SZ}"


def load(file: Path) -> tuple[Ledger, Path | None]:
    """Read a ledger; a file that is not there is an empty one.

    What is torn is laid aside, under the name that is returned beside the empty ledger that takes its place.
    Raises UserError for a file that is somebody else's, or of a newer version: it stays as it is. Raises
    OSError where it cannot be read.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return Ledger(), None
    try:
        document = _DOCUMENT.validate_json(content, strict=True)
        if document.schema == SCHEMA:
            return Ledger(document.targets, document.outbox, document.webhook), None
    except ValidationError:
        pass
    if _VERSION.match(content):
        raise UserError(
            f"{file} was written by another version of this program",
            help=["use that version, or another file with `--state FILE`"],
        )
    rest = content.rstrip(b"\0")  # which some file systems leave after a crash
    if rest and not rest.startswith(OPENING) and not OPENING.startswith(rest):
        raise UserError(
            f"{file} is not the state of a monitor, and is left as it is",
            help=["name another file with `--state FILE`"],
        )
    aside = _free(file)
    file.rename(aside)
    return Ledger(), aside


def save(file: Path, ledger: Ledger) -> None:
    """Write a ledger: after a crash the file holds the former one or this, never a part of either.

    Raises OSError when the disk does not take it.
    """
    draft = file.with_name(f"{file.name}.tmp")
    document = _Document(SCHEMA, dict(ledger.targets), ledger.outbox, ledger.webhook)
    with private(draft) as output:
        output.write(_DOCUMENT.dump_json(document) + b"\n")
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
    sync(file.parent)


@contextmanager
def held(file: Path, who: str = "another monitor", advice: Sequence[str] = ()) -> Iterator[None]:
    """Keep other monitors off a ledger, whose alarms would be sent twice.

    Raises UserError while another one is at work with it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # The ledger itself is replaced all the time, so the lock has a file of its own, which stays.
    handle = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with alone(handle, f"{who} is at work with {file}", advice):
        yield


def _free(file: Path) -> Path:
    """Find a name for what is laid aside."""
    number = 1
    while (aside := file.with_name(f"{file.name}.torn-{number}")).exists():
        number += 1
    return aside
