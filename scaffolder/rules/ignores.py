"""Comments that silence a rule, as linters have them: `# mcp-scaffold: ignore[code]`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scaffolder.diagnostics import Diagnostic, Span
from scaffolder.manifest.positions import Document

_MARK = re.compile(r"mcp-scaffold:\s*ignore\b")
_COMMENT = re.compile(r"(?:^|\s)(#\s*mcp-scaffold:\s*ignore\b(?:\s*\[([^\]]*)\])?)")


@dataclass(frozen=True, slots=True)
class Comment:
    """One such comment: the codes that it names, the line that they are silenced on, and where it stands."""

    codes: tuple[str, ...]
    line: int
    span: Span


def comments(document: Document) -> Iterator[Comment]:
    """Find the comments; one that has a line to itself is about the line below."""
    if not _MARK.search(document.text):
        return
    for number, text in enumerate(document.lines):
        match = _COMMENT.search(text)
        if match:
            below = number
            while below + 1 < len(document.lines) and document.lines[below].lstrip().startswith("#"):
                below += 1
            codes = tuple(code for part in (match[2] or "").split(",") if (code := part.strip()))
            start, end = match.span(1)
            yield Comment(codes, below + 1, document.between(number, start, number, end))


def unless_ignored(document: Document, found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Leave out what a comment silences."""
    silenced = {(comment.line, code) for comment in comments(document) for code in comment.codes}
    return [one for one in found if not one.span or (one.span.line, one.code) not in silenced]
