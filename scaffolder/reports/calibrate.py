"""Report on a calibration: the samples as they come, what they are evidence of, and what was made of it."""

import math
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scaffolder.console import FINE, FOUND, STYLES, count, emit, result, say, styled
from scaffolder.monitoring.calibration import (
    ESTIMATOR,
    Calibration,
    Evidence,
    Percentiles,
    Sample,
    calibrate,
)
from scaffolder.monitoring.histogram import svg, terminal
from scaffolder.monitoring.observing import observe, stays, threshold
from scaffolder.monitoring.sampling import WARM, Measured, Pace
from scaffolder.regenerate import Regenerated
from scaffolder.reports import telling
from scaffolder.reports.project import recovered, regenerated

INTERRUPTED = 130

NO_SUBSTITUTE = (
    "Measured on this machine, which is no substitute for the cloud: there is no network, no vendor's router "
    "and no other hardware, and a process where there may be an isolate or a snapshot."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, and what becomes of it."""

    project: Path
    target: str
    pace: Pace
    local: bool
    write: bool
    svg: Path | None
    as_json: bool


def announced(plan: Plan) -> None:
    """Say what is about to happen, and how long it takes."""
    if plan.as_json:
        return
    each = "fresh starts" if plan.local else f"times after {plan.pace.cold_every:g} s without a request"
    say(f"{plan.target}: {plan.pace.samples} {each}, and {WARM} answers right after each.")
    if plan.local:
        say(NO_SUBSTITUTE)
    else:
        if stays(plan.project, plan.target):
            say("One process serves it while it is up: only restarts are cold, and `--local` measures those.")
        say(f"This takes {_duration(plan.pace.seconds)}. Other clients that call it meanwhile keep it warm.")


def calibrated(plan: Plan, measured: Generator[Measured]) -> int:
    """Take the samples, print what they came to, and write it to the manifest if that is asked for."""
    samples: list[Sample] = []
    failures: list[str] = []
    interrupted = False
    with progress(plan) as show, closing(measured):
        try:
            for each in measured:
                if isinstance(each, Sample):
                    samples.append(each)
                else:
                    failures.append(each.reason)
                show(each)
        except KeyboardInterrupt:
            # What was measured in hours is worth a look.
            interrupted = True
    found = calibrate(samples, fresh=plan.local)
    write = plan.write and not interrupted and found.p95_ms is not None
    before = threshold(plan.project, plan.target)
    now = datetime.now(UTC)
    done = observe(plan.project, plan.target, found, now.date(), recovered) if write else None
    after = threshold(plan.project, plan.target)
    if plan.svg:
        plan.svg.write_text(_drawn(plan, found, now), encoding="utf-8")
    code = FINE if found.p95_ms is not None and not (done and done.in_trouble) else FOUND
    if plan.as_json:
        fine = code == FINE and not interrupted
        thresholds = {"before": before[0], "after": after[0]}
        emit("calibrate", ok=fine, **_document(plan, found, done), timeout_ms=thresholds, failures=failures)
    else:
        _print(plan, found, failures)
        _conclude(plan, found, before, after, written=done is not None)
        if done:
            say("")
            regenerated("calibrate", done, as_json=False)
    return INTERRUPTED if interrupted else code


@contextmanager
def progress(plan: Plan) -> Iterator[Callable[[Measured], None]]:
    """Show the samples as they come: on a terminal where no trace of them stays, in a log a line each."""
    total = plan.pace.samples * (1 + WARM)
    number = 0

    def told(each: Measured) -> str:
        nonlocal number
        number += 1
        if isinstance(each, Sample):
            what = f"{each.latency_ms:.0f} ms {'after an idle time' if each.rested else 'right after'}"
            what = (
                what if not (plan.local and each.rested) else f"{each.latency_ms:.0f} ms from a fresh start"
            )
        else:
            what = f"failed: {each.reason}"
        return f"{number}/{total}: {what}"

    if plan.as_json or not sys.stderr.isatty():
        yield lambda each: None if plan.as_json else say(told(each))
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second
    from rich.markup import escape  # noqa: PLC0415 - likewise

    with Console(stderr=True).status(f"0/{total}") as status:
        yield lambda each: status.update(escape(told(each)))


def _print(plan: Plan, found: Calibration, failures: list[str]) -> None:
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    width = shutil.get_terminal_size().columns
    for line in terminal(found.told.cold, found.told.warm, width=width, ascii_only=ascii_only):
        result(line)
    result("")
    result(_table(found))
    say(f"\nEvidence: {found.told.evidence}: {found.told.because}.")
    say(f"Percentiles: {ESTIMATOR}; the interval holds the true p95 with 95 % confidence.")
    if failures:
        say(f"{count(len(failures), 'measurement')} failed, the last one: {failures[-1]}")
    if plan.svg:
        say(f"Drawn in {plan.svg}.")


def _table(found: Calibration) -> str:
    header = ("", "samples", "p50", "p95", "p99", "interval of p95")
    rows = [
        (name, str(each.count), _ms(each.p50), _ms(each.p95), _ms(each.p99), _interval(each))
        for name, each in (("cold", found.cold), ("warm", found.warm))
        if each
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    lines[0] = styled(lines[0], STYLES["message"], sys.stdout)
    return "\n".join(lines)


def _conclude(
    plan: Plan, found: Calibration, before: tuple[int, Any], after: tuple[int, Any], *, written: bool
) -> None:
    """Say which threshold holds, and why."""
    if found.shortfall or found.p95_ms is None:
        source = "the table's value" if before[1] == "table" else "as it was calibrated before"
        say(f"\n{plan.target}: timeout_ms stays {before[0]}, {source}: {found.shortfall}.")
        if found.told.evidence is Evidence.NOTHING and not plan.local:
            say(f"  = help: a longer idle time, as in `--cold-every {plan.pace.cold_every * 4:g}`")
        return
    rule = f"twice {found.p95_ms:g} ms, the p95 of {count(len(found.told.cold), 'cold start')}"
    if written:
        say(f"\n{plan.target}: timeout_ms {before[0]} -> {after[0]}: {rule}.")
    else:
        say(f"\n{plan.target}: timeout_ms would be {rule}; nothing was written.")


def _document(plan: Plan, found: Calibration, done: Regenerated | None) -> dict[str, Any]:
    return {
        "project": plan.project,
        "target": plan.target,
        "local": plan.local,
        **({"note": NO_SUBSTITUTE} if plan.local else {}),
        "evidence": str(found.told.evidence),
        "because": found.told.because,
        "boundary_ms": found.told.boundary_ms,
        "estimator": ESTIMATOR,
        "cold": found.cold and {**asdict(found.cold), "samples_ms": found.told.cold},
        "warm": found.warm and {**asdict(found.warm), "samples_ms": found.told.warm},
        "p95_ms": found.p95_ms,
        "shortfall": found.shortfall,
        "written": done is not None,
        "changes": [telling.as_json(change) for change in done.changes] if done else [],
    }


def _drawn(plan: Plan, found: Calibration, now: datetime) -> str:
    where = "on this machine" if plan.local else "where it is deployed"
    parts = [
        f"{name}: p50 {_ms(each.p50)}, p95 {_ms(each.p95)}, p99 {_ms(each.p99)} of {each.count}"
        for name, each in (("cold starts", found.cold), ("warm answers", found.warm))
        if each
    ]
    return svg(
        found.told.cold,
        found.told.warm,
        title=f"{plan.target}: latency {where}, {now:%Y-%m-%d}",
        description="; ".join([*parts, f"evidence: {found.told.evidence}"]),
    )


def _interval(each: Percentiles) -> str:
    low, high = each.p95_interval
    if low is None and high is None:
        return "too few samples"
    return f"{'?' if low is None else _ms(low)} to {'?' if high is None else _ms(high)}"


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"  # noqa: PLR2004 - three digits are enough


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    if minutes < 2:  # noqa: PLR2004 - one minute
        return f"{seconds:.0f} s"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"
