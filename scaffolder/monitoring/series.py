"""Keep what was measured in a file as it comes, so that a run of hours can be broken off and gone on with."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scaffolder.monitoring.calibration import Sample
from scaffolder.monitoring.ledger import held
from scaffolder.monitoring.sampling import Failed, Measured
from scaffolder.monitoring.state import private, state_file

SCHEMA = "mcp-scaffold/series@1"

LIFETIME = timedelta(days=7)
"""How long a measurement counts; nobody knows what a platform does after that."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and how: measurements of two subjects are never mixed."""

    project: str
    target: str
    url: str
    cold_every: float
    server: str
    """Tells one deployment from the next by what it says of itself."""

    @property
    def file(self) -> Path:
        """Where its measurements are kept."""
        where = json.dumps([self.project, self.target, self.url, self.cold_every])
        return state_file(where, "calibrate", self.target).with_suffix(".jsonl")


@dataclass(slots=True)
class Series:
    """The measurements of a subject."""

    file: Path
    kept: tuple[Measured, ...]
    """Those of earlier runs."""
    since: datetime | None
    """When the first of them was taken."""
    replaced: bool
    """Whether there were some of another deployment, which do not count any more."""
    failure: OSError | None = None
    """Why measurements are not kept any more; they still count in this run."""

    def add(self, measured: Measured, at: datetime) -> None:
        """Put a measurement on the disk, if that takes it."""
        if self.failure is not None:
            return
        try:
            with self.file.open("ab") as output:
                output.write(_line(_written(measured, at)))
                output.flush()
                os.fsync(output.fileno())
        except OSError as error:
            self.failure = error

    def discard(self) -> None:
        """Forget the measurements: what they came to is where it belongs."""
        with suppress(OSError):
            self.file.unlink()


@contextmanager
def series(
    subject: Subject, *, fresh: bool, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Iterator[Series]:
    """Open the measurements of a subject, or begin anew.

    Where the user's state folder cannot be written, nothing is kept, and `failure` says why. Raises UserError
    while another run measures the same, which would keep it warm.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held(subject.file, "another calibration"))
            found = _opened(subject, now(), fresh=fresh)
        except OSError as error:
            found = Series(subject.file, (), None, replaced=False, failure=error)
        yield found
        if found.failure is None and not _holds_any(found.file):
            found.discard()


def _opened(subject: Subject, now: datetime, *, fresh: bool) -> Series:
    """Write the file anew, without what is too old and without half a line."""
    file = subject.file
    header = _line({"schema": SCHEMA, **{name: getattr(subject, name) for name in Subject.__slots__}})
    found = [] if fresh else _read(file, header, now)
    lines = found or []
    draft = file.with_name(f"{file.name}.tmp")
    with private(draft) as output:
        output.write(header + b"".join(_line(_written(each, at)) for each, at in lines))
    draft.replace(file)
    since = min((at for _, at in lines), default=None)
    return Series(file, tuple(each for each, _ in lines), since, replaced=found is None)


def _read(file: Path, header: bytes, now: datetime) -> list[tuple[Measured, datetime]] | None:
    """Read what still counts; None where there is something of another deployment."""
    try:
        first, *lines = file.read_bytes().splitlines(keepends=True) or [header]
    except FileNotFoundError:
        return []
    if first != header:
        return None
    found = []
    for line in lines:
        try:
            entry = _measured(json.loads(line))
        except (ValueError, KeyError, TypeError):
            # Half a line is what a kill leaves.
            continue
        # A clock may have been set back since.
        if abs(now - entry[1]) <= LIFETIME:
            found.append(entry)
    return found


def _holds_any(file: Path) -> bool:
    try:
        return file.read_bytes().count(b"\n") > 1
    except OSError:
        return False


def _written(measured: Measured, at: datetime) -> Mapping[str, Any]:
    what = (
        {"latency_ms": measured.latency_ms} if isinstance(measured, Sample) else {"failed": measured.reason}
    )
    return {"at": at.isoformat(), "rested": measured.rested, **what}


def _measured(entry: Mapping[str, Any]) -> tuple[Measured, datetime]:
    at, rested = datetime.fromisoformat(entry["at"]), bool(entry["rested"])
    if at.tzinfo is None:
        raise ValueError(entry["at"])
    if "failed" in entry:
        return Failed(str(entry["failed"]), rested), at
    return Sample(float(entry["latency_ms"]), rested), at


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"
