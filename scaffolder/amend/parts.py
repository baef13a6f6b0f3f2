"""How a YAML text is written: every node of it, and the characters that it takes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import yaml

COMMENT = re.compile(r"""(?<![^\s,\[\]{}"'])#[^\r\n]*""")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(?=#)")
_NULLS = {"", "~", "null", "Null", "NULL"}


class Kind(Enum):
    """What a node is."""

    MAPPING = auto()
    SEQUENCE = auto()
    SCALAR = auto()
    ALIAS = auto()


@dataclass(frozen=True, slots=True)
class Part:
    """A node as it is written, from its anchor to its last character."""

    kind: Kind
    start: int
    end: int
    inline: bool
    """Whether it is in brackets, or a scalar that is neither `|` nor `>`."""
    anchor: str | None = None
    value: str | None = None
    """The text of a scalar."""
    entries: tuple[tuple["Part", "Part"], ...] = ()
    """The keys and values of a mapping, or the items of a sequence, each twice."""

    def index(self, step: str | int) -> int | None:
        """Find an entry; the last of several equal keys is the one that counts."""
        if self.kind is Kind.SEQUENCE:
            return step if isinstance(step, int) and step < len(self.entries) else None
        found = [at for at, (key, _) in enumerate(self.entries) if key.value == step]
        return found[-1] if found else None


def parse(text: str) -> Part | None:
    """Read how a document is written; raises YAMLError."""
    events = (
        event
        for event in yaml.parse(text, Loader=yaml.CSafeLoader)
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent)
    )
    first = next(events, None)
    return _part(first, events) if first else None


def walk(part: Part) -> Iterator[Part]:
    """Give a part and all that is in it."""
    yield part
    for key, value in part.entries:
        if key is not value:
            yield key
        yield from walk(value)


def words(text: str) -> Iterator[tuple[int, str]]:
    """Give where each scalar and each comment starts, in order: `=` and a value, or `#` and so on.

    A blank stands before a comment that shares its line with more than a comma. Nulls are left out, for
    they need not be written.
    """
    root = parse(text)
    done = 0
    for part in walk(root) if root else ():
        if part.kind is not Kind.SCALAR:
            continue
        yield from _comments(text, done, part.start)
        if part.value not in _NULLS:
            yield part.start, f"={part.value}"
        if not part.inline and (header := _HEADER.search(text, part.start, part.end)):
            yield from _comments(text, header.end(), text.find("\n", header.end()))
        done = part.end
    yield from _comments(text, done, len(text))


def _comments(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for found in COMMENT.finditer(text, start, end):
        alone = not text[found.start() - column_of(text, found.start()) : found.start()].strip(" \t,")
        yield found.start(), " " * (not alone) + found[0].rstrip()


def column_of(text: str, index: int) -> int:
    """Count the characters before an index on its line."""
    return index - text.rfind("\n", 0, index) - 1


def _part(event: yaml.Event, events: Iterator[yaml.Event]) -> Part:
    start, end = _index(event.start_mark), _index(event.end_mark)
    if isinstance(event, yaml.ScalarEvent):
        return Part(Kind.SCALAR, start, end, event.style not in {"|", ">"}, event.anchor, event.value)
    if not isinstance(event, yaml.CollectionStartEvent):
        return Part(Kind.ALIAS, start, end, inline=True, anchor=getattr(event, "anchor", None))
    kind = Kind.SEQUENCE if isinstance(event, yaml.SequenceStartEvent) else Kind.MAPPING
    entries = []
    while not isinstance(inner := next(events), yaml.CollectionEndEvent):
        key = _part(inner, events)
        entries.append((key, key if kind is Kind.SEQUENCE else _part(next(events), events)))
    inline = bool(event.flow_style)
    # The parser lets a block end where the next token is, beyond what it holds.
    end = _index(inner.end_mark) if inline or not entries else entries[-1][1].end
    return Part(kind, start, end, inline, event.anchor, None, tuple(entries))


def _index(mark: Any) -> int:
    return int(mark.index)
