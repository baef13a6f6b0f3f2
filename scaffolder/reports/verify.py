"""Report on `verify`: the steps under way, the table, and what is behind each failure."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from scaffolder.console import (
    FAILED,
    FINE,
    FOUND,
    STYLES,
    diagnostics_as_json,
    emit,
    indented,
    next_commands,
    print_diagnostics,
    result,
    say,
    styled,
    table,
)
from scaffolder.diagnostics import Diagnostic
from scaffolder.verify import Event, Outcome, Verdict

# How much of a hash is shown: enough to tell two apart.
SHORT_HASH = 19


def proven(outcomes: Sequence[Outcome], warnings: Sequence[Diagnostic] = (), *, as_json: bool) -> int:
    """Print what `verify` came to: the table, and what is behind each failure."""
    verdicts = {outcome.verdict for outcome in outcomes}
    code = FOUND if Verdict.FAILED in verdicts else FAILED if Verdict.BLOCKED in verdicts else FINE
    if as_json:
        targets = [asdict(outcome) for outcome in outcomes]
        emit("verify", ok=code == FINE, targets=targets, diagnostics=diagnostics_as_json(warnings))
        return code
    print_diagnostics(warnings, sys.stderr)
    result(_table(outcomes))
    for outcome in outcomes:
        if outcome.placeholders:
            names = ", ".join(outcome.placeholders)
            say(f"\n{outcome.target}: {names} had a placeholder; set it in the environment for the real one.")
        if outcome.failure:
            say(f"\n{styled(outcome.target, STYLES['severity'], sys.stderr)}: {outcome.failure.step}: ")
            say(indented(outcome.failure.message))
            if outcome.failure.log:
                say(f"\n  What it printed:\n{indented(outcome.failure.log)}")
            for line in outcome.failure.help:
                say(f"  = help: {line}")
    if code == FINE and not any(outcome.calls for outcome in outcomes):
        say(
            "\nNo tool was called: only those are that have `readOnlyHint: true` and, at the root of their "
            "`inputSchema`, `examples`: whole objects of arguments."
        )
    if code == FINE:
        say(f"\nDeploy: see {', '.join(f'deploy/{outcome.target}.md' for outcome in outcomes)}")
    else:
        next_commands(
            f"mcp-scaffold verify --target {o.target}" for o in outcomes if o.verdict != Verdict.PASSED
        )
    return code


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show the steps under way on a terminal, where no trace of them stays; in a log, a line each."""
    if quiet:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        yield (
            lambda event: say(f"{event.target or 'project'}: {event.step}") if event.seconds is None else None
        )
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second

    under_way: dict[str, str] = {}
    with Console(stderr=True).status("") as status:

        def show(event: Event) -> None:
            if event.seconds is None:
                under_way[event.target] = event.step
            else:
                under_way.pop(event.target, None)
            steps = (f"{target or 'project'}: {step}" for target, step in under_way.items())
            status.update(" · ".join(steps))

        yield show


def _table(outcomes: Sequence[Outcome]) -> str:
    header = ("target", "runtime", "start", "tools", "calls", "hash", "verdict")
    rows = [
        (
            outcome.target,
            outcome.runtime_version or outcome.runtime,
            "" if outcome.start_ms is None else f"{outcome.start_ms:.0f} ms",
            "" if outcome.tools is None else str(outcome.tools),
            "" if outcome.tools is None else str(outcome.calls),
            (outcome.tools_hash or "")[:SHORT_HASH],
            str(outcome.verdict),
        )
        for outcome in outcomes
    ]
    return table(header, rows)
