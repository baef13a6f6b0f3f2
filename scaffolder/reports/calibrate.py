"""Report on a calibration: the samples as they come, what they are evidence of, and what was made of it."""

import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scaffolder.console import FINE, FOUND, INTERRUPTED, count, emit, result, say, table
from scaffolder.diagnostics import UserError, from_system
from scaffolder.monitoring.calibration import (
    BOUNDED,
    ENOUGH,
    ESTIMATOR,
    Calibration,
    Evidence,
    Percentiles,
    Sample,
    calibrate,
)
from scaffolder.monitoring.histogram import WARM as WARM_ANSWERS
from scaffolder.monitoring.histogram import svg, terminal
from scaffolder.monitoring.layers import printable
from scaffolder.monitoring.observing import observe, place, threshold, would_be
from scaffolder.monitoring.sampling import WARM, Failed, Measured, Pace
from scaffolder.monitoring.series import LIFETIME, Series
from scaffolder.regenerate import Regenerated
from scaffolder.reports import telling
from scaffolder.reports.project import recovered, regenerated
from scaffolder.reports.terminal import be_lenient, has_all_characters, is_drawable

NO_SUBSTITUTE = (
    "Measured on this machine, which is no substitute for the cloud: there is no network, no vendor's "
    "router, other hardware, and a process where there may be an isolate or a snapshot."
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


def demand_writable(drawing: Path) -> None:
    """Raise UserError where a drawing could not be written in the end, which may be hours away."""
    folder = drawing.absolute().parent
    if drawing.is_dir():
        raise UserError(f"{drawing} is a folder, and no file to draw in")
    if not folder.is_dir():
        raise UserError(f"{drawing}: there is no such folder")
    if not os.access(drawing if drawing.exists() else folder, os.W_OK):
        raise UserError(f"{drawing} cannot be written")


def announced(plan: Plan) -> None:
    """Say what is about to happen, and how long it takes."""
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
        takes = _duration(plan.left.seconds)
        say(f"This takes about {takes}. Other clients that call it meanwhile keep it warm.")


def calibrated(plan: Plan, measured: Generator[Measured]) -> int:
    """Take the samples, print what they came to, and write it to the manifest if that is asked for.

    Raises what `measured` raises, and UserError where the manifest is not the one any more that was measured
    for; what was kept of the measurements stays then.
    """
    be_lenient()
    taken = list(plan.kept)
    interrupted = _measured(plan, measured, taken)
    if interrupted and not taken and not plan.as_json:
        say("Nothing was measured.")
        return INTERRUPTED
    samples = [each for each in taken if isinstance(each, Sample)]
    failed = [each for each in taken if isinstance(each, Failed)]
    found = calibrate(samples, fresh=plan.local, lost=sum(each.rested for each in failed))
    if not plan.as_json:
        # Before anything can go wrong with the files.
        _print(found, failed)
    now = datetime.now(UTC)
    if plan.svg and samples:
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
        _conclude(plan, found, written, now)
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
    more = (
        "the same command"
        if rested < plan.pace.samples
        else f"`--samples {max(2 * plan.pace.samples, ENOUGH)}`"
    )
    yield f"what was measured is kept for {LIFETIME.days} days: {more} goes on with it, `--fresh` begins anew"


@contextmanager
def progress(plan: Plan) -> Iterator[Callable[[Measured], None]]:
    """Show the samples as they come: on a terminal where no trace of them stays, in a log the cold ones."""
    total = plan.left.samples
    number = 0

    def told(each: Measured) -> str:
        nonlocal number
        # A machine that slept between two requests makes more of them than were planned.
        number = min(number + each.rested, total)
        if isinstance(each, Failed):
            what = f"failed: {printable(each.reason)}"
        elif not each.rested:
            what = f"{each.latency_ms:.0f} ms right after"
        else:
            what = f"{each.latency_ms:.0f} ms {'from a fresh start' if plan.local else 'after an idle time'}"
        return f"{number}/{total}: {what}"

    def log(each: Measured) -> None:
        if each.rested and not plan.as_json:
            say(told(each))

    if plan.as_json or not is_drawable(sys.stderr):
        yield log
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second
    from rich.markup import escape  # noqa: PLC0415 - likewise

    with Console(stderr=True).status(f"0/{total}") as status:
        yield lambda each: status.update(escape(told(each)))


def _print(found: Calibration, failed: Sequence[Failed]) -> None:
    ascii_only = not has_all_characters(sys.stdout)
    width = shutil.get_terminal_size().columns
    cold, warm = found.told.cold, found.told.warm
    for line in terminal(cold, warm, width=width, ascii_only=ascii_only, other=_others(found)):
        result(line)
    result("")
    result(_table(found))
    say(f"\nEvidence: {found.told.evidence}: {found.told.because}.")
    say(f"Percentiles: {ESTIMATOR}; the interval holds the true p95 with 95 % confidence.")
    if found.cold and found.cold.p95_interval[1] is None:
        say(f"An upper end of that interval takes {BOUNDED} cold starts.")
    if failed:
        say(f"{count(len(failed), 'measurement')} failed, the last one: {printable(failed[-1].reason)}")


def _others(found: Calibration) -> str:
    """Name the samples that are no cold starts, or that may be some where nothing tells them apart."""
    return WARM_ANSWERS if found.told.evidence is not Evidence.NOTHING else "all answers"


def _table(found: Calibration) -> str:
    header = ("", "samples", "p50", "p95", "p99", "interval of p95")
    rows = [
        (name, str(each.count), _ms(each.p50), _ms(each.p95), _ms(each.p99), _interval(each))
        for name, each in (("cold", found.cold), (_others(found).removesuffix(" answers"), found.warm))
        if each
    ]
    return table(header, rows, right=True)


def _conclude(plan: Plan, found: Calibration, written: _Written, now: datetime) -> None:
    """Say which threshold holds, and why."""
    before, after = written.before, written.after
    if plan.svg:
        say(f"Drawn in {plan.svg}.")
    if found.shortfall or found.p95_ms is None:
        source = "the table's value" if before[1] == "table" else "as it was calibrated before"
        say(f"\n{plan.target}: timeout_ms stays {before[0]}, {source}: {found.shortfall}.")
        # Of a few samples nothing follows, and least of all that the idle time was too short.
        if found.told.evidence is Evidence.NOTHING and found.rested >= found.wanted:
            say(f"  = help: a longer idle time, as in `--cold-every {plan.pace.cold_every * 4:g}`")
        return
    rule = f"twice {found.p95_ms:g} ms, the p95 of {count(len(found.told.cold), 'cold start')}"
    if written.done:
        say(f"\n{plan.target}: timeout_ms {before[0]} -> {after[0]}: {rule}, rounded up to the next 50.")
    else:
        measured = would_be(plan.project, plan.target, found, now.date())
        say(f"\n{plan.target}: timeout_ms stays {before[0]}, for nothing was written.")
        say(f"What was measured comes to {measured}: {rule}, rounded up to the next 50.")
        if not plan.write:
            how = "with `--write`" if plan.local else "without `--no-write`"
            say(f"  = help: the same command {how} sets it")


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
        for name, each in (("cold starts", found.cold), (_others(found), found.warm))
        if each
    ]
    return svg(
        found.told.cold,
        found.told.warm,
        title=f"{plan.target}: latency {where}, {now:%Y-%m-%d}",
        description="; ".join([*parts, f"evidence: {found.told.evidence}"]),
        other=_others(found),
    )


def _interval(each: Percentiles) -> str:
    low, high = each.p95_interval
    if low is None:
        return "too few samples" if high is None else f"at most {_ms(high)}"
    return f"at least {_ms(low)}" if high is None else f"{_ms(low)} to {_ms(high)}"


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"  # noqa: PLR2004 - three digits are enough


def _duration(seconds: float) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{max(round(seconds), 1)} s"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
