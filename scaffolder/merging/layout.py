"""JSON with comments in pieces: each value with the blanks and comments around it, to be put together."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scaffolder.merging.jsonc import COMMENT, TRIVIA, Array, Node, Object, Plain, Scalar, parse

_BREAK = re.compile(r"\r\n?|\n")
_BLANKS = re.compile(r"[\ufeff \t\r\n]*+")
_TRIVIA = re.compile(TRIVIA)
_BESIDE = re.compile(rf"(?:[ \t]*+{COMMENT})*+")
_LINE_ENDS = re.compile(r"[ \t]*+[\r\n]")
_INDENT = re.compile(r"(?:\r\n?|\n)([ \t]*+)(?=([\r\n]?))")
_COMMENTS = re.compile(rf'"(?:[^"\\]|\\.)*+"|({COMMENT})')
_COLON = re.compile(r'"([ \t]*:[ \t]*)\Z')


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar as it is written."""

    text: str
    value: Plain


@dataclass(frozen=True, slots=True)
class Printed:
    """A finished text in the place of a value: what the user gets, and what our side has there."""

    mine: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Item:
    """A member of an object, an element of an array, or the value of the whole file."""

    key: str | None
    """What a member is called."""
    gap: str
    """The blanks before it: line breaks and an indentation, or a space or so between items on one line."""
    notes: str
    """The comments above it, up to where it starts."""
    label: str
    """The key and the colon as they are written."""
    value: "Tree"
    before_comma: str
    after_comma: str
    """The comments on the rest of its line."""


@dataclass(frozen=True, slots=True)
class Container:
    """An object or an array."""

    opener: str
    head: str
    """The comments on the rest of the opening bracket's line."""
    items: tuple[Item, ...]
    tail: str
    """What stands between the last item and the closing bracket."""
    comma: bool
    """Whether the last item has a comma."""
    flat: bool
    """Whether all of it stands on one line."""

    @property
    def spread(self) -> bool:
        """Whether items stand on lines of their own."""
        return broken(self.tail) or any(broken(item.gap) for item in self.items)


Tree = Leaf | Printed | Container


