"""Report on a watch as it is kept: a table on a terminal, JSON Lines in a pipe."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder.console import FINE, FOUND, result, say, styled
from scaffolder.monitoring.alarms import HEALTHY
from scaffolder.monitoring.hands import Threads
from scaffolder.monitoring.layers import printable
from scaffolder.monitoring.ledger import held, load
from scaffolder.monitoring.state import state_file
from scaffolder.monitoring.stopping import stopping
from scaffolder.monitoring.watchkeeping import (
    ALARMS,
    PROBES,
    Clock,
    Event,
    Raised,
    Seen,
    Sent,
    Trouble,
    Watch,
    Watchkeeper,
)
from scaffolder.monitoring.webhook import Webhook, document, sender, stamp
from scaffolder.watch import settle

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "mcp-scaffold/monitor@1"

INTERRUPTED = 130

# Styles of rich, and the same as parameters of the terminal; a state is told by its name as well.
STYLES: Mapping[str, str] = {
    "healthy": "green",
    "degraded": "yellow",
    "drifted": "magenta",
    "auth-walled": "yellow",
    "down": "bold red",
}
ALARM_STYLES: Mapping[str, str] = {"outage": "1;31", "recovery": "1;32", "change": "1;33"}

Teller = Callable[[Event], None]


def monitored(  # noqa: PLR0913 - the options of the command
    watches: Sequence[Watch],
    state: Path | None,
    subject: str,
    *,
    to: Webhook | None,
    jobs: int,
    rounds: int | None,
    as_json: bool,
) -> int:
    """Keep watch until a signal comes or all rounds are done, and tell of it.

    After the rounds the exit status says whether all were healthy at last; it is 0 after SIGTERM.
    """
    file = state or state_file(subject)
    hands = Threads({PROBES: jobs, ALARMS: 1})
    clock = Clock()
    last: dict[str, str] = {}
    with (
        held(file),
        stopping(hands.wake) as stopped,
        telling(watches, as_json=as_json) as teller,
    ):

        def tell(event: Event) -> None:
            if isinstance(event, Seen):
                last[event.watch.name] = event.sight.state
            teller(event)

        ledger, aside = load(file)
        if aside:
            tell(
                Trouble(f"{file} made no sense and was laid aside as {aside.name}: what it knew is forgotten")
            )
        settle()
        send = sender(to, clock.now) if to else None
        keeper = Watchkeeper(watches, file, ledger, tell, hands=hands, send=send, clock=clock, rounds=rounds)
        keeper.keep(lambda: stopped() is not None)
        if stopped() == signal.SIGINT:
            return INTERRUPTED
        return FINE if stopped() or set(last.values()) <= {HEALTHY} else FOUND


@contextmanager
def telling(watches: Sequence[Watch], *, as_json: bool) -> Iterator[Teller]:
    """Yield what tells of the events of a watch."""
    if as_json or not sys.stdout.isatty():
        yield _tell_line
        return
    with _table(watches) as teller:
        yield teller


def line(event: Event) -> dict[str, Any]:
    """Give an event the form of a line of JSON."""
    if isinstance(event, Seen):
        return {
            "schema": SCHEMA,
            "event": "verdict",
            "at": stamp(event.at),
            "target": event.watch.name,
            "url": event.watch.url,
            "verdict": event.sight.state,
            "reason": event.sight.reason,
            "latency_ms": event.sight.latency_ms and round(event.sight.latency_ms, 1),
            "state": event.standing.state,
            "since": stamp(event.standing.since),
        }
    if isinstance(event, Raised):
        alarm = {key: value for key, value in document(event.alarm).items() if key != "schema"}
        return {"schema": SCHEMA, "event": "alarm", **alarm, "again": event.again}
    if isinstance(event, Sent):
        return {
            "schema": SCHEMA,
            "event": "delivery",
            "id": event.alarm.id,
            "target": event.alarm.target,
            "arrived": event.failure is None,
            "failure": event.failure,
            "given_up": event.given_up,
        }
    return {"schema": SCHEMA, "event": "trouble", "message": event.message}


def _tell_line(event: Event) -> None:
    result(json.dumps(line(event), ensure_ascii=False))
    # Whoever reads the pipe is to know now, and not when a buffer is full.
    sys.stdout.flush()
    if story := _story(event):
        say(story)


def _story(event: Event) -> str | None:
    """Put into words what is worth one beside the verdicts."""
    if isinstance(event, Raised):
        alarm = event.alarm
        word = styled(str(alarm.kind), ALARM_STYLES[alarm.kind], sys.stderr)
        change = f"{alarm.before} -> {alarm.after}" if alarm.before else alarm.after
        again = " (from an earlier run)" if event.again else ""
        return f"{word}: {stamp(alarm.at)} {alarm.target}: {change}: {printable(alarm.reason)}{again}"
    if isinstance(event, Sent) and event.failure:
        end = "and is given up" if event.given_up else "and is sent again"
        return f"the alarm {event.alarm.id} did not arrive, {end}: {event.failure}"
    return f"trouble: {printable(event.message)}" if isinstance(event, Trouble) else None


@contextmanager
def _table(watches: Sequence[Watch]) -> Iterator[Teller]:
    """Keep a table up to date, with the alarms above it."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second
    from rich.live import Live  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    seen: dict[str, Seen] = {}
    console = Console()
    with Live(rows(watches, seen), console=console, auto_refresh=False) as live:
        live.refresh()

        def tell(event: Event) -> None:
            if isinstance(event, Seen):
                seen[event.watch.name] = event
            elif story := _story(event):
                live.console.print(Text.from_ansi(story))
            live.update(rows(watches, seen), refresh=True)

        yield tell


def rows(watches: Sequence[Watch], seen: Mapping[str, Seen]) -> "Table":
    """Lay out what is known of each server."""
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table("target", "state", "since", "latency", "last probe", box=None, pad_edge=False)
    for watch in watches:
        event = seen.get(watch.name)
        if event is None:
            table.add_row(Text(watch.name), Text("…"), "", "", "")
            continue
        state = event.standing.state or "not known yet"
        latency = event.sight.latency_ms
        # What was seen last is not yet what is believed.
        last = (
            event.sight.reason if event.sight.state == state else f"{event.sight.state}: {event.sight.reason}"
        )
        table.add_row(
            Text(watch.name),
            Text(state, style=STYLES.get(state, "")),
            _local(event.standing.since),
            "" if latency is None else f"{latency:.0f} ms",
            Text(f"{_local(event.at)}  {printable(last)}"),
        )
    return table


def _local(time: datetime | None) -> str:
    """Write a time as the clock on the wall shows it."""
    return f"{time.astimezone():%m-%d %H:%M:%S}" if time else ""
