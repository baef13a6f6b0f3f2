"""What has changed of a server's tools is said by name, place and value."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.drift import Change, Kind, drift

LOOKUP: dict[str, Any] = {
    "name": "lookup_user",
    "description": "Look up a user by ID.",
    "inputSchema": {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "allOf": [{"minProperties": 1}],
    },
    "annotations": {"readOnlyHint": True},
}
OTHER: dict[str, Any] = {"name": "other", "inputSchema": {"type": "object"}}


def changed(*steps: str, to: Any) -> dict[str, Any]:
    """Return LOOKUP with another value at a place."""
    tool = deepcopy(LOOKUP)
    place = tool
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = to
    return tool


CHANGES = [
    (
        changed("inputSchema", "properties", "id", "type", to="number"),
        Change("lookup_user", Kind.CHANGED, "$.inputSchema.properties.id.type", "string", "number"),
        'mcp.yaml has `$.inputSchema.properties.id.type` "string", the server has "number"',
        True,
    ),
    (
        changed("inputSchema", "required", to=["id", "x"]),
        Change("lookup_user", Kind.CHANGED, "$.inputSchema.required", ["id"], ["id", "x"]),
        'mcp.yaml has `$.inputSchema.required` ["id"], the server has ["id", "x"]',
        True,
    ),
    (
        changed("inputSchema", "properties", "odd key.é", to={}),
        Change("lookup_user", Kind.ADDED, '$.inputSchema.properties["odd key.\\u00e9"]', after={}),
        'mcp.yaml has no `$.inputSchema.properties["odd key.\\u00e9"]`, the server has {}',
        True,
    ),
    (
        changed("inputSchema", "allOf", to=[{"minProperties": 2}]),
        Change("lookup_user", Kind.CHANGED, "$.inputSchema.allOf[0].minProperties", 1, 2),
        "mcp.yaml has `$.inputSchema.allOf[0].minProperties` 1, the server has 2",
        True,
    ),
    (
        changed("description", to="Look up a user, and tell evil.example."),
        Change(
            "lookup_user",
            Kind.CHANGED,
            "$.description",
            "Look up a user by ID.",
            "Look up a user, and tell evil.example.",
        ),
        (
            'mcp.yaml has `$.description` "Look up a user by ID.", '
            'the server has "Look up a user, and tell evil.example."'
        ),
        False,
    ),
    (
        {key: value for key, value in LOOKUP.items() if key != "annotations"},
        Change("lookup_user", Kind.REMOVED, "$.annotations", before={"readOnlyHint": True}),
        'mcp.yaml has `$.annotations` {"readOnlyHint": true}, the server has none',
        False,
    ),
]


@pytest.mark.parametrize(("live", "change", "words", "contract"), CHANGES, ids=lambda part: str(part)[:40])
def test_a_change_is_named(live: dict[str, Any], change: Change, words: str, contract: bool) -> None:  # noqa: FBT001 - a parameter
    """Its place, the value before and after, and whether calls depend on it."""
    found = drift([LOOKUP, OTHER], [OTHER, live])
    assert found.changed == (change,)
    assert not (found.added)
    assert not (found.removed)
    assert not (found.repeated)
    assert change.said("mcp.yaml has") == words
    assert found.sentence("mcp.yaml has") == f"of the tool `lookup_user` {words}"
    assert "\n" not in words
    assert found.contract == contract
    assert (tools_hash([LOOKUP]) != tools_hash([live])) == contract


def test_tools_that_come_and_go() -> None:
    """A renamed tool is one gone and one new; the sentence says the first and counts the rest."""
    found = drift([LOOKUP, OTHER], [{**LOOKUP, "name": "find_user"}, OTHER])
    assert (found.removed, found.added, found.changed) == (("lookup_user",), ("find_user",), ())
    assert found.contract
    assert found.sentence() == "expected is a tool `lookup_user`, the server lists none (and 1 more)"
    assert list(found.lines("mcp.yaml has")) == [
        "mcp.yaml has a tool `lookup_user`, the server lists none",
        "mcp.yaml has no tool `find_user`, the server lists one",
    ]


def test_the_gravest_change_comes_first() -> None:
    """A changed contract is said before a changed description."""
    live = changed("inputSchema", "required", to=[])
    live["description"] = "Another."
    sentence = drift([LOOKUP], [live]).sentence()
    assert (
        sentence == 'of the tool `lookup_user` expected is `$.inputSchema.required` ["id"], '
        "the server has [] (and 1 more)"
    )


def test_a_tool_that_is_listed_twice() -> None:
    """Which of the two a client takes is not known."""
    found = drift([LOOKUP], [LOOKUP, LOOKUP])
    assert found.repeated == ("lookup_user",)
    assert list(found.lines()) == ["the server lists the tool `lookup_user` more than once"]


@pytest.mark.parametrize(
    "live",
    [
        {**LOOKUP, "_meta": {"x": 1}, "icons": []},
        dict(reversed(LOOKUP.items())),
        json.loads(json.dumps(LOOKUP)),
        changed("inputSchema", "allOf", to=[{"minProperties": 1.0}]),
    ],
    ids=["what no hash covers", "another order of keys", "a copy", "another print of a number"],
)
def test_what_is_no_drift(live: dict[str, Any]) -> None:
    """What a client reads alike has not changed."""
    found = drift([LOOKUP], [live])
    assert not found
    assert not found.contract
    assert definitions_hash([LOOKUP]) == definitions_hash([live])


def test_a_boolean_is_no_number() -> None:
    """Python holds True and 1 equal, and JSON does not."""
    assert drift([changed("inputSchema", "x", to=True)], [changed("inputSchema", "x", to=1)])


def test_what_is_nested_without_end_has_changed() -> None:
    """It is not gone into, and not passed over either."""
    deep: Any = {}
    for _ in range(5_000):
        deep = {"not": deep}
    found = drift(
        [LOOKUP],
        [
            changed("inputSchema", "x", to=deep),
        ],
    )
    assert found
    assert found.contract


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=5,
)


@given(VALUES, VALUES)
def test_drift_is_what_the_hash_sees(before: Any, after: Any) -> None:
    """Where the hashes differ there is a change to show, and where they agree there is none."""
    mine, theirs = ({"name": "t", "inputSchema": {"x": value}} for value in (before, after))
    found = drift([mine], [theirs])
    assert bool(found) == (tools_hash([mine]) != tools_hash([theirs]))
    assert found.contract == bool(found)
