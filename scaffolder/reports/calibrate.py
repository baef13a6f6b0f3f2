"""Report on a calibration: the samples as they come, what they are evidence of, and what was made of it."""

import io
import math
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scaffolder.console import FINE, FOUND, STYLES, count, emit, result, say, styled
from scaffolder.diagnostics import UserError, from_system
from scaffolder.monitoring.calibration import (
    BOUNDED,
    ESTIMATOR,
    Calibration,
    Evidence,
    Percentiles,
    Sample,
    calibrate,
)
from scaffolder.monitoring.histogram import svg, terminal
from scaffolder.monitoring.observing import observe, place, stays, threshold
from scaffolder.monitoring.sampling import WARM, Failed, Measured, Pace
from scaffolder.monitoring.series import LIFETIME, Series
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
    url: str | None = None
    """Where a server runs that is not started for this."""
    series: Series | None = None
    """What was and will be kept of its measurements."""

    @property
    def kept(self) -> tuple[Measured, ...]:
        """What earlier runs have measured."""
        return self.series.kept if self.series else ()

    @property
    def left(self) -> Pace:
        """What has yet to be measured."""
        rested = sum(isinstance(each, Sample) and each.rested for each in self.kept)
        return replace(self.pace, samples=max(self.pace.samples - rested, 0))


def announced(plan: Plan) -> None:
    """Say what is about to happen, and how long it takes.

    Raises UserError where the drawing could not be written in the end.
    """
    if plan.svg and not plan.svg.absolute().parent.is_dir():
        raise UserError(f"{plan.svg}: there is no such folder")
    if plan.as_json:
        return
    if plan.series and plan.series.failure:
        why = from_system(plan.series.failure)
        say(f"What is measured cannot be kept, and an interruption loses it: {why}.")
    if plan.series and plan.series.replaced:
        say("What was measured earlier was another deployment, and does not count.")
    if plan.series and plan.series.since:
        taken = plan.pace.samples - plan.left.samples
        say(
            f"{plan.target}: {taken} of {plan.pace.samples} were measured earlier, since "
            f"{plan.series.since.astimezone():%Y-%m-%d %H:%M}, and count; `--fresh` begins anew."
        )
    if not plan.left.samples:
        return
    number = plan.left.samples
    each = (
        count(number, "fresh start")
        if plan.local
        else f"{count(number, 'time')} after {plan.pace.cold_every:g} s without a request"
    )
    say(f"{plan.target}: {each}, and {WARM} answers right after each.")
    if plan.local:
        say(NO_SUBSTITUTE)
    else:
        if stays(plan.project, plan.target):
            say("One process serves it while it is up: only restarts are cold, and `--local` measures those.")
        say(f"This takes {_duration(plan.left.seconds)}. Other clients that call it meanwhile keep it warm.")


