"""The hashes of a live server's tools."""

import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.hashing import HashError, canonical, definitions_hash, tools_hash

TOOL: dict[str, Any] = {
    "name": "lookup_user",
    "title": "Look up",
    "description": "Look up a user by ID.",
    "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}

# What ECMAScript's JSON.stringify prints, from the specification's own rules.
NUMBERS = [
    ("1.0", "1"),
    ("-0", "0"),
    ("-0.0", "0"),
    ("1e-7", "1e-7"),
    ("1e21", "1e+21"),
    ("1e20", "100000000000000000000"),
    ("100000000000000000000", "100000000000000000000"),
    ("9007199254740991", "9007199254740991"),
    ("9007199254740993", "9007199254740992"),
    ("0.1", "0.1"),
]


def test_the_tools_hash_is_the_published_rule() -> None:
    """SHA-256 over the canonical JSON of names and input schemas, sorted by name."""
    text = (
        '[{"inputSchema":{"type":"object"},"name":"a"},'
        '{"inputSchema":{"properties":{"x":{"type":"number"}},"type":"object"},"name":"b"}]'
    )
    tools = [
        {"name": "b", "inputSchema": {"type": "object", "properties": {"x": {"type": "number"}}}},
        {"name": "a", "description": "ignored", "inputSchema": {"type": "object"}},
    ]
    assert tools_hash(tools) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_the_tools_hash_of_nothing() -> None:
    """A server without tools has a hash like any other."""
    assert tools_hash([]) == f"sha256:{hashlib.sha256(b'[]').hexdigest()}"


@pytest.mark.parametrize("key", ["title", "description", "outputSchema", "annotations"])
def test_what_a_model_reads_is_in_the_definitions_hash_alone(key: str) -> None:
    """A changed description does not change how a tool is called, and is seen all the same."""
    changed = {**TOOL, key: {"changed": True}}
    missing = {name: value for name, value in TOOL.items() if name != key}
    for other in (changed, missing):
        assert tools_hash([other]) == tools_hash([TOOL])
        assert definitions_hash([other]) != definitions_hash([TOOL])


@pytest.mark.parametrize("key", ["_meta", "execution", "icons"])
def test_what_a_server_adds_is_in_neither_hash(key: str) -> None:
    """Members of a listed tool that no manifest declares do not alarm anybody."""
    assert definitions_hash([{**TOOL, key: {"x": 1}}]) == definitions_hash([TOOL])


def test_tools_sort_by_utf_16_code_units() -> None:
    """The rule of RFC 8785 for keys, under which an emoji comes before a private-use character."""
    tools: list[dict[str, Any]] = [
        {"name": name, "inputSchema": {}} for name in ("\ue000", "\N{GRINNING FACE}", "a", "B")
    ]
    text = canonical([tools[3], tools[2], tools[1], tools[0]])
    assert tools_hash(tools) == f"sha256:{hashlib.sha256(text).hexdigest()}"


@pytest.mark.parametrize(("sent", "printed"), NUMBERS)
def test_numbers_are_those_of_ecmascript(sent: str, printed: str) -> None:
    """However a server prints a number, it counts as the double that a JavaScript client reads."""
    assert canonical(json.loads(sent)) == printed.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, "\ud800", {"\udfff": 1}])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """A hash of something that clients read differently would be worth nothing."""
    with pytest.raises(HashError):
        tools_hash([{"name": "x", "inputSchema": {"const": value}}])


def test_what_no_parser_would_follow_is_refused() -> None:
    """A schema that is nested without end is an error of its server, not of this program."""
    deep: Any = {}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(HashError):
        tools_hash([{"name": "x", "inputSchema": deep}])


@given(st.permutations(range(6)))
def test_the_order_of_the_list_does_not_matter(order: list[int]) -> None:
    """A server may list its tools in any order."""
    tools = [{**TOOL, "name": f"tool_{number}"} for number in order]
    assert tools_hash(tools) == tools_hash(sorted(tools, key=lambda tool: str(tool["name"])))
