"""Say which tools of a server are not those that were expected, and how they differ."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scaffolder.hashing import DEFINITION, HashError, canonical
from scaffolder.quoting import quote

# What a call depends on; the rest is what a model reads.
CONTRACT = "inputSchema"

SHOWN = 60

EXPECTS = "expected is"

Tool = Mapping[str, Any]


class Kind(StrEnum):
    """What happened at a place of a tool."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One place where a tool differs; JSON values before and after, None where it is not there."""

    tool: str
    kind: Kind
    path: str
    """As JSONPath, from the tool's definition."""
    before: Any = None
    after: Any = None

    @property
    def contract(self) -> bool:
        """Whether it changes how the tool is called, and not only what is said about it."""
        return self.path.startswith(f"$.{CONTRACT}") or self.path == "$"

    def said(self, expects: str) -> str:
        """Say what either side has, short enough for a line; neither need be the one that is old."""
        path = f"`{quote(self.path)}`"
        match self.kind:
            case Kind.ADDED:
                return f"{expects} no {path}, the server has {_shown(self.after)}"
            case Kind.REMOVED:
                return f"{expects} {path} {_shown(self.before)}, the server has none"
            case Kind.CHANGED:
                return f"{expects} {path} {_shown(self.before)}, the server has {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Drift:
    """All that differs between the tools that are expected and those that a server lists."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    """Names that are listed more than once."""
    changed: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.added or self.removed or self.repeated or self.changed)

    @property
    def contract(self) -> bool:
        """Whether any call is concerned, and not only descriptions."""
        tools = self.added or self.removed or self.repeated
        return bool(tools) or any(change.contract for change in self.changed)

    def lines(self, expects: str = EXPECTS) -> Iterator[str]:
        """Say everything, a line each; `expects` is who expects what a server should list, and the verb."""
        yield from (f"{expects} a tool `{quote(name)}`, the server lists none" for name in self.removed)
        yield from (f"{expects} no tool `{quote(name)}`, the server lists one" for name in self.added)
        yield from (f"the server lists the tool `{quote(name)}` more than once" for name in self.repeated)
        yield from (f"of the tool `{quote(each.tool)}` {each.said(expects)}" for each in self.changed)

    def sentence(self, expects: str = EXPECTS) -> str:
        """Say the gravest, and how much more there is."""
        calls = [change for change in self.changed if change.contract]
        rest = [change for change in self.changed if not change.contract]
        first, *more = Drift(self.added, self.removed, self.repeated, (*calls, *rest)).lines(expects)
        return f"{first} (and {len(more)} more)" if more else first


def drift(expected: Sequence[Tool], live: Sequence[Tool]) -> Drift:
    """Compare two lists of tools, in the form of a `tools/list` result, whatever their order."""
    before = {str(tool["name"]): tool for tool in expected}
    after = {str(tool["name"]): tool for tool in live}
    times = Counter(str(tool["name"]) for tool in live)
    return Drift(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        repeated=tuple(sorted(name for name in after if times[name] > 1)),
        changed=tuple(
            change
            for name in sorted(before.keys() & after.keys())
            for change in _tool(before[name], after[name])
        ),
    )


def _tool(before: Tool, after: Tool) -> list[Change]:
    mine, theirs = ({key: tool[key] for key in DEFINITION if key in tool} for tool in (before, after))
    name = str(before["name"])
    try:
        return list(_changes(name, "$", mine, theirs))
    except RecursionError:
        return [Change(name, Kind.CHANGED, "$")]


def _changes(tool: str, path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*before, *(key for key in after if key not in before)):
            place = path + _step(key)
            if key not in after:
                yield Change(tool, Kind.REMOVED, place, before=before[key])
            elif key not in before:
                yield Change(tool, Kind.ADDED, place, after=after[key])
            else:
                yield from _changes(tool, place, before[key], after[key])
    elif _are_structures(before, after) and len(before) == len(after):
        for index, (mine, theirs) in enumerate(zip(before, after, strict=True)):
            yield from _changes(tool, f"{path}[{index}]", mine, theirs)
    elif not _same(before, after):
        yield Change(tool, Kind.CHANGED, path, before, after)


def _are_structures(before: Any, after: Any) -> bool:
    """Tell whether two lists are worth going into: one of plain values is read as a whole."""
    both = (before, after)
    return all(isinstance(value, list | tuple) for value in both) and any(
        isinstance(item, Mapping | list | tuple) for value in both for item in value
    )


def _same(before: Any, after: Any) -> bool:
    """Tell whether a client reads two values alike, however they are printed."""
    try:
        return canonical(before) == canonical(after)
    except HashError:
        return type(before) is type(after) and bool(before == after)


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() and key.isascii() else f"[{json.dumps(key)}]"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
