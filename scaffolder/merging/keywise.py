"""Merge two versions of a JSON file value by value, and leave every byte that nobody changed."""

import json
import operator
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import Any

from scaffolder.merging.jsonc import JsoncError, Plain
from scaffolder.merging.layout import (
    Container,
    Item,
    Leaf,
    Printed,
    Rows,
    Style,
    Tree,
    broken,
    comments,
    filled,
    label,
    last_line,
    on_lines,
    on_one_line,
    read,
    reindent,
    render,
    rows_of,
    style_of,
    wider,
)
from scaffolder.merging.three_way import Conflict, Merge

_PLAIN_KEY = re.compile(r'[^\s."\[\]]+')


@dataclass(frozen=True, slots=True)
class _Element:
    """What tells an element of an array apart from the others."""

    kind: str
    value: Plain


_Key = str | _Element


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a value stands in the user's file."""

    path: str
    """Its keys, without the elements of arrays on the way."""
    shown: str
    """The same with the elements, as a person writes it."""
    indent: str
    """The indentation of the line that it starts on."""
    flat: bool
    """Whether what it stands in is on one line."""

    def inside(self, item: Item, key: _Key, *, flat: bool) -> "_Spot":
        """Return the spot of an item in the container here."""
        indent = last_line(item.gap) if broken(item.gap) else self.indent
        if isinstance(key, _Element):
            return _Spot(self.path, f"{self.shown}[{_quoted(key.value)}]", indent, flat)
        path = f"{self.path}.{key}" if self.path else key
        if _PLAIN_KEY.fullmatch(key) and key.isprintable():
            shown = f"{self.shown}.{key}" if self.shown else key
        else:
            shown = f"{self.shown}[{_quoted(key)}]"
        return _Spot(path, shown, indent, flat)


def merge_keys(
    base: bytes | None, mine: bytes, theirs: bytes, identity: Mapping[str, str] = MappingProxyType({})
) -> Merge:
    """Bring what changed from base to theirs into mine.

    `identity` tells by which key the objects in an array are told apart; the array is given by its
    keys, joined with dots. Raises JsoncError when `mine` cannot be read.
    """
    if base == mine:
        return Merge(theirs, theirs)
    before, root, now = _generated(base), read(mine), read(theirs)
    merging = _Merging(identity, style_of(root), style_of(now))
    merged = merging.both(_Spot("", "", "", flat=False), before, root, now, noted=True)
    content, ours = (render(merged, theirs=side).encode() for side in (False, True))
    return Merge(content, ours, tuple(merging.conflicts), tuple(merging.kept))


def _generated(base: bytes | None) -> Item | None:
    try:
        return None if base is None else read(base)
    except JsoncError:
        return None


