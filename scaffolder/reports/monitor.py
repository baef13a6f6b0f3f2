"""Report on a watch as it is kept: a table on a terminal, JSON Lines in a pipe."""

import errno
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder.console import FINE, FOUND, INTERRUPTED, escaped, result, say, styled
from scaffolder.monitoring.alarms import HEALTHY, Standing
from scaffolder.monitoring.hands import Threads
from scaffolder.monitoring.layers import printable
from scaffolder.monitoring.ledger import held, load
from scaffolder.monitoring.state import state_file
from scaffolder.monitoring.stopping import stopping
from scaffolder.monitoring.watchkeeping import (
    ALARMS,
    PROBES,
    SUSPECTS,
    Changed,
    Clock,
    Event,
    Raised,
    Roster,
    Seen,
    Sent,
    Trouble,
    Watch,
    Watchkeeper,
)
from scaffolder.monitoring.webhook import Webhook, document, sender, span, stamp
from scaffolder.reports.terminal import be_lenient, has_all_characters, is_drawable
from scaffolder.watch import settle

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "mcp-scaffold/monitor@1"

# The heads of the columns that a narrow terminal may do without.
SINCE, LATENCY, LAST = "since (local time)", "latency", "last probe (local time)"

GUTTER = 2
"""Columns between two columns of the table."""

REASON = 40
"""Columns that the last verdict is worth; with fewer, it has those of its stamps instead."""

UNREAD = 141
"""Whoever read the output has gone; the status that a shell gives to what a broken pipe has ended."""

# Styles of rich, and the same as parameters of the terminal; a state is told by its name as well.
STYLES: Mapping[str, str] = {
    "healthy": "green",
    "degraded": "yellow",
    "drifted": "magenta",
    "auth-walled": "yellow",
    "down": "bold red",
}
ALARM_STYLES: Mapping[str, str] = {"outage": "1;31", "recovery": "1;32", "change": "1;33"}

# What it is to write to a pipe that nobody reads, and to a terminal that was closed.
UNREADABLE = {errno.EPIPE, errno.EIO}

Teller = Callable[[Event], None]


def monitored(  # noqa: PLR0913 - the options of the command
    roster: Roster,
    state: Path | None,
    subject: str,
    *,
    to: Webhook | None,
    jobs: int,
    rounds: int | None,
    as_json: bool,
) -> int:
    """Keep watch until a signal comes or all rounds are done, and tell of it.

    After the rounds the exit status says whether all were healthy at last; it is 0 after SIGTERM. The watch
    also ends where nobody reads what it tells: what is on the disk by then is told by the next run.
    """
    file = state or state_file(subject)
    try:
        return _monitored(roster, file, to=to, jobs=jobs, rounds=rounds, as_json=as_json)
    except OSError as error:
        if error.errno not in UNREADABLE or error.filename is not None:
            raise
        _silence()
        return UNREAD


def _monitored(  # noqa: PLR0913 - as above
    roster: Roster, file: Path, *, to: Webhook | None, jobs: int, rounds: int | None, as_json: bool
) -> int:
    hands = Threads({PROBES: jobs, SUSPECTS: jobs, ALARMS: 1})
    clock = Clock()
    last: dict[str, str] = {}
    with (
        held(file, advice=["name another file with `--state FILE`"]),
        stopping(hands.wake) as stopped,
        telling(roster(), as_json=as_json) as teller,
    ):

        def tell(event: Event) -> None:
            if isinstance(event, Seen):
                last[event.watch.name] = event.sight.state
            if isinstance(event, Changed):
                for name in event.removed:
                    last.pop(name, None)
            teller(event)

        ledger, aside = load(file)
        if aside:
            tell(
                Trouble(f"{file} made no sense and was laid aside as {aside.name}: what it knew is forgotten")
            )
        settle()
        send = sender(to, clock.now) if to else None
        keeper = Watchkeeper(roster, file, ledger, tell, hands=hands, send=send, clock=clock, rounds=rounds)
        keeper.keep(lambda: stopped() is not None)
        if stopped() == signal.SIGINT:
            return INTERRUPTED
        # One that could not be probed has no verdict, and is not known to be healthy.
        healthy = len(last) == len(keeper.watched) and set(last.values()) <= {HEALTHY}
        return FINE if stopped() or healthy else FOUND


