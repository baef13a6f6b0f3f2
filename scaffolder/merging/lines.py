"""How a file's lines are laid out as a whole, so that a reformatted file can be compared with its origin."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

INDENT = b"  "
"""What generated files are indented by."""

_INDENTED = re.compile(rb"[ \t]+(?=[^ \t\r\n])")
_ONE_LEVEL = re.compile(rb"  (?=[^ \t\r\n])")
_ODD = 10
"""One line in so many may be indented by no unit: inside a text of several lines, say."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The line ending, the unit of indentation, and whether the last line ends as the others do."""

    newline: bytes = b"\n"
    unit: bytes = INDENT
    final: bool = True

    def apply(self, line: bytes) -> bytes:
        """Lay a generated line out as the user's file is."""
        if self.newline != b"\n" and line.endswith(b"\n") and not line.endswith(self.newline):
            line = line[:-1] + self.newline
        return _reindent(line, INDENT, self.unit)

    def normalise(self, line: bytes) -> bytes:
        """Lay a line of the user's out as a generated file is, or leave one that does not fit in."""
        plain = line
        if self.newline != b"\n" and line.endswith(self.newline):
            plain = line[: -len(self.newline)] + b"\n"
        plain = _reindent(plain, self.unit, INDENT)
        return plain if self.apply(plain) == line else line

    def normalised(self, lines: Sequence[bytes]) -> list[bytes]:
        """Normalise the lines of a whole file."""
        if lines and not self.final:
            lines = [*lines[:-1], lines[-1] + self.newline]
        return (
            list(lines) if (self.newline, self.unit) == (b"\n", INDENT) else list(map(self.normalise, lines))
        )


def split(text: bytes) -> list[bytes]:
    """Split a text into lines, at newlines alone; joined, they are the text."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def detect(base: Sequence[bytes], mine: Sequence[bytes]) -> Layout:
    """Tell how the user's file is laid out, where it differs from the generated one as a whole."""
    final = not (base and mine and base[-1].endswith(b"\n") and not mine[-1].endswith(b"\n"))
    returns = sum(line.endswith(b"\r\n") for line in mine)
    windows = returns * 2 > sum(line.endswith(b"\n") for line in mine)
    if windows and any(line.endswith(b"\r\n") for line in base):
        windows = False
    newline = b"\r\n" if windows else b"\n"
    return Layout(newline, _unit(base, mine, newline), final)


def _unit(base: Sequence[bytes], mine: Sequence[bytes], newline: bytes) -> bytes:
    """Find the unit of indentation that brings the most lines back to what was generated."""
    known = set(base)
    indented = [line for line in mine if _INDENTED.match(line)]
    equal = _equal(Layout(newline), indented, known)
    if equal * 2 >= len(indented) or any(line[:1] == b"\t" for line in base):
        return INDENT
    if not any(_ONE_LEVEL.match(line) for line in base):
        return INDENT
    best = INDENT
    for unit in [b"\t", *(b" " * width for width in (4, 3, 8, 6, 5, 7, 1))]:
        layout = Layout(newline, unit)
        odd = sum(layout.apply(layout.normalise(line)) != line for line in indented)
        if odd * _ODD <= len(indented) and (closer := _equal(layout, indented, known)) > equal:
            best, equal = unit, closer
    return best


def _equal(layout: Layout, lines: Sequence[bytes], known: set[bytes]) -> int:
    return sum(layout.normalise(line) in known for line in lines)


def _reindent(line: bytes, old: bytes, new: bytes) -> bytes:
    """Change every unit of indentation at the beginning; what is left of it stays, as in ` * `."""
    if old == new or not line.startswith(old):
        return line
    at = len(old)
    while line.startswith(old, at):
        at += len(old)
    return new * (at // len(old)) + line[at:]
