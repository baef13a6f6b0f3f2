"""Report on a manifest: what `check` came to, and why a command cannot work on it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from scaffolder.console import (
    FAILED,
    FINE,
    FOUND,
    STYLES,
    count,
    diagnostics_as_json,
    emit,
    next_commands,
    print_diagnostics,
    result,
    say,
    styled,
)
from scaffolder.diagnostics import Diagnostic
from scaffolder.manifest import Invalid, Loaded
from scaffolder.rules.pages import Page, render


def refused(command: str, outcome: Invalid, *, as_json: bool) -> int:
    """Print all that is wrong with a manifest that a command was to work on."""
    return _invalid(command, outcome, sys.stderr, as_json=as_json)


def judged(
    path: Path,
    outcome: Loaded | Invalid,
    warnings: Sequence[Diagnostic] = (),
    *,
    strict: bool = False,
    as_json: bool,
) -> int:
    """Print what `check` came to; under `strict` a warning is a finding."""
    if isinstance(outcome, Invalid):
        return _invalid("check", outcome, sys.stdout, as_json=as_json)
    tools, targets = outcome.raw["tools"], outcome.raw["targets"]
    code = FOUND if strict and warnings else FINE
    if as_json:
        emit("check", ok=code == FINE, diagnostics=diagnostics_as_json(warnings))
        return code
    print_diagnostics(warnings, sys.stdout)
    if code == FOUND:
        result(f"Found {count(len(warnings), 'warning')}.")
    else:
        result(f"{path} is valid: {count(len(tools), 'tool')} for {', '.join(targets)}.")
    if warnings:
        next_commands([f"mcp-scaffold check --explain {warnings[0].code}"])
    return code


def explained(page: Page, *, as_json: bool) -> int:
    """Print the page of a code."""
    if as_json:
        emit("check", ok=True, page=page.as_json())
    else:
        title, separator, rest = render(page).partition("\n")
        result(styled(title, STYLES["message"], sys.stdout) + separator + rest)
    return FINE


def _invalid(command: str, outcome: Invalid, stream: IO[str], *, as_json: bool) -> int:
    code = FOUND if outcome.readable else FAILED
    if as_json:
        emit(command, ok=False, diagnostics=diagnostics_as_json(outcome.diagnostics))
        return code
    print_diagnostics(outcome.diagnostics, stream)
    (result if stream is sys.stdout else say)(f"Found {count(len(outcome.diagnostics), 'error')}.")
    return code