@contextmanager
def telling(watches: Sequence[Watch], *, as_json: bool) -> Iterator[Teller]:
    """Yield what tells of the events of a watch."""
    if as_json or not sys.stdout.isatty():
        yield _tell_line
        return
    be_lenient()
    if not is_drawable(sys.stdout):
        yield _tell_text
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
            "unwatched": span(event.standing.unwatched),
        }
    if isinstance(event, Raised):
        alarm = {key: value for key, value in document(event.alarm).items() if key != "schema"}
        return {"schema": SCHEMA, "event": "alarm", **alarm, "again": event.again, "waiting": event.waiting}
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
    if isinstance(event, Changed):
        return {
            "schema": SCHEMA,
            "event": "targets",
            "watched": [watch.name for watch in event.watches],
            "added": list(event.added),
            "removed": list(event.removed),
            "altered": list(event.altered),
        }
    return {"schema": SCHEMA, "event": "trouble", "message": event.message}


def _tell_line(event: Event) -> None:
    result(escaped(json.dumps(line(event), ensure_ascii=not has_all_characters(sys.stdout))))
    # Whoever reads the pipe is to know now, and not when a buffer is full.
    sys.stdout.flush()
    if story := _story(event):
        say(story)


def _tell_text(event: Event) -> None:
    if isinstance(event, Seen):
        parts = (stamp(event.at), event.watch.name, _state(event), _latency(event), _last(event))
        result("  ".join(filter(None, parts)))
    if story := _story(event):
        result(story)
    sys.stdout.flush()


def _story(event: Event) -> str | None:
    """Put into words what is worth one beside the verdicts."""
    if isinstance(event, Seen):
        return _pause(event)
    if isinstance(event, Raised):
        alarm = event.alarm
        word = styled(str(alarm.kind), ALARM_STYLES[alarm.kind], sys.stderr)
        change = f"{alarm.before} -> {alarm.after}" if alarm.before else alarm.after
        took = f" after {alarm.down_seconds} s" if alarm.down_seconds is not None else ""
        notes = [
            *(["from an earlier run"] if event.again else []),
            *(["not delivered yet: no webhook in this run"] if event.waiting else []),
        ]
        note = f" ({'; '.join(notes)})" if notes else ""
        return f"{word}: {stamp(alarm.at)} {alarm.target}: {change}{took}: {printable(alarm.reason)}{note}"
    if isinstance(event, Sent) and event.failure:
        end = "and is given up" if event.given_up else "and is sent again"
        return f"the alarm {event.alarm.id} did not arrive, {end}: {printable(event.failure)}"
    if isinstance(event, Changed):
        parts = (("added", event.added), ("not watched any more", event.removed), ("changed", event.altered))
        return "targets: " + "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)
    return f"trouble: {printable(event.message)}" if isinstance(event, Trouble) else None


def _pause(event: Seen) -> str | None:
    """Say, at its end, that nobody looked for a while: what was so then is not known."""
    standing = event.standing
    if standing.unwatched is None or standing.unwatched[1] != event.at:
        return None
    start, end = map(stamp, standing.unwatched)
    return f"{event.watch.name} was not watched from {start} to {end}"


