"""Edit a YAML text in place: an entry is put in or cut out, and no other character changes.

What cannot be done that way is not done: the answer is None. Whether the result says what it should is for
the caller to check.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scaffolder.amend.brackets import joined, spans, without
from scaffolder.amend.parts import Kind, Part, column_of, parse, walk, words

Path = tuple[str | int, ...]
Span = tuple[int, int]

_COLON = re.compile(r"[ \t]*:")
_REST = re.compile(r"\s*(#.*)?")
_KEPT = re.compile(r"[|>][1-9]?\+")
_EOL = re.compile(r"[ \t]*(#.*)?(?=\n|\Z)")


@dataclass(frozen=True, slots=True)
class Writer:
    """How to write a value: in lines of its own, or as it can stand in brackets; and how deep to indent."""

    block: Callable[[Any], str]
    inline: Callable[[Any], str]
    mapping: int = 2
    offset: int = 2
    """How far the dash of an item stands to the right of the key above it."""


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of an entry, and of the comments that belong to it."""

    column: int
    alone: bool
    """Whether nothing else stands on its first line."""
    above: int
    """The last line of what stands before it."""
    first: int
    last: int


def put(text: str, path: Path, value: Any, writer: Writer) -> str | None:
    """Append an entry to a mapping or a sequence, or write another value over one on a line."""
    way = _way(text, path[:-1])
    if not way or way[-1].kind not in {Kind.MAPPING, Kind.SEQUENCE}:
        return None
    parent = way[-1]
    index = parent.index(path[-1])
    if index is not None:
        return _replaced(text, *parent.entries[index], writer.inline(value))
    entry: Any = [value] if parent.kind is Kind.SEQUENCE else {path[-1]: value}
    if not parent.inline:
        return _appended(text, parent, writer.block(entry))
    inline = writer.inline(entry)[1:-1]
    if parent.entries:
        return joined(text, parent, inline)
    opened = _opened(text, way, path, writer.block(entry), writer) if isinstance(value, dict | list) else None
    return opened or text[: parent.end - 1] + inline + text[parent.end - 1 :]


def cut(text: str, path: Path, data: Any, writer: Writer) -> str | None:
    """Remove an entry, which says `data`, with its comments; what it shares by an anchor stays elsewhere."""
    way = _way(text, path)
    if len(way) < 2:  # noqa: PLR2004 -- the parent and the entry
        return None
    parent, part = way[-2:]
    text = _handed_on(text, way[0], part, data, writer)
    index = parent.index(path[-1]) or 0
    if parent.inline:
        return without(text, parent, index)
    block = _block(text, parent, index)
    if block is None or not block.alone:
        return None
    lines = text.split("\n")
    if len(parent.entries) == 1:
        return _emptied(text, lines, way, path, block)
    first, last = block.first, block.last + 1
    if index == len(parent.entries) - 1:
        while first - 1 > block.above and not lines[first - 1].strip():
            first -= 1
    elif index == 0 or not lines[first - 1].strip():
        while not lines[last].strip():
            last += 1
    return "\n".join(lines[:first] + lines[last:])


def spares(text: str, path: Path, result: str, *, remove: bool) -> bool:
    """Tell whether an edit left every scalar and comment in its place that is not of what goes."""
    way = _way(text, path)
    spans = _belongings(text, way[-2], way[-2].index(path[-1]) or 0, remove=remove) if way[1:] else []
    kept = [word for at, word in words(text) if not any(start <= at < end for start, end in spans)]
    found = [word for _, word in words(result)]
    rest = iter(found)
    return all(word in rest for word in kept) and _remarks(found) == _remarks(kept)


def _remarks(words: Iterable[str]) -> list[str]:
    return [word for word in words if not word.startswith("=")]


def _belongings(text: str, parent: Part, index: int, *, remove: bool) -> list[Span]:
    """Find what goes with an entry, or with its value."""
    key, value = parent.entries[index]
    if not remove:
        colon = None if value.inline else _COLON.match(text, key.end)
        return [_hung(text, colon.end(), value) if colon else (value.start, value.end)]
    if parent.inline:
        return spans(text, parent, index)
    block = _block(text, parent, index)
    if block is None or not block.alone:
        rest = _EOL.match(text, value.end)
        return [(key.start, rest.end() if rest else value.end)]
    ends = [-1, *(found.start() for found in re.finditer("\n", text)), len(text)]
    return [(ends[block.first] + 1, ends[block.last + 1])]


def _way(text: str, path: Path) -> list[Part]:
    """Follow a path, and give every part on it; none if it leads nowhere."""
    root = parse(text)
    way = [root] if root else []
    for step in path:
        index = way[-1].index(step) if way else None
        if index is None:
            return []
        way.append(way[-1].entries[index][1])
    return way


def _block(text: str, parent: Part, index: int) -> _Block | None:
    """Find the lines of an entry: comments right above it are its own, and those indented deeper below it."""
    key, value = parent.entries[index]
    start = key.start
    if parent.kind is Kind.SEQUENCE:
        start = len(text[:start].rstrip()) - 1
        if text[start] != "-":
            return None
    column = column_of(text, start)
    alone = not text[start - column : start].strip(" ")
    lines = text.split("\n")
    above = _last_line(text, parent.entries[index - 1][1]) if index else -1
    first, last = _line(text, start), _last_line(text, value)
    while first - 1 > above and 0 <= _comment(lines[first - 1]) <= column:
        first -= 1
    for following in range(last + 1, len(lines)):
        if _comment(lines[following]) > column:
            last = following
        elif lines[following].strip():
            break
    return _Block(column, alone, above, first, last)


