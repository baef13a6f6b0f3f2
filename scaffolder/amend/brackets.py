"""Entries in brackets, which share their lines with others: where each is, and what goes with it."""

import re

from scaffolder.amend.parts import COMMENT, Part, column_of

Span = tuple[int, int]

_BRACKET = re.compile(r"[\[{]")
_ABOVE = re.compile(r"(?:\n[ \t]*#.*)*\n[ \t,]*\Z")
_TAIL = re.compile(r"[ \t]*(,?)[ \t]*(?:#.*)?\n")

# NUL cannot stand in YAML: it marks what goes until the blanks around it are seen to.
_LINES = re.compile(r"^((?:[ \t\r]*\n)*)(?:[ \t]*\0[ \t\r\0]*\n)+((?:[ \t\r]*\n)*)", re.MULTILINE)
_BEFORE_AN_END = re.compile(r"(?<=\S)[ \t]*\0(?:[ \t]*\0)*(?=[ \t]*[\]}\r\n#])")
_WITHIN = re.compile(r"\0[ \t\0]*")


def joined(text: str, parent: Part, inline: str) -> str:
    """Put an entry behind the last one in brackets, on a line of its own if that one has its own."""
    key, value = parent.entries[-1]
    margin = text[key.start - column_of(text, key.start) : key.start]
    tail = _TAIL.match(text, value.end)
    if tail and not margin.strip():
        line = f"{tail[0]}{margin}{inline}{tail[1]}\n"
        return text[: value.end] + "," * (not tail[1]) + line + text[tail.end() :]
    between = text[parent.entries[-2][1].end : key.start] if parent.entries[1:] else ""
    separator = between if between.strip() == "," else ", "
    return text[: value.end] + separator + inline + text[value.end :]


def without(text: str, parent: Part, index: int) -> str | None:
    """Remove an entry in brackets, and the lines and blanks that nothing needs any more."""
    first, last = index == 0, index == len(parent.entries) - 1
    gone = spans(text, parent, index)
    for start, end in sorted(gone, reverse=True):
        text = f"{text[:start]}\0{text[end:]}"
    text = _LINES.sub(lambda blank: blank[2] if last else blank[1] if first else blank[1] or blank[2], text)
    return _WITHIN.sub("", _BEFORE_AN_END.sub("", text)) if gone else None


def spans(text: str, parent: Part, index: int) -> list[Span]:
    """Find what goes with an entry in brackets: a comma, the comment on its line, those right above it."""
    key, value = parent.entries[index]
    bracket = _BRACKET.search(text, parent.start, key.start)
    if bracket is None:  # a pair among the items of a sequence
        return []
    start, end = key.start, key.start + len(text[key.start : value.end].rstrip())
    lower = parent.entries[index - 1][1].end if index else bracket.end()
    last = index == len(parent.entries) - 1
    upper = parent.end - 1 if last else parent.entries[index + 1][0].start
    before, after = _bare(text[lower:start]), _bare(text[end:upper])
    above = _ABOVE.search(text[lower:start])
    # Comments around a line are about all that is on it.
    own = lower + above.start() if above and (last or "\n" in text[start:upper]) else start
    line = end + len(text[end:upper].partition("\n")[0]) if not index or "\n" in text[lower:end] else end
    found = [match.span() for match in COMMENT.finditer(text, lower, start)]
    found += [match.span() for match in COMMENT.finditer(text, end, upper)]
    comments = [span for span in found if own <= span[0] < line]
    if last and not index and comments == found:
        return [(lower, upper)]
    comma, trailing = before.rfind(","), after.find(",")
    if trailing >= 0 and (comma < 0 or "\n" not in after[:trailing]):
        return [*comments, (start, end), (end + trailing, end + trailing + 1)]
    if comma >= 0 and before == text[lower:start]:
        return [*comments, (lower, end)]
    return [*comments, (start, end), *([(lower + comma, lower + comma + 1)] if comma >= 0 else [])]


def _bare(text: str) -> str:
    """Blank out the comments between two entries."""
    return COMMENT.sub(lambda comment: " " * len(comment[0]), text)
