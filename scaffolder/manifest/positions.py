"""The YAML of a manifest: its data as Copier would read it, and the place of every part of it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from scaffolder.diagnostics import Span

STRING = "tag:yaml.org,2002:str"
MAPPING = "tag:yaml.org,2002:map"
SEQUENCE = "tag:yaml.org,2002:seq"
MERGE = "tag:yaml.org,2002:merge"
MOST_NODES = 2_000_000
"""More than any manifest holds, but not more than a few aliases of aliases of aliases make."""

# YAML breaks lines at more characters than Python's file reading does, and at fewer than `splitlines`.
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# JSON writes 1e-7 and means a number; YAML 1.1 wants a point and a sign, and reads anything else as text.
EXPONENT = re.compile(r"([-+]?[0-9][0-9_]*)(\.[0-9_]*)?[eE]([-+])?([0-9]+)")
_ANCHOR = re.compile(r"(^|[\s,\[{])&[^\s&]", re.MULTILINE)


class _Loader(yaml.CSafeLoader):
    """Copier's loader, faster on what manifests are made of; it notices that keys were lost."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lost_keys = False
        self._tags: dict[str, str] = {}

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        """Tell the type of a plain scalar; the same few words make up most of a manifest."""
        if kind is not yaml.ScalarNode or not implicit[0]:
            return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        tag = self._tags.get(value)
        if tag is None:
            tag = self._tags[value] = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        return tag

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        self.lost_keys |= len(mapping) != len(node.value)
        return mapping

    def construct_plain(self, node: yaml.Node) -> Any:
        """Construct a tree without aliases, merges and tags of its own: three times as fast.

        Raises _NotPlainError when there is one.
        """
        if node.tag == STRING:
            return node.value
        if isinstance(node, yaml.MappingNode) and node.tag == MAPPING:
            mapping = {}
            for key, value in node.value:
                if key.tag != STRING or not isinstance(key, yaml.ScalarNode):
                    raise _NotPlainError
                mapping[key.value] = self.construct_plain(value)
            self.lost_keys |= len(mapping) != len(node.value)
            return mapping
        if isinstance(node, yaml.SequenceNode) and node.tag == SEQUENCE:
            return [self.construct_plain(item) for item in node.value]
        if not isinstance(node, yaml.ScalarNode):
            raise _NotPlainError
        return self.construct_object(node)


class _NotPlainError(Exception):
    """A tree that only PyYAML's own constructor understands."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value in the document, with its key where it stands in a mapping."""

    value: yaml.Node
    key: yaml.Node | None = None


@dataclass(frozen=True)
class Document:
    """The text of a manifest and what it says; positions are found when they are asked for."""

    file: str
    text: str
    data: Any
    suspicious: bool = False
    """Whether the text deserves a closer look, since the data may not be what the user meant."""
    tree: yaml.Node | None = None
    """The tree that the data was made from, unless that is no longer all that was written."""

    @cached_property
    def lines(self) -> list[str]:
        """The lines as YAML counts them."""
        return _LINE_BREAK.split(self.text)

    @cached_property
    def root(self) -> yaml.Node | None:
        """The tree that was written: every key, anchor and quotation mark of it."""
        node: yaml.Node | None = self.tree or yaml.compose(self.text, yaml.CSafeLoader)
        return node

    def find(self, place: tuple[str | int, ...]) -> Entry | None:
        """Find a value by the keys and indexes that lead to it, or the last part of the way there is."""
        entry = Entry(self.root) if self.root else None
        for step in place:
            inner = entry and _step(entry.value, step)
            if inner is None:
                break
            entry = inner
        return entry

    def span(self, node: yaml.Node) -> Span:
        """Give the place of a node."""
        start, end = node.start_mark, node.end_mark
        return self.between(start.line, start.column, end.line, end.column)

    def between(self, line: int, column: int, end_line: int | None = None, end_column: int = 0) -> Span:
        """Give the place between two points that are counted from zero, as YAML's marks are."""
        line = min(line, len(self.lines) - 1)
        if end_line is None:
            end_line, end_column = line, column + 1
        source = self.lines[line] if self.lines[line].strip() else None
        return Span(self.file, line + 1, column + 1, end_line + 1, end_column + 1, source)

    def nodes(self) -> Iterator[yaml.Node]:
        """Walk over every node once."""
        pending = [self.root] if self.root else []
        seen = set()
        for node in pending:  # grows while it is read
            if id(node) not in seen:
                seen.add(id(node))
                yield node
                pending.extend(children(node))


def read(file: str, text: str) -> Document:
    """Parse a text; what is wrong with it comes as the parser's own exception."""
    loader = _Loader(text)
    shares = bool(_ANCHOR.search(text))
    try:
        node = loader.get_single_node()
        data, untouched = _construct(loader, node, shares=shares) if node else (None, False)
    finally:
        loader.dispose()
    suspicious = shares or loader.lost_keys or bool(EXPONENT.search(text))
    return Document(file, text, data, suspicious, node if untouched else None)


def _construct(loader: _Loader, node: yaml.Node, *, shares: bool) -> tuple[Any, bool]:
    """Construct a document, and tell whether its tree is still what was written.

    One that may share parts of itself is left to PyYAML, which copies what is merged into the tree.
    """
    if not shares:
        with suppress(_NotPlainError):
            return loader.construct_plain(node), True
    return loader.construct_document(node), False


def children(node: yaml.Node) -> list[yaml.Node]:
    """List the nodes right inside a node."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def scalar(node: yaml.Node) -> Any:
    """Give what YAML reads a scalar as; a ValueError says that it can be read as nothing."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    finally:
        loader.dispose()


def is_recursive(root: yaml.Node) -> yaml.Node | None:
    """Find a node that holds itself, or one that aliases multiply beyond all measure."""
    sizes: dict[int, int] = {}
    above: set[int] = set()
    pending = [(root, False)]
    while pending:
        node, done = pending.pop()
        if done:
            above.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children(node))
            if sizes[id(node)] > MOST_NODES:
                return node
        elif id(node) in above:
            return node
        elif id(node) not in sizes:
            above.add(id(node))
            pending.append((node, True))
            pending.extend((child, False) for child in children(node))
    return None


def _step(node: yaml.Node, step: str | int) -> Entry | None:
    if isinstance(node, yaml.SequenceNode):
        inside = isinstance(step, int) and 0 <= step < len(node.value)
        return Entry(node.value[step]) if inside else None
    if not isinstance(node, yaml.MappingNode):
        return None
    # The last of several equal keys is the one that counts.
    for key, value in reversed(node.value):
        if key.tag == STRING and key.value == step:
            return Entry(value, key)
    for key, value in node.value:
        if key.tag == MERGE:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if found := _step(merged, step):
                    return found
    return None