@dataclass(frozen=True, slots=True)
class Rows:
    """How the items of a container stand, and how a new one is to stand among them."""

    spread: bool
    flat: bool
    indent: str
    first: str | None
    """The blanks before whichever item is the first, where that begins on the bracket's line."""
    between: str
    """The blanks before a new item."""
    tail: str
    comma: bool


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written."""

    newline: str
    unit: str
    """What one level is indented by."""
    colon: str
    padding: str
    """What stands inside the braces of an object on one line."""
    comma: bool
    """Whether the last of several lines has a comma."""


def read(content: bytes) -> Item:
    """Take a file apart. Raises JsoncError when it cannot be read."""
    document = parse(content)
    text, root = document.text, document.root
    gap, notes = _lead(text[: root.start])
    return Item(None, gap, notes, "", _tree(text, root), "", text[root.end :])


def render(part: Item | Tree, *, comma: bool = False, theirs: bool = False) -> str:
    """Put the pieces together: to the very text they were read from, unless some were changed."""
    if isinstance(part, Item):
        value = render(part.value, theirs=theirs)
        behind = part.before_comma + "," * comma + part.after_comma
        return part.gap + part.notes + part.label + value + behind
    if isinstance(part, Container):
        last = len(part.items) - 1
        commas = [True] * last + [part.comma]
        items = (
            render(item, comma=comma, theirs=theirs) for item, comma in zip(part.items, commas, strict=False)
        )
        return part.opener + part.head + "".join(items) + part.tail + _closer(part)
    if isinstance(part, Printed):
        return part.theirs if theirs else part.mine
    return part.text


def _tree(text: str, node: Node) -> Tree:
    if isinstance(node, Scalar):
        return Leaf(text[node.start : node.end], node.value)
    opener = text[node.start]
    head = _beside(text, node.start + 1)
    at = node.start + 1 + len(head)
    items = []
    comma = False
    for key, start, value in _parts(node):
        gap, notes = _lead(text[at:start])
        before = _matched(_TRIVIA, text, value.end)
        comma = text.startswith(",", value.end + len(before))
        after = _beside(text, value.end + len(before) + 1 if comma else value.end)
        if not comma:
            # Where the line goes on, a comma has to come after the comment, or the comment changes hands.
            before = "" if after else _matched(_BESIDE, text, value.end)
        at = value.end + len(before) + comma + len(after)
        items.append(Item(key, gap, notes, text[start : value.start], _tree(text, value), before, after))
    flat = bool(items) and not broken(text[node.start : node.end])
    return Container(opener, head, tuple(items), text[at : node.end - 1], comma, flat)


def _parts(node: Object | Array) -> Iterator[tuple[str | None, int, Node]]:
    if isinstance(node, Object):
        return ((member.key, member.start, member.value) for member in node.members)
    return ((None, element.start, element) for element in node.elements)


def _lead(text: str) -> tuple[str, str]:
    gap = _matched(_BLANKS, text, 0)
    return gap, text[len(gap) :]


def _beside(text: str, at: int) -> str:
    """Return the comments that end a line; what an item follows on the same line belongs to that one."""
    comments = _matched(_BESIDE, text, at)
    return comments if _LINE_ENDS.match(text, at + len(comments)) else ""


def _matched(pattern: re.Pattern[str], text: str, at: int) -> str:
    match = pattern.match(text, at)
    return match[0] if match else ""


def _closer(container: Container) -> str:
    return "}" if container.opener == "{" else "]"


def broken(text: str) -> bool:
    """Tell whether a text goes over more than one line."""
    return "\n" in text or "\r" in text


def last_line(text: str) -> str:
    """Return what follows the last line break: in a text that ends in blanks, an indentation."""
    return _BREAK.split(text)[-1]


def wider(gap: str, other: str) -> str:
    """Return the gap with more line breaks; the first of equals."""
    return max(gap, other, key=lambda text: len(_BREAK.findall(text)))


def comments(text: str) -> list[str]:
    """Return the comments in a piece of a file, without regard to how they are indented."""
    return [" ".join(match[1].split()) for match in _COMMENTS.finditer(text) if match[1]]


def style_of(root: Item, usual: str = "  ") -> Style:
    """Find out how a file is written; `usual` is its indentation if no line shows one."""
    line_break = _BREAK.search(render(root))
    outer = root.value if isinstance(root.value, Container) else None
    indents = [last_line(item.gap) for item in outer.items if broken(item.gap)] if outer else []
    objects = [found for found in _containers(root.value) if found.opener == "{" and found.items]
    colons = (_COLON.search(found.items[0].label) for found in objects)
    colon = next((match[1] for match in colons if match), ": ")
    flat = next((found for found in objects if found.flat), None)
    return Style(
        line_break[0] if line_break else "\n",
        indents[0] if indents else usual,
        colon,
        flat.items[0].gap if flat else " ",
        bool(outer and outer.comma and outer.spread),
    )


def _containers(tree: Tree) -> Iterator[Container]:
    if isinstance(tree, Container):
        yield tree
        for item in tree.items:
            yield from _containers(item.value)


def rows_of(
    container: Container, pattern: Container | None, style: Style, indent: str, *, flat: bool
) -> Rows:
    """Look at how the items of a container stand.

    An empty one on a line of its own takes after the pattern; `indent` is that of the line it starts
    on, `flat` tells whether what it stands in is on one line.
    """
    gaps = [item.gap for item in container.items]
    unfolds = not (gaps or container.tail or flat) and pattern is not None and pattern.spread
    if container.spread or unfolds:
        inner = next((last_line(gap) for gap in gaps if broken(gap)), indent + style.unit)
        first = gaps[0] if gaps and not broken(gaps[0]) else None
        tail = style.newline + indent if unfolds else container.tail
        comma = container.comma if gaps else style.comma
        return Rows(True, False, inner, first, style.newline + inner, tail, comma)
    space = " " if style.colon.endswith(" ") else ""
    between = gaps[1] if len(gaps) > 1 else space
    if gaps:
        return Rows(False, container.flat, indent, gaps[0], between, container.tail, container.comma)
    padding = container.tail if container.tail.isspace() else ""
    return Rows(False, flat or bool(container.tail), indent, padding, between, container.tail, False)


def filled(container: Container, items: list[Item], leader: int, rows: Rows, closing: str) -> Container:
    """Return a container with other items, of which the one at `leader` was the first until now."""
    if rows.first is not None and items:
        if 0 < leader < len(items):
            items[leader] = replace(items[leader], gap=rows.between)
        items[0] = replace(items[0], gap=rows.first)
    tail = rows.tail
    if not items and broken(tail) and not comments(container.head + tail):
        tail = ""
    if "//" in (items[-1].after_comma if items else container.head) and not broken(tail):
        tail = closing + tail.lstrip()
    return replace(container, items=tuple(items), tail=tail, comma=rows.comma)


def on_one_line(tree: Tree, style: Style) -> str:
    """Write a value without its comments on one line."""
    if not isinstance(tree, Container):
        return render(tree)
    between = ", " if style.colon.endswith(" ") else ","
    padding = style.padding if tree.items and tree.opener == "{" else ""
    items = between.join(label(item, style) + on_one_line(item.value, style) for item in tree.items)
    return tree.opener + padding + items + padding + _closer(tree)


def label(item: Item, style: Style) -> str:
    """Write a member's key and the colon."""
    return _COLON.sub('"' + style.colon, item.label)


def on_lines(tree: Tree, old: Style, new: Style, indent: str) -> str:
    """Write a value of another file as it is there, in this file's style."""
    return reindent(render(_with_commas(tree) if new.comma else tree), old, new, indent)


def reindent(text: str, old: Style, new: Style, indent: str) -> str:
    """Move a text, whose last line is its outermost, to an indentation."""
    last = last_line(text)
    outermost = last[: len(last) - len(last.lstrip(" \t"))]

    def line(match: re.Match[str]) -> str:
        blanks, empty = match.groups()
        if empty:
            return new.newline
        if not blanks.startswith(outermost):
            return new.newline + str(blanks)
        levels, rest = divmod(len(blanks) - len(outermost), len(old.unit) or 1)
        return new.newline + indent + new.unit * levels + " " * rest

    return _INDENT.sub(line, text)


def _with_commas(tree: Tree) -> Tree:
    if not isinstance(tree, Container):
        return tree
    items = tuple(replace(item, value=_with_commas(item.value)) for item in tree.items)
    return replace(tree, items=items, comma=tree.spread)
