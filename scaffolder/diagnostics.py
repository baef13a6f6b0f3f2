"""Diagnostics as values: what is wrong, where, and what to do; and their plain-text form. No I/O."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

WIDEST = 110
"""Source lines wider than this are shown in part: one line of pasted JSON can hold a whole tool."""


class UserError(Exception):
    """The program cannot go on, for a reason that is the user's to mend: what it is, and what to do."""

    def __init__(self, message: str, *, help: Sequence[str] = ()) -> None:  # noqa: A002 -- what rustc and ruff call it
        """Take the message, in lower case and without a full stop, and the advice, a line each."""
        super().__init__(message)
        self.help = tuple(help)


def from_system(error: OSError) -> UserError:
    """Say what the system has refused, in its own words."""
    place = f"{error.filename}: " if error.filename else ""
    return UserError(f"{place}{(error.strerror or str(error)).lower()}")


class Severity(StrEnum):
    """How bad it is: an error stops the command, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Role(StrEnum):
    """What a piece of a rendered diagnostic is, for a console that wants to colour it."""

    SEVERITY = "severity"
    MESSAGE = "message"
    LOCATION = "location"
    GUTTER = "gutter"
    SOURCE = "source"
    MARK = "mark"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file, counted from one as editors do; the end is the column after the last."""

    file: str
    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int = 1
    source: str | None = None
    """The whole first line as the user wrote it, or None where there is nothing to show."""

    def __str__(self) -> str:
        """Give the form that terminals and editors turn into a link."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong: lower case, no full stop, names in backticks, found and allowed said."""

    code: str
    message: str
    span: Span | None = None
    label: str | None = None
    help: str | None = None
    severity: Severity = Severity.ERROR

    def as_json(self) -> dict[str, object]:
        """Give the form that `--json` prints."""
        span = self.span
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "label": self.label,
            "help": self.help,
            "location": span and {"file": span.file, "line": span.line, "column": span.column},
            "end_location": span and {"line": span.end_line, "column": span.end_column},
        }


Piece = tuple[Role, str]


def render(diagnostic: Diagnostic) -> str:
    """Print one diagnostic as plain text, without a newline at the end."""
    return "".join(text for _, text in pieces(diagnostic))


def pieces(diagnostic: Diagnostic) -> Iterator[Piece]:
    """Split the printed form into pieces by role; joined, they are what `render` gives."""
    yield Role.SEVERITY, f"{diagnostic.severity}[{diagnostic.code}]"
    yield Role.MESSAGE, f": {diagnostic.message}"
    span = diagnostic.span
    margin = " " * len(str(span.line)) if span else " "
    if span:
        yield Role.GUTTER, f"\n{margin}--> "
        yield Role.LOCATION, str(span)
        if span.source is not None:
            yield from _snippet(span, span.source, diagnostic.label, margin)
        elif diagnostic.label:
            yield Role.GUTTER, f"\n{margin} = "
            yield Role.HELP, diagnostic.label
    if diagnostic.help:
        yield Role.GUTTER, f"\n{margin} = "
        yield Role.HELP, "help: " + diagnostic.help.replace("\n", f"\n{margin}         ")


def _snippet(span: Span, source: str, label: str | None, margin: str) -> Iterator[Piece]:
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(source.rstrip())
    source, start, end = _window(source, start, max(end, start + 1))
    yield Role.GUTTER, f"\n{margin} |\n{span.line} | "
    yield Role.SOURCE, source
    yield Role.GUTTER, f"\n{margin} | "
    carets = "^" * max(_width(source[start:end]), 1)
    yield Role.MARK, " " * _width(source[:start]) + carets + (f" {label}" if label else "")


def _window(source: str, start: int, end: int) -> tuple[str, int, int]:
    """Cut a long line down to what surrounds the marked part, and move the mark with it."""
    # One column for one character, and nothing that would turn the line around or hide a part of it.
    source = "".join(
        char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in source.rstrip()
    )
    if _width(source) <= WIDEST:
        return source, start, end
    first = 0 if end < WIDEST else max(start - WIDEST // 3, 0)
    last = first + WIDEST
    before = "…" if first else ""
    after = "…" if last < len(source) else ""
    moved = first - len(before)
    return f"{before}{source[first:last]}{after}", start - moved, min(end, last) - moved


def _width(text: str) -> int:
    """Count the columns that a terminal gives the text, so that the caret stands where it should."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