@contextmanager
def _table(watches: Sequence[Watch]) -> Iterator[Teller]:
    """Keep a table up to date, with the alarms above it."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second
    from rich.live import Live  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    seen: dict[str, Seen] = {}
    watched = list(watches)
    console = Console()

    def drawn() -> "Table":
        # A line for the head, one for the sum, and one for the cursor.
        return rows(watched, seen, width=console.width, most=max(console.height - 3, 1))

    with Live(drawn(), console=console, auto_refresh=False) as live:
        live.refresh()

        def tell(event: Event) -> None:
            if isinstance(event, Seen):
                seen[event.watch.name] = event
            elif isinstance(event, Changed):
                watched[:] = event.watches
                for name in event.removed:
                    seen.pop(name, None)
            if story := _story(event):
                live.console.print(Text.from_ansi(story))
            live.update(drawn(), refresh=True)

        yield tell


def rows(
    watches: Sequence[Watch], seen: Mapping[str, Seen], *, width: int = 80, most: int | None = None
) -> "Table":
    """Lay out what is known of each server, a line each; where there is no room for all, the worst first."""
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    hidden = len(watches) - most if most is not None else 0
    shown = sorted(watches, key=lambda watch: _rank(seen.get(watch.name)))[:most] if hidden > 0 else watches
    events = [seen.get(watch.name) for watch in shown]
    columns = {
        "target": [watch.name for watch in shown],
        "state": [_state(event) for event in events],
        SINCE: [_since(event.standing) if event else "" for event in events],
        LATENCY: [_latency(event) if event else "" for event in events],
        LAST: [f"{_local(event.at)}  {_last(event)}" if event else "" for event in events],
    }
    widths = _widths(columns, width)
    table = Table(box=None, padding=(0, GUTTER, 0, 0), pad_edge=False)
    for head, cells in widths.items():
        table.add_column(head, no_wrap=True, overflow="ellipsis", width=cells)
    for number in range(len(shown)):
        style = STYLES.get(columns["state"][number], "")
        table.add_row(
            *(Text(columns[head][number], style=style if head == "state" else "") for head in widths)
        )
    if hidden > 0:
        states = Counter(_state(seen.get(watch.name)) for watch in watches)
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common())
        table.caption = Text(f"{hidden} more; {counts}", no_wrap=True, overflow="ellipsis")
        table.caption_justify = "left"
    return table


def _widths(columns: Mapping[str, Sequence[str]], width: int) -> dict[str, int]:
    """Say how wide each column is; where a terminal is narrow, it does without the less telling ones."""
    wanted = {head: max(map(len, (head, *cells))) for head, cells in columns.items()}
    # A few names are long, and none is worth half of the terminal.
    wanted["target"] = min(wanted["target"], max(width // 3, 8))
    for head in (SINCE, LATENCY):
        if sum(wanted.values()) - wanted[LAST] + GUTTER * len(wanted) > width - REASON:
            del wanted[head]
    left = width - sum(wanted.values()) + wanted[LAST] - GUTTER * len(wanted)
    wanted[LAST] = min(wanted[LAST], left)
    if wanted[LAST] < len(LAST):
        del wanted[LAST]
    return wanted


def _state(event: Seen | None) -> str:
    """Say what is believed."""
    return "unknown" if event is None or event.standing.state is None else event.standing.state


def _rank(event: Seen | None) -> int:
    """Order servers by how much they are worth a look."""
    if event is None or event.standing.state is None:
        return 1
    return 0 if event.standing.state != HEALTHY or event.sight.state != HEALTHY else 2


def _last(event: Seen) -> str:
    """Say what was seen last, which is not yet what is believed."""
    reason = printable(event.sight.reason)
    return reason if event.sight.state == event.standing.state else f"{event.sight.state}: {reason}"


def _since(standing: Standing) -> str:
    """Say since when something is believed, and that nobody looked for some of that time."""
    return _local(standing.since) + (", with a pause" if standing.unwatched else "")


def _latency(event: Seen) -> str:
    latency = event.sight.latency_ms
    return "" if latency is None else f"{latency:.0f} ms"


def _silence() -> None:
    """Keep what is still in buffers from being written, to nobody, at the end of the program."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _local(time: datetime | None) -> str:
    """Write a time as the clock on the wall shows it."""
    return f"{time.astimezone():%m-%d %H:%M:%S}" if time else ""
