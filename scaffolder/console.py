"""Print: text for people, one JSON object for programs. The only module that does.

stdout is the result, stderr the story.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

from scaffolder.diagnostics import Diagnostic, Role, Severity, pieces

# SGR parameters of the terminal (ECMA-48), by role; severities override their own.
STYLES = {
    Role.SEVERITY: "1;31",
    Role.MESSAGE: "1",
    Role.GUTTER: "34",
    Role.LOCATION: "",
    Role.SOURCE: "",
    Role.MARK: "31",
    Role.HELP: "36",
}


def emit(command: str, *, ok: bool, **result: Any) -> None:
    """Print the one JSON object of `--json`, tagged with its schema."""
    document = {"schema": f"mcp-scaffold/{command}@1", "ok": ok, **result}
    print(json.dumps(document, ensure_ascii=False, indent=2))


def show(found: Sequence[Diagnostic], stream: IO[str] | None = None) -> None:
    """Print diagnostics for a person, and how many there are."""
    stream = stream or sys.stdout
    coloured = takes_colour(stream)
    for diagnostic in found:
        print(_coloured(diagnostic) if coloured else _plain(diagnostic), file=stream, end="\n\n")
    print(_count(found), file=stream)


def say(text: str) -> None:
    """Tell the story: on stderr, so that a pipe gets the result alone."""
    print(text, file=sys.stderr)


def result(text: str) -> None:
    """Print the result."""
    print(text)


def fail(message: str, advice: str = "") -> None:
    """Say why the program cannot go on, and what to do."""
    style = ("\x1b[1;31m", "\x1b[0m") if takes_colour(sys.stderr) else ("", "")
    say(f"{style[0]}error{style[1]}: {message}")
    if advice:
        say(f"  = help: {advice}")


def next_commands(commands: Iterable[str]) -> None:
    """End with what to type next."""
    say("\nNext:\n")
    for command in commands:
        say(f"    {command}")


def takes_colour(stream: IO[str]) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR (no-color.org) or CI is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and not os.environ.get("CI")


def _plain(diagnostic: Diagnostic) -> str:
    return "".join(text for _, text in pieces(diagnostic))


def _coloured(diagnostic: Diagnostic) -> str:
    warning = diagnostic.severity is Severity.WARNING
    return "".join(
        f"\x1b[{style}m{text}\x1b[0m" if style else text
        for role, text in pieces(diagnostic)
        for style in ["1;33" if warning and role is Role.SEVERITY else STYLES[role]]
    )


def _count(found: Sequence[Diagnostic]) -> str:
    errors = sum(1 for diagnostic in found if diagnostic.severity is Severity.ERROR)
    warnings = len(found) - errors
    parts = [
        f"{number} {word}{'s' if number > 1 else ''}"
        for number, word in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    return f"Found {' and '.join(parts)}." if parts else "Found nothing."
