"""Read JSON with comments into nodes that know where they stand, so that the text can be edited in place."""

import json
import re
from dataclasses import dataclass
from typing import Any

DEEPEST = 100
"""How far lists and objects may nest: far more than a configuration needs, far less than Python's stack."""

COMMENT = r"(?://[^\r\n]*+|/\*(?s:.*?)\*/)"
TRIVIA = rf"(?:[ \t\r\n]++|{COMMENT})*+"
"""What may stand between two tokens. Possessive, since nested repeats take exponential time to fail."""

_STRING = r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"

_SKIP = re.compile(TRIVIA)
_KEY = re.compile(rf"{TRIVIA}{_STRING}")
_NAME = re.compile(rf"{TRIVIA}({_STRING}){TRIVIA}:")
_VALUE = re.compile(rf"{TRIVIA}([{{\[]|{_STRING}|{_NUMBER}|true|false|null)")
_COMMA = re.compile(rf"{TRIVIA},")
_END = {"{": re.compile(rf"{TRIVIA}\}}"), "[": re.compile(rf"{TRIVIA}\]")}

_WORDS = {"true": True, "false": False, "null": None}
_LONGEST_INTEGER = 400  # Python refuses to read thousands of digits; a float of that size is infinite anyway

Plain = str | int | float | bool | None


class JsoncError(ValueError):
    """A text that is not JSON with comments: what is wrong, and where, counted from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        """Take the message without the position."""
        super().__init__(f"{message} (line {line}, column {column})")
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, a number, true, false or null."""

    start: int
    end: int
    value: Plain


@dataclass(frozen=True, slots=True)
class Member:
    """A key of an object, with the span of the key, and its value."""

    key: str
    start: int
    end: int
    value: "Node"


@dataclass(frozen=True, slots=True)
class Object:
    """An object, from its opening brace to its closing one."""

    start: int
    end: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """An array, from its opening bracket to its closing one."""

    start: int
    end: int
    elements: tuple["Node", ...]


Node = Scalar | Object | Array


@dataclass(frozen=True, slots=True)
class Document:
    """A text, with its byte order mark if it has one, and the value in it."""

    text: str
    root: Node


def parse(content: bytes) -> Document:
    """Read a file. Raises JsoncError where it is not JSON with comments and trailing commas."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _error(content[: error.start].decode(), error.start, "this is not UTF-8") from None
    root = _value(text, 1 if text.startswith("\ufeff") else 0, 0)
    if _SKIP.fullmatch(text, root.end) is None:
        raise _unexpected(text, root.end, "the end of the file")
    return Document(text, root)


def plain(node: Node) -> Any:
    """Return the value of a node as Python has it."""
    if isinstance(node, Object):
        return {member.key: plain(member.value) for member in node.members}
    if isinstance(node, Array):
        return [plain(element) for element in node.elements]
    return node.value


def _value(text: str, at: int, depth: int) -> Node:
    match = _VALUE.match(text, at)
    if match is None:
        raise _unexpected(text, at, "a value")
    written = match[1]
    start, end = match.span(1)
    if written in _END:
        if depth == DEEPEST:
            raise _error(text, start, f"this nests deeper than {DEEPEST} levels")
        return (_object if written == "{" else _array)(text, start, depth + 1)
    if written[0] == '"':
        return Scalar(start, end, _string(written))
    return Scalar(start, end, _WORDS[written] if written in _WORDS else _number(written))


def _object(text: str, start: int, depth: int) -> Object:
    members: dict[str, Member] = {}
    at, comma = start + 1, True
    while comma and (name := _NAME.match(text, at)):
        key = _string(name[1])
        if key in members:
            raise _error(text, name.start(1), f"the key {name[1]} appears twice in one object")
        value = _value(text, name.end(), depth)
        members[key] = Member(key, *name.span(1), value)
        at, comma = _after(text, value.end)
    if comma and (key_only := _KEY.match(text, at)):
        raise _unexpected(text, key_only.end(), "`:`")
    expected = "a key in double quotes or `}`" if comma else "`,` or `}`"
    return Object(start, _close(text, "{", at, expected), tuple(members.values()))


def _array(text: str, start: int, depth: int) -> Array:
    elements: list[Node] = []
    at, comma = start + 1, True
    while comma and not _END["["].match(text, at):
        value = _value(text, at, depth)
        elements.append(value)
        at, comma = _after(text, value.end)
    return Array(start, _close(text, "[", at, "`,` or `]`"), tuple(elements))


def _after(text: str, at: int) -> tuple[int, bool]:
    """Step over the comma after a value, if there is one, and tell whether there was."""
    comma = _COMMA.match(text, at)
    return (comma.end(), True) if comma else (at, False)


def _close(text: str, opener: str, at: int, expected: str) -> int:
    match = _END[opener].match(text, at)
    if match is None:
        raise _unexpected(text, at, expected)
    return match.end()


def _string(written: str) -> str:
    return str(json.loads(written)) if "\\" in written else written[1:-1]


def _number(written: str) -> int | float:
    whole = len(written) < _LONGEST_INTEGER and written.removeprefix("-").isdigit()
    return int(written) if whole else float(written)


def _unexpected(text: str, at: int, expected: str) -> JsoncError:
    """Say what was expected after the blanks and comments at a position, and what is there."""
    skipped = _SKIP.match(text, at)
    at = skipped.end() if skipped else at
    if at == len(text):
        return _error(text, at, f"the file ends where {expected} is expected")
    if text.startswith("/*", at):
        return _error(text, at, "this comment is never closed")
    if text[at] == '"' and not _KEY.match(text, at):
        return _error(
            text, at, "this string is not closed, or holds an escape or a character that JSON has not"
        )
    return _error(text, at, f"{expected} is expected here, not {json.dumps(text[at], ensure_ascii=False)}")


def _error(text: str, at: int, message: str) -> JsoncError:
    before = text[:at].removeprefix("\ufeff")
    return JsoncError(message, before.count("\n") + 1, len(before) - before.rfind("\n"))