@dataclass(frozen=True, slots=True)
class _Merging:
    """One merge of one file, and what it found so far."""

    identity: Mapping[str, str]
    style: Style
    generated: Style
    conflicts: list[Conflict] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def item(
        self, spot: _Spot, base: Item | None, mine: Item, theirs: Item | None, *, noted: bool
    ) -> Item | None:
        """Merge an item that the user has; None to remove it."""
        if theirs is not None:
            return self.both(spot, base, mine, theirs, noted=noted)
        return mine if base is None else self.dropped(spot, base, mine)

    def both(self, spot: _Spot, base: Item | None, mine: Item, theirs: Item, *, noted: bool) -> Item:
        """Merge an item that is there on both sides."""
        value = self.value(spot, base.value if base else None, mine.value, theirs.value) or mine.value
        if not noted:
            return _changed(mine, mine.notes, value)
        return _changed(mine, self.notes(spot, base.notes if base else "", mine.notes, theirs.notes), value)

    def dropped(self, spot: _Spot, base: Item, mine: Item) -> Item | None:
        """Take out of an item that is no longer generated what the user left as it was."""
        # An element without the part that tells it apart would be worthless: it stays or goes whole.
        take = self.atom if mine.key is None else self.value
        rest = take(spot, base.value, mine.value, None)
        if rest is mine.value:
            return mine
        if rest is not None:
            return _changed(mine, self.notes(spot, base.notes, mine.notes, ""), rest)
        if _added_comments(base, mine):
            self.kept.append(spot.shown)
            return mine
        return None

    def notes(self, spot: _Spot, base: str, mine: str, theirs: str) -> str:
        """Merge the comments above an item; the user's win."""
        was, has, gets = comments(base), comments(mine), comments(theirs)
        if gets in (was, has) or has != was:
            return mine
        new = reindent(theirs, self.generated, self.style, spot.indent)
        ending = mine[len(mine.rstrip()) :]
        return new.rstrip() + ending if gets and broken(ending) else new

    def value(self, spot: _Spot, base: Tree | None, mine: Tree, theirs: Tree | None) -> Tree | None:
        """Merge a value, no longer generated if theirs is None; None if nothing of the user's is in it."""
        if isinstance(mine, Container):
            was, now = _alike(base, mine), _alike(theirs, mine)
            sides = [side for side in (was, now) if side]
            if (was if theirs is None else now) and all(self.has_keys(spot, side) for side in sides):
                return self.items(spot, was, mine, now)
        return self.atom(spot, base, mine, theirs)

    def atom(self, spot: _Spot, base: Tree | None, mine: Tree, theirs: Tree | None) -> Tree | None:
        """Merge a value that has no parts."""
        if theirs and (_same(theirs, base) or _same(theirs, mine)):
            return mine
        untouched = _same(base, mine) and not _added_comments(base, mine)
        if theirs is None:
            if untouched:
                return None
            self.kept.append(spot.shown)
            return mine
        text = self.written(theirs, spot.indent, flat=spot.flat)
        if untouched:
            return Printed(text, text)
        self.conflicts.append(Conflict(spot.shown, render(mine), text))
        return Printed(render(mine), text)

    def items(
        self, spot: _Spot, base: Container | None, mine: Container, theirs: Container | None
    ) -> Tree | None:
        """Merge a container item by item."""
        before, has, now = (self.keyed(spot, side) for side in (base, mine, theirs))
        rows = rows_of(mine, theirs, self.style, spot.indent, flat=spot.flat)
        result: dict[_Key, Item] = {}
        removed = ""
        for key, item in has.items():
            there = spot.inside(item, key, flat=rows.flat)
            merged = self.item(there, before.get(key), item, now.get(key), noted=broken(item.gap))
            if merged is None:
                removed = wider(removed, item.gap)
            else:
                # A blank line above what is removed goes on separating what is left.
                gap = wider(item.gap, removed)
                result[key] = merged if gap == item.gap else replace(merged, gap=gap)
                removed = ""
        if mine.opener == "[":
            result = _reordered(result, list(before), list(now))
        added = {key: self.added(now[key], rows) for key in now if key not in before and key not in has}
        if theirs is None and not result:
            return None
        if not added and len(result) == len(has) and all(map(operator.is_, result.values(), mine.items)):
            return mine
        order = _placed(list(result), list(now), added)
        leader = order.index(next(iter(result))) if result else 0
        result.update(added)
        return filled(mine, [result[key] for key in order], leader, rows, self.style.newline + spot.indent)

    def added(self, item: Item, rows: Rows) -> Item:
        """Write an item that the user's file has not."""
        text = self.written(item.value, rows.indent, flat=rows.flat)
        notes = reindent(item.notes, self.generated, self.style, rows.indent) if rows.spread else ""
        name = label(item, self.style) if rows.flat else item.label
        return Item(item.key, rows.between, notes, name, Printed(text, text), "", "")

    def written(self, value: Tree, indent: str, *, flat: bool) -> str:
        """Write a generated value as the user's file is written."""
        return on_one_line(value, self.style) if flat else on_lines(value, self.generated, self.style, indent)

    def has_keys(self, spot: _Spot, container: Container) -> bool:
        """Tell whether the items of what was generated can be told apart."""
        keys = self.keys(spot, container)
        return None not in keys and len(set(keys)) == len(keys)

    def keyed(self, spot: _Spot, container: Container | None) -> dict[_Key, Item]:
        """Return the items by what tells them apart; one that nothing does is the user's own."""
        found: dict[_Key, Item] = {}
        if container:
            keys = self.keys(spot, container)
            for index, (key, item) in enumerate(zip(keys, container.items, strict=True)):
                found[_Element("own", index) if key is None or key in found else key] = item
        return found

    def keys(self, spot: _Spot, container: Container) -> list[_Key | None]:
        """Return for each item what tells it apart: a member's key, a scalar's value, an object's name."""
        if container.opener == "{":
            return [item.key for item in container.items]
        name = self.identity.get(spot.path)
        return [_element(item.value, name) for item in container.items]


def _element(value: Tree, name: str | None) -> _Element | None:
    if isinstance(value, Leaf):
        return _Element("flag" if isinstance(value.value, bool) else "scalar", value.value)
    if isinstance(value, Container):
        named = next((item.value for item in value.items if item.key is not None and item.key == name), None)
        if isinstance(named, Leaf):
            return _Element("named", str(named.value))
    return None


def _alike(tree: Tree | None, mine: Container) -> Container | None:
    return tree if isinstance(tree, Container) and tree.opener == mine.opener else None


def _changed(item: Item, notes: str, value: Tree) -> Item:
    if notes == item.notes and value is item.value:
        return item
    return replace(item, notes=notes, value=value)


def _same(one: Tree | None, other: Tree | None) -> bool:
    return one is not None and other is not None and _comparable(one) == _comparable(other)


def _comparable(tree: Tree) -> Any:
    """Return something that is equal for equal JSON values: 1 is 1.0, and true is not 1."""
    if isinstance(tree, Leaf):
        return (isinstance(tree.value, bool), tree.value)
    if isinstance(tree, Container):
        if tree.opener == "{":
            return {item.key: _comparable(item.value) for item in tree.items}
        return [_comparable(item.value) for item in tree.items]
    return tree


def _added_comments(before: Item | Tree | None, after: Item | Tree) -> bool:
    known = comments(render(before)) if before else []
    return bool(Counter(comments(render(after))) - Counter(known))


def _placed(order: list[_Key], wanted: list[_Key], added: Mapping[_Key, Item]) -> list[_Key]:
    """Put each new key behind the one it is generated behind, or else before the one it is before."""
    for index, key in enumerate(wanted):
        if key in added:
            behind = (order.index(other) + 1 for other in reversed(wanted[:index]) if other in order)
            before = (order.index(other) for other in wanted[index + 1 :] if other in order)
            order.insert(next(chain(behind, before), 0), key)
    return order


def _reordered(items: dict[_Key, Item], before: list[_Key], now: list[_Key]) -> dict[_Key, Item]:
    """Follow a new order of what is generated, unless the user has another; their own items stay put."""
    shared = items.keys() & set(before) & set(now)
    common, old, new = ([key for key in side if key in shared] for side in (items, before, now))
    if old == new or common != old or any(items[key].after_comma for key in common):
        return items
    moved = dict(zip(common, new, strict=True))
    places = ((moved.get(place, place), item.gap) for place, item in items.items())
    return {key: replace(items[key], gap=gap) for key, gap in places}


def _quoted(value: Plain) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