def calibrated(plan: Plan, measured: Generator[Measured]) -> int:
    """Take the samples, print what they came to, and write it to the manifest if that is asked for.

    Raises what `measured` raises, and UserError where the manifest is not the one any more that was measured
    for; what was kept of the measurements stays then.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a server says may hold any character, and a locale may have no byte for it.
        sys.stdout.reconfigure(errors="replace")
    taken = list(plan.kept)
    interrupted = _measured(plan, measured, taken)
    samples = [each for each in taken if isinstance(each, Sample)]
    failed = [each for each in taken if isinstance(each, Failed)]
    found = calibrate(samples, fresh=plan.local, lost=sum(each.rested for each in failed))
    if not plan.as_json:
        # Before anything can go wrong with the files.
        _print(found, failed)
    now = datetime.now(UTC)
    if plan.svg:
        plan.svg.write_text(_drawn(plan, found, now), encoding="utf-8")
    written = _written(plan, found, now, interrupted=interrupted)
    code = FINE if found.p95_ms is not None and not (written.done and written.done.in_trouble) else FOUND
    if plan.as_json:
        emit(
            "calibrate",
            ok=code == FINE and not interrupted,
            **_document(plan, found, written.done),
            timeout_ms={"before": written.before[0], "after": written.after[0]},
            failures=[each.reason for each in failed],
        )
    else:
        _conclude(plan, found, written)
        if written.done:
            say("")
            regenerated("calibrate", written.done, as_json=False)
        for line in [] if written.done else _going_on(plan, taken):
            say(f"  = help: {line}")
    return INTERRUPTED if interrupted else code


def _measured(plan: Plan, measured: Generator[Measured], taken: list[Measured]) -> bool:
    """Take the samples, and tell whether that was interrupted: what was measured in hours is worth a look."""
    with progress(plan) as show, closing(measured):
        try:
            for each in measured:
                taken.append(each)
                if plan.series:
                    plan.series.add(each, datetime.now(UTC))
                show(each)
        except KeyboardInterrupt:
            return True
        except UserError as error:
            raise UserError(str(error), help=[*error.help, *_going_on(plan, taken)]) from error
    return False


@dataclass(frozen=True, slots=True)
class _Written:
    """What became of the manifest, and the threshold before and after, each with what it comes of."""

    before: tuple[int, Any]
    after: tuple[int, Any]
    done: Regenerated | None


def _written(plan: Plan, found: Calibration, now: datetime, *, interrupted: bool) -> _Written:
    """Write what was found to the manifest, if it may be and there is something."""
    before = threshold(plan.project, plan.target)
    if not plan.write or interrupted or found.p95_ms is None:
        return _Written(before, before, None)
    if plan.url is not None and place(plan.project, plan.target) != plan.url:
        raise UserError(f"{plan.target} has another URL by now than {plan.url}, which was measured")
    done = observe(plan.project, plan.target, found, now.date(), recovered)
    if plan.series:
        plan.series.discard()
    return _Written(before, threshold(plan.project, plan.target), done)


def _going_on(plan: Plan, taken: Sequence[Measured]) -> Iterator[str]:
    """Say what becomes of the measurements that have not come to a threshold yet."""
    if plan.series is None or not taken:
        return
    if plan.series.failure is not None:
        yield f"what was measured could not be kept: {from_system(plan.series.failure)}"
        return
    rested = sum(isinstance(each, Sample) and each.rested for each in taken)
    more = "the same command" if rested < plan.pace.samples else f"`--samples {2 * plan.pace.samples}`"
    yield f"what was measured is kept for {LIFETIME.days} days: {more} goes on with it, `--fresh` begins anew"


@contextmanager
def progress(plan: Plan) -> Iterator[Callable[[Measured], None]]:
    """Show the samples as they come: on a terminal where no trace of them stays, in a log a line each."""
    total = plan.left.samples * (1 + WARM)
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

    # Where nothing can be drawn over, a line says that it goes on.
    if plan.as_json or not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        yield lambda each: None if plan.as_json else say(told(each))
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second
    from rich.markup import escape  # noqa: PLC0415 - likewise

    with Console(stderr=True).status(f"0/{total}") as status:
        yield lambda each: status.update(escape(told(each)))


def _print(found: Calibration, failed: Sequence[Failed]) -> None:
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    width = shutil.get_terminal_size().columns
    for line in terminal(found.told.cold, found.told.warm, width=width, ascii_only=ascii_only):
        result(line)
    result("")
    result(_table(found))
    say(f"\nEvidence: {found.told.evidence}: {found.told.because}.")
    say(f"Percentiles: {ESTIMATOR}; the interval holds the true p95 with 95 % confidence.")
    if found.cold and found.cold.p95_interval[1] is None:
        say(f"How high it may be at most takes {BOUNDED} cold starts to say.")
    if failed:
        say(f"{count(len(failed), 'measurement')} failed, the last one: {failed[-1].reason}")


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


def _conclude(plan: Plan, found: Calibration, written: _Written) -> None:
    """Say which threshold holds, and why."""
    before, after = written.before, written.after
    if plan.svg:
        say(f"Drawn in {plan.svg}.")
    if found.shortfall or found.p95_ms is None:
        source = "the table's value" if before[1] == "table" else "as it was calibrated before"
        say(f"\n{plan.target}: timeout_ms stays {before[0]}, {source}: {found.shortfall}.")
        if found.told.evidence is Evidence.NOTHING and not plan.local:
            say(f"  = help: a longer idle time, as in `--cold-every {plan.pace.cold_every * 4:g}`")
        return
    rule = f"twice {found.p95_ms:g} ms, the p95 of {count(len(found.told.cold), 'cold start')}"
    if written.done:
        say(f"\n{plan.target}: timeout_ms {before[0]} -> {after[0]}: {rule}, rounded up.")
    else:
        say(f"\n{plan.target}: timeout_ms would be {rule}; nothing was written.")


def _document(plan: Plan, found: Calibration, done: Regenerated | None) -> dict[str, Any]:
    return {
        "project": plan.project,
        "target": plan.target,
        "local": plan.local,
        **({"note": NO_SUBSTITUTE} if plan.local else {}),
        "kept": {
            "samples": len(plan.kept),
            "since": plan.series.since.isoformat() if plan.series and plan.series.since else None,
        },
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
