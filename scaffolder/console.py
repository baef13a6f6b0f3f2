"""Print: text for people, one JSON object for programs. The only module that does.

stdout is the result, stderr the story. What a command came to is put into words by the reports, which also
turn it into the exit code: 0 fine, 1 found something, 2 could not work. Little is imported here: telling that
a project is unchanged takes no longer than finding that out.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import IO, Any

    from scaffolder.diagnostics import Diagnostic

FINE, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130

# SGR parameters of the terminal (ECMA-48), by role.
STYLES: Mapping[str, str] = {
    "severity": "1;31",
    "message": "1",
    "gutter": "34",
    "mark": "31",
    "help": "36",
}
WARNING_STYLE = "1;33"
DIFF_STYLES = {"+": "32", "-": "31", "@": "36"}


def result(text: str) -> None:
    """Print the result, in one piece: what is told meanwhile may go to the same place."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """Tell the story."""
    print(text, file=sys.stderr)


def emit(command: str, *, ok: bool, **fields: Any) -> None:
    """Print the one JSON object of `--json`, tagged with its schema."""
    import json  # noqa: PLC0415 - see above

    document = {"schema": f"mcp-scaffold/{command}@1", "ok": ok, **fields}
    print(escaped(json.dumps(document, ensure_ascii=False, indent=2, default=str)))


def escaped(text: str) -> str:
    """Write JSON so that it steers no terminal that it is looked at in; it stays the same value."""
    if text.isprintable():
        return text
    # Between its strings JSON has nothing to escape but the line breaks of its layout.
    return "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in text)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def failed(command: str, message: str, advice: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Say why a command could not work, and what to do."""
    if as_json:
        emit(command, ok=False, error=message, help=list(advice))
        return FAILED
    say(f"{styled('error', STYLES['severity'], sys.stderr)}: {message}")
    for line in advice:
        say(f"  = help: {line}")
    return FAILED


def unchanged(command: str, project: str | Path, *, diff: bool = False, as_json: bool) -> int:
    """Say that there is nothing to do."""
    if as_json:
        emit(
            command,
            ok=True,
            project=project,
            written=False,
            adopted=False,
            stranger=None,
            overtaken=[],
            changes=[],
            diagnostics=[],
            **({"diff": ""} if diff else {}),
        )
    else:
        result("Nothing to do: the project is what its mcp.yaml says.")
    return FINE


def print_diagnostics(diagnostics: Sequence[Diagnostic], stream: IO[str]) -> None:
    """Print diagnostics, each with its place."""
    for diagnostic in diagnostics:
        print(_rendered(diagnostic, stream), end="\n\n", file=stream)


def diagnostics_as_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, object]]:
    """Give diagnostics the form that `--json` prints."""
    return [diagnostic.as_json() for diagnostic in diagnostics]


def next_commands(commands: Iterable[str]) -> None:
    """End with the exact commands that come next."""
    say("\nNext:\n")
    for command in commands:
        say(f"    {command}")


def _rendered(diagnostic: Diagnostic, stream: IO[str]) -> str:
    from scaffolder.diagnostics import pieces  # noqa: PLC0415

    styles = dict(STYLES)
    if diagnostic.severity == "warning":
        styles["severity"] = WARNING_STYLE
    return "".join(styled(text, styles.get(role, ""), stream) for role, text in pieces(diagnostic))


def styled(text: str, style: str, stream: IO[str]) -> str:
    """Colour a text on a terminal, unless NO_COLOR (no-color.org) or CI asks for none."""
    plain = not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("CI") or not style
    return text if plain else f"\x1b[{style}m{text}\x1b[0m"


def indented(text: str) -> str:
    """Indent a text under a heading."""
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = False) -> str:
    """Lay out a table, its header in bold; `right` is for columns of numbers."""
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    printed = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    printed[0] = styled(printed[0], STYLES["message"], sys.stdout)
    return "\n".join(printed)


def count(number: int, noun: str) -> str:
    """Count things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
