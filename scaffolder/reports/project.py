"""Report on a project: that it was made, or what a regeneration did to it."""

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.baseline import FOLDER
from scaffolder.console import (
    DIFF_STYLES,
    FINE,
    FOUND,
    STYLES,
    count,
    diagnostics_as_json,
    emit,
    failed,
    next_commands,
    print_diagnostics,
    result,
    say,
    styled,
    unchanged,
)
from scaffolder.diagnostics import UserError

if TYPE_CHECKING:  # What only one report tells of is not imported for the others.
    from collections.abc import Callable

    from scaffolder.journal import Outcome as Recovery
    from scaffolder.manifest import Invalid
    from scaffolder.project import Made
    from scaffolder.regenerate import Regenerated
    from scaffolder.watch import Result
    from scaffolder.writing import Occupied


def made(outcome: "Made | Invalid | Occupied", *, as_json: bool) -> int:
    """Print what `new` came to."""
    from scaffolder.manifest import Invalid  # noqa: PLC0415
    from scaffolder.writing import Occupied  # noqa: PLC0415

    if isinstance(outcome, Invalid):
        from scaffolder.reports.manifest import refused  # noqa: PLC0415

        return refused("new", outcome, as_json=as_json)
    if isinstance(outcome, Occupied):
        names = ", ".join(outcome.entries[:5]) + (", ..." if len(outcome.entries) > 5 else "")  # noqa: PLR2004 - enough to know the folder by
        message = f"{outcome.destination} is not empty: it holds {names}"
        advice = ["choose another folder, or empty this one"]
        if FOLDER in outcome.entries:
            advice.append(
                f"to bring the project in it up to date: {_command('regenerate', outcome.destination)}"
            )
        return failed("new", message, advice, as_json=as_json)
    if as_json:
        document = {key: value for key, value in asdict(outcome).items() if key != "warnings"}
        emit("new", ok=True, **document, diagnostics=diagnostics_as_json(outcome.warnings))
        return FINE
    print_diagnostics(outcome.warnings, sys.stderr)
    where = shlex.quote(str(outcome.destination))
    result(f"Made {outcome.destination}: {outcome.files} files for {', '.join(outcome.targets)}.")
    next_commands([f"cd {where}", "mcp-scaffold verify", f"npm run dev:{outcome.targets[0]}"])
    return FINE


def regenerated(
    command: str,
    outcome: "Regenerated | Invalid",
    *,
    strict: bool = False,
    diff: bool = False,
    as_json: bool,
) -> int:
    """Print what a regeneration came to; with `strict`, having something to do is having found something."""
    from scaffolder.manifest import Invalid  # noqa: PLC0415
    from scaffolder.reports import telling  # noqa: PLC0415

    if isinstance(outcome, Invalid):
        from scaffolder.reports.manifest import refused  # noqa: PLC0415

        return refused(command, outcome, as_json=as_json)
    code = FOUND if outcome.in_trouble or (strict and outcome.differs) else FINE
    if as_json:
        changes = [telling.as_json(change) for change in outcome.changes]
        document = {key: getattr(outcome, key) for key in ("written", "adopted", "stranger", "overtaken")}
        diagnostics = diagnostics_as_json(outcome.warnings)
        patch = {"diff": "\n".join(telling.diff(outcome.changes))} if diff else {}
        emit(
            command,
            ok=code == FINE,
            project=outcome.project,
            **document,
            changes=changes,
            diagnostics=diagnostics,
            **patch,
        )
        return code
    if not outcome.differs and not outcome.overtaken:
        if outcome.adopted and outcome.written:
            say("Took the project over: from now on, .mcp-scaffold/baseline.json tells what was generated.")
        _remark(outcome)
        return unchanged(command, outcome.project, diff=diff, as_json=as_json)
    if diff:
        for line in telling.diff(outcome.changes):
            result(styled(line, DIFF_STYLES.get(line[:1], ""), sys.stdout))
    else:
        result(telling.listing(outcome.changes, planned=not outcome.written))
    _explain_troubles(outcome)
    if missing := telling.absent(outcome.changes):
        say(f"\n{missing}")
    if outcome.warnings:
        say(f"\n{count(len(outcome.warnings), 'warning')} about mcp.yaml: `mcp-scaffold check` shows them.")
    planned = not outcome.written and not outcome.in_trouble
    next_commands([_command("regenerate", outcome.project)] if planned else _after(outcome))
    return code


def _remark(outcome: "Regenerated") -> None:
    """Tell of what is only worth a word."""
    from scaffolder.reports import telling  # noqa: PLC0415

    if kept := telling.listing(outcome.changes, planned=False):
        say(kept)
    if missing := telling.absent(outcome.changes):
        say(missing)


def _explain_troubles(outcome: "Regenerated") -> None:
    """Say what a person has to decide."""
    from scaffolder.reports import telling  # noqa: PLC0415

    label = styled("conflict", STYLES["severity"], sys.stderr)
    for paragraph in telling.troubles(outcome.changes):
        say(f"\n{label}: {paragraph}")
    for path in outcome.overtaken:
        say(f"\n{telling.overtaken(path)}")
    if outcome.stranger:
        say(f"\n{telling.stranger(outcome.stranger)}")


def _after(outcome: "Regenerated") -> list[str]:
    """Name the commands that come next."""
    besides = [(change.path, change.beside) for change in outcome.changes if change.beside]
    if besides:
        return [f"diff -u {shlex.quote(path)} {shlex.quote(beside)}" for path, beside in besides]
    touched = {change.path for change in outcome.changes if change.before != change.after}
    where = (
        "" if outcome.project.resolve() == Path.cwd() else f" --prefix {shlex.quote(str(outcome.project))}"
    )
    install = [f"npm install{where}"] if "package.json" in touched else []
    return [*install, _command("verify", outcome.project)]


def _command(name: str, project: Path) -> str:
    """Give the command line of a command for a project, from where the user is."""
    here = project.resolve() == Path.cwd()
    return f"mcp-scaffold {name}" + ("" if here else f" {shlex.quote(str(project))}")


def recovered(outcome: "Recovery") -> None:
    """Say that an interrupted run was finished or undone."""
    say("Finished a run that was interrupted." if outcome.operations else "Undid a run that was interrupted.")
    from scaffolder.reports import telling  # noqa: PLC0415

    for path in outcome.kept:
        say(telling.overtaken(path))


def follower(project: Path, *, as_json: bool) -> "Callable[[Result], None]":
    """Print each regeneration of a watched project as it happens."""

    def show(outcome: "Result") -> None:
        if outcome is None:
            unchanged("regenerate", project, as_json=as_json)
        elif isinstance(outcome, UserError):
            failed("regenerate", str(outcome), outcome.help, as_json=as_json)
        else:
            regenerated("regenerate", outcome, as_json=as_json)
        say(f"\nWatching {project / 'mcp.yaml'}; stop with Ctrl-C.")
        sys.stdout.flush()

    return show