def _comment(line: str) -> int:
    """Tell the column of a comment that has a line to itself."""
    bare = line.lstrip(" ")
    return len(line) - len(bare) if bare.startswith("#") else -1


def _line(text: str, index: int) -> int:
    return text.count("\n", 0, index)


def _last_line(text: str, part: Part) -> int:
    """Find the line on which a part ends, without the blank lines below it unless they belong to a text."""
    while part.entries and not part.inline:
        part = part.entries[-1][1]
    kept = not part.inline and _KEPT.match(text, part.start)
    end = part.end if kept else _trimmed(text, part)
    return _line(text, max(end - 1, part.start))


def _trimmed(text: str, part: Part) -> int:
    return part.start + len(text[part.start : part.end].rstrip())


def _appended(text: str, parent: Part, fragment: str) -> str | None:
    """Put lines below the last entry, and a blank line in between where the others have one."""
    block = _block(text, parent, len(parent.entries) - 1)
    if block is None:
        return None
    lines = text.split("\n")
    apart = len(parent.entries) > 1 and not lines[block.first - 1].strip()
    new = [""] * apart + _indented(fragment, block.column)
    return "\n".join(lines[: block.last + 1] + new + lines[block.last + 1 :])


def _indented(fragment: str, column: int) -> list[str]:
    return [" " * column + line if line else line for line in fragment.split("\n")]


def _replaced(text: str, key: Part, part: Part, inline: str) -> str | None:
    if part.inline:
        return text[: part.start] + " " * (part.start == part.end) + inline + text[part.end :]
    colon = _COLON.match(text, key.end)
    if colon is None:
        return None
    start, end = _hung(text, colon.end(), part)
    return f"{text[: colon.end()]} {inline}{text[colon.end() : start]}{text[end:]}"


def _hung(text: str, colon: int, part: Part) -> Span:
    """Find the lines of a value, without the comment behind the colon above it."""
    end = _trimmed(text, part)
    own, last = _EOL.match(text, colon), _EOL.match(text, end)
    return own.end() if own else colon, last.end() if last else end


def _opened(text: str, way: list[Part], path: Path, fragment: str, writer: Writer) -> str | None:
    """Turn empty brackets behind a key into a block below it."""
    if len(path) < 2 or way[-2].inline or way[-2].kind is not Kind.MAPPING:  # noqa: PLR2004 -- likewise
        return None
    part, key = way[-1], way[-2].entries[way[-2].index(path[-2]) or 0][0]
    stop = text.find("\n", part.end)
    stop = len(text) if stop < 0 else stop
    rest = text[part.end : stop]
    if not _COLON.fullmatch(text[key.end : part.start].rstrip(" ")) or not _REST.fullmatch(rest):
        return None
    column = column_of(text, key.start)
    column += writer.offset if part.kind is Kind.SEQUENCE else writer.mapping
    head = text[: part.start].rstrip(" ") + rest
    return "\n".join([head, *_indented(fragment, column)]) + text[stop:]


def _emptied(text: str, lines: list[str], way: list[Part], path: Path, block: _Block) -> str | None:
    """Leave empty brackets behind the key of a sequence whose only item goes."""
    if way[-2].kind is not Kind.SEQUENCE or len(path) < 2 or way[-3].kind is not Kind.MAPPING:  # noqa: PLR2004 -- likewise
        return None
    key = way[-3].entries[way[-3].index(path[-2]) or 0][0]
    at = _line(text, key.end)
    colon = _COLON.match(lines[at], column_of(text, key.end))
    if colon is None or not _REST.fullmatch(lines[at], colon.end()) or at >= block.first:
        return None
    lines[at] = f"{lines[at][: colon.end()]} []{lines[at][colon.end() :]}"
    return "\n".join(lines[: block.first] + lines[block.last + 1 :])


def _handed_on(text: str, root: Part, part: Part, data: Any, writer: Writer) -> str:
    """Write what is anchored in a part at its first alias below, so that the part can go."""
    values = dict(_anchored(part, data))
    aliases: dict[str, Part] = {}
    for other in walk(root):
        if other.kind is Kind.ALIAS and other.anchor in values and other.start >= part.end:
            aliases.setdefault(other.anchor, other)
    for name, alias in sorted(aliases.items(), key=lambda item: -item[1].start):
        text = f"{text[: alias.start]}&{name} {writer.inline(values[name])}{text[alias.end :]}"
    return text


def _anchored(part: Part, data: Any) -> Iterator[tuple[str, Any]]:
    if part.anchor and part.kind is not Kind.ALIAS:
        yield part.anchor, data
    for index, (key, value) in enumerate(part.entries):
        step = index if part.kind is Kind.SEQUENCE else key.value
        if part.kind is Kind.SEQUENCE or (isinstance(data, dict) and step in data):
            yield from _anchored(value, data[step])
