"""Print: text for people, one JSON object for programs. The only module that does.

stdout is the result, stderr the story. What a command came to is printed here, and turned into its
exit code: 0 fine, 1 found something, 2 could not work.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scaffolder.diagnostics import Diagnostic, Role, Severity, pieces

if TYPE_CHECKING:  # What only one command prints is not imported for the others.
    from scaffolder.manifest import Invalid, Loaded
    from scaffolder.merge import Occupied
    from scaffolder.project import Made
    from scaffolder.verify import Event, Outcome

FINE, FOUND, FAILED = 0, 1, 2

# SGR parameters of the terminal (ECMA-48), by role.
STYLES: Mapping[Role, str] = {
    Role.SEVERITY: "1;31",
    Role.MESSAGE: "1",
    Role.GUTTER: "34",
    Role.MARK: "31",
    Role.HELP: "36",
}
WARNING_STYLE = "1;33"

# How much of a hash is shown: enough to tell two apart.
SHORT_HASH = 19


def result(text: str) -> None:
    """Print the result."""
    print(text)


def say(text: str) -> None:
    """Tell the story."""
    print(text, file=sys.stderr)


def emit(command: str, *, ok: bool, **fields: Any) -> None:
    """Print the one JSON object of `--json`, tagged with its schema."""
    document = {"schema": f"mcp-scaffold/{command}@1", "ok": ok, **fields}
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def failed(command: str, message: str, advice: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Say why a command could not work, and what to do."""
    if as_json:
        emit(command, ok=False, error=message, help=list(advice))
        return FAILED
    say(f"{_styled('error', STYLES[Role.SEVERITY], sys.stderr)}: {message}")
    for line in advice:
        say(f"  = help: {line}")
    return FAILED


def made(outcome: "Made | Invalid | Occupied", *, as_json: bool) -> int:
    """Print what `new` came to."""
    from scaffolder.manifest import Invalid  # noqa: PLC0415
    from scaffolder.merge import Occupied  # noqa: PLC0415

    if isinstance(outcome, Invalid):
        return refused("new", outcome, as_json=as_json)
    if isinstance(outcome, Occupied):
        names = ", ".join(outcome.entries[:5]) + (", ..." if len(outcome.entries) > 5 else "")  # noqa: PLR2004 - enough to know the folder by
        message = f"{outcome.destination} is not empty: it holds {names}"
        return failed("new", message, ["choose another folder, or empty this one"], as_json=as_json)
    if as_json:
        document = {key: value for key, value in asdict(outcome).items() if key != "warnings"}
        emit("new", ok=True, **document, diagnostics=_as_json(outcome.warnings))
        return FINE
    _print(outcome.warnings, sys.stderr)
    where = shlex.quote(str(outcome.destination))
    result(f"Made {outcome.destination}: {outcome.files} files for {', '.join(outcome.targets)}.")
    _next([f"cd {where}", "mcp-scaffold verify", f"npm run dev:{outcome.targets[0]}"])
    return FINE


def refused(command: str, outcome: "Invalid", *, as_json: bool) -> int:
    """Print all that is wrong with a manifest that a command was to work on."""
    return _invalid(command, outcome, sys.stderr, as_json=as_json)


def judged(
    path: Path, outcome: "Loaded | Invalid", warnings: Sequence[Diagnostic] = (), *, as_json: bool
) -> int:
    """Print what `check` came to."""
    from scaffolder.manifest import Invalid  # noqa: PLC0415

    if isinstance(outcome, Invalid):
        return _invalid("check", outcome, sys.stdout, as_json=as_json)
    tools, targets = outcome.raw["tools"], outcome.raw["targets"]
    if as_json:
        emit("check", ok=True, diagnostics=_as_json(warnings))
    else:
        _print(warnings, sys.stdout)
        result(f"{path} is valid: {_count(len(tools), 'tool')} for {', '.join(targets)}.")
    return FINE


def proven(outcomes: "Sequence[Outcome]", warnings: Sequence[Diagnostic] = (), *, as_json: bool) -> int:
    """Print what `verify` came to: the table, and what is behind each failure."""
    from scaffolder.verify import Verdict  # noqa: PLC0415

    verdicts = {outcome.verdict for outcome in outcomes}
    code = FOUND if Verdict.FAILED in verdicts else FAILED if Verdict.BLOCKED in verdicts else FINE
    if as_json:
        targets = [asdict(outcome) for outcome in outcomes]
        emit("verify", ok=code == FINE, targets=targets, diagnostics=_as_json(warnings))
        return code
    _print(warnings, sys.stderr)
    result(_table(outcomes))
    for outcome in outcomes:
        if outcome.placeholders:
            names = ", ".join(outcome.placeholders)
            say(f"\n{outcome.target}: {names} had a placeholder; set it in the environment for the real one.")
        if outcome.failure:
            say(f"\n{_styled(outcome.target, STYLES[Role.SEVERITY], sys.stderr)}: {outcome.failure.step}: ")
            say(_indented(outcome.failure.message))
            if outcome.failure.log:
                say(f"\n  What it printed:\n{_indented(outcome.failure.log)}")
            for line in outcome.failure.help:
                say(f"  = help: {line}")
    if code == FINE and not any(outcome.calls for outcome in outcomes):
        say("\nNo tool was called: only those are that have `readOnlyHint: true` and `examples`.")
    if code == FINE:
        say(f"\nDeploy: see {', '.join(f'deploy/{outcome.target}.md' for outcome in outcomes)}")
    else:
        _next(f"mcp-scaffold verify --target {o.target}" for o in outcomes if o.verdict != Verdict.PASSED)
    return code


@contextmanager
def progress(*, quiet: bool) -> "Iterator[Callable[[Event], None]]":
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

        def show(event: "Event") -> None:
            if event.seconds is None:
                under_way[event.target] = event.step
            else:
                under_way.pop(event.target, None)
            steps = (f"{target or 'project'}: {step}" for target, step in under_way.items())
            status.update(" · ".join(steps))

        yield show


def _table(outcomes: "Sequence[Outcome]") -> str:
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
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    lines[0] = _styled(lines[0], STYLES[Role.MESSAGE], sys.stdout)
    return "\n".join(lines)


def _invalid(command: str, outcome: "Invalid", stream: IO[str], *, as_json: bool) -> int:
    code = FOUND if outcome.readable else FAILED
    if as_json:
        emit(command, ok=False, diagnostics=_as_json(outcome.diagnostics))
        return code
    _print(outcome.diagnostics, stream)
    print(f"Found {_count(len(outcome.diagnostics), 'error')}.", file=stream)
    return code


def _as_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, object]]:
    return [diagnostic.as_json() for diagnostic in diagnostics]


def _print(diagnostics: Sequence[Diagnostic], stream: IO[str]) -> None:
    for diagnostic in diagnostics:
        print(_rendered(diagnostic, stream), end="\n\n", file=stream)


def _next(commands: Sequence[str] | Iterator[str]) -> None:
    say("\nNext:\n")
    for command in commands:
        say(f"    {command}")


def _rendered(diagnostic: Diagnostic, stream: IO[str]) -> str:
    styles = dict(STYLES)
    if diagnostic.severity is Severity.WARNING:
        styles[Role.SEVERITY] = WARNING_STYLE
    return "".join(_styled(text, styles.get(role, ""), stream) for role, text in pieces(diagnostic))


def _styled(text: str, style: str, stream: IO[str]) -> str:
    """Colour a text on a terminal, unless NO_COLOR (no-color.org) or CI asks for none."""
    plain = not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("CI") or not style
    return text if plain else f"\x1b[{style}m{text}\x1b[0m"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
