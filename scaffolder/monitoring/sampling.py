"""Measure a server again and again: after an idle time, which may have made it cold, and right after that."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scaffolder.diagnostics import UserError
from scaffolder.monitoring.calibration import Sample
from scaffolder.monitoring.expectation import Credential
from scaffolder.monitoring.redaction import redaction
from scaffolder.monitoring.walls import is_wall
from scaffolder.probe import Client, Era, EraReport
from scaffolder.processes import Processes
from scaffolder.serving import Endpoint, serve
from scaffolder.toolchain import install
from scaffolder.workbench import ProjectError, StepError, equip, find_project_node, open_project, workbench

WARM = 3
"""Warm answers that are measured after each idle time."""

PATIENCE = 3
"""Failures in a row after which a server is not worth measuring."""

TOLERANCE = 0.001
"""Seconds; the clock that is slept by, and the one that is read, do not agree to the last digit."""

TIMEOUT = 60.0
"""Seconds for an answer, far beyond any threshold: what is slow is to be measured, and not cut off."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A measurement that came to nothing, and why."""

    reason: str
    rested: bool = False
    """As of a sample."""


Measured = Sample | Failed


class FailedError(Exception):
    """The server did not answer as one does."""

    def __init__(self, message: str, *, walled: bool = False) -> None:
        """Say why, and whether it asks for credentials."""
        super().__init__(message)
        self.walled = walled


@dataclass(frozen=True, slots=True)
class Pace:
    """How a server is measured: how many times after an idle time, and how many seconds that is."""

    samples: int
    cold_every: float
    answering: float = 0.0
    """Seconds that the server took for its first answer, by which the others are estimated."""

    @property
    def seconds(self) -> float:
        """How long that takes, as far as can be known."""
        return self.samples * (self.cold_every + (1 + WARM) * self.answering)


@dataclass(frozen=True, slots=True)
class Gauge:
    """Measures an answer of a server, in milliseconds.

    It is the slowest of a greeting and a list of tools on a new connection, as `probe` compares it with
    `timeout_ms`.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    era: Era
    server: str
    """Tells one deployment from the next: a digest of its name, its version and its tools' contract."""
    seconds: float = 0.0
    """How long its first answer took, with all that comes before and after."""

    def __call__(self) -> float:
        """Measure one. Raises FailedError where it does not come."""
        return _latency(_introduced(self.url, self.headers, self.era))


def answer(url: str, headers: Mapping[str, str], credentials: Sequence[Credential] = ()) -> Gauge:
    """Find out which era a server speaks.

    Raises UserError where it speaks none, which names the credentials that it may lack.
    """
    failures = []
    for era in (Era.MODERN, Era.LEGACY):
        began = time.monotonic()
        try:
            report = _introduced(url, headers, era)
        except FailedError as error:
            failures.append(error)
        else:
            return Gauge(url, headers, era, _digest(report), time.monotonic() - began)
    advice = _credentials(headers, credentials) if any(error.walled for error in failures) else []
    raise UserError(
        f"{url} cannot be measured: {failures[0]}", help=[*advice, "mcp-scaffold probe tells more"]
    )


def _credentials(headers: Mapping[str, str], credentials: Sequence[Credential]) -> list[str]:
    """Say what to do about a server that asks who one is."""
    missing = [each for each in credentials if each.header not in headers]
    if missing:
        return [f"set {each.variable}, from which `{each.header}` is taken" for each in missing]
    if credentials:
        return [f"what {each.variable} holds for `{each.header}` is not accepted" for each in credentials]
    return [
        "name the variable that holds the server's token as `monitor.bearer` in mcp.yaml",
        "or pass a header, as in `--header Authorization=VARIABLE`",
    ]


def _introduced(url: str, headers: Mapping[str, str], era: Era) -> EraReport:
    with Client(url, headers, TIMEOUT) as client:
        report = client.introduce(era)
    if report.failure is not None:
        raise FailedError(redaction(headers).clean(str(report.failure)), walled=is_wall(report.failure))
    return report


def _latency(report: EraReport) -> float:
    return max(report.latencies_ms.values())


def _digest(report: EraReport) -> str:
    server = [report.server.get(key) for key in ("name", "version")]
    tools = sorted(
        (str(tool["name"]), json.dumps(tool["inputSchema"], sort_keys=True)) for tool in report.tools
    )
    return hashlib.sha256(json.dumps([server, tools], sort_keys=True).encode()).hexdigest()[:16]


def elapsed() -> float:
    """Give seconds that also go on while this machine sleeps, for a server gets cold in that time as well."""
    if sys.platform == "linux":
        # Its monotonic clock stands still then.
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def samples(
    measure: Callable[[], float],
    pace: Pace,
    *,
    monotonic: Callable[[], float] = elapsed,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[Measured]:
    """Measure a server that runs somewhere, at a pace.

    The server has answered a moment ago. Whether a sample is rested is what the clock says, and not what
    was planned. Raises UserError where the server does not answer any more.
    """
    failures = 0
    last = monotonic()
    for _ in range(pace.samples):
        while (left := pace.cold_every - (monotonic() - last)) > TOLERANCE:
            sleep(left)
        for _ in range(1 + WARM):
            rested = monotonic() - last >= pace.cold_every - TOLERANCE
            try:
                found: Measured = Sample(measure(), rested)
                failures = 0
            except FailedError as error:
                found, failures = Failed(str(error), rested), failures + 1
            last = monotonic()
            yield found
            if isinstance(found, Failed) and failures >= PATIENCE:
                raise UserError(f"{failures} measurements in a row failed: {found.reason}")


def local_samples(folder: Path, target: str, number: int) -> Generator[Measured]:
    """Measure a target on its real runtime on this machine, which is started anew for each cold sample.

    A cold sample is the time from the start of the process to its first answer, and from there to the list
    of tools. Raises UserError for what is no project or has no such target, and where the server cannot be
    started.
    """
    project = open_project(folder)
    if target not in project.targets:
        raise ProjectError(
            f"{target}: not among the project's targets, which are {', '.join(project.targets)}"
        )
    with Processes() as processes:
        node = find_project_node()
        install(project.folder, node, processes)
        toolbox = equip(project, target, node, processes)
        with workbench(project, target, toolbox, processes) as bench:
            try:
                if bench.serves_build:
                    bench.build()
                for _ in range(number):
                    with serve(bench, {}) as endpoint:
                        yield from _of_start(endpoint)
            except StepError as error:
                advice = [f"mcp-scaffold verify --target {target}"]
                raise UserError(f"{target} cannot be started: {error}", help=advice) from error


def _of_start(endpoint: Endpoint) -> Iterator[Sample]:
    try:
        gauge = Gauge(endpoint.url, endpoint.headers, Era.MODERN, "")
        first = gauge()
        yield Sample(endpoint.start_ms + first, rested=True)
        for _ in range(WARM):
            yield Sample(gauge(), rested=False)
    except FailedError as error:
        raise UserError(f"{endpoint.target} was started and does not answer: {error}") from error
