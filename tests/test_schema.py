"""One set of rules, three readers: pydantic, the JSON Schema, and the check of plain Copier."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
import re
import subprocess
import sys
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import macros
import pytest
import strategies
import yaml
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from jsonschema import validators

from scaffolder.manifest.faults import validate
from scaffolder.manifest.schema import schema, schema_text
from scaffolder.providers import Profile, facts, profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolchain import Toolchain

    Errors = Iterator[jsonschema.ValidationError]

ROOT = Path(__file__).parents[1]
MANIFESTS = sorted((ROOT / "tests/manifests/valid").glob("*.yaml"))
EVERYTHING: dict[str, Any] = yaml.safe_load((ROOT / "tests/manifests/valid/everything.yaml").read_text())
CHECK = (ROOT / "templates/_lib/check.jinja").read_text()

ANNOTATIONS = {
    "$comment",
    "$defs",
    "$schema",
    "description",
    "examples",
    "patternErrorMessage",
    "title",
    "x-reserved-for",
    "x-unsupported",
}
"""What the schema says for people; a validator passes over it."""

WITH_SCHEMA = {"items", "additionalProperties", "propertyNames", "not", "if", "then"}
"""The keywords whose value is a schema."""


def unique_by(_: Any, key: str, value: Any, __: Any) -> Errors:
    """Refuse two items with the same value under a key, without regard to case."""
    names = [
        item[key].lower()
        for item in (value if isinstance(value, list) else [])
        if isinstance(item, dict) and isinstance(item.get(key), str)
    ]
    if len(names) != len(set(names)):
        yield jsonschema.ValidationError(f"two of the same {key}")


def references(_: Any, rules: dict[str, str], value: Any, __: Any) -> Errors:
    """Refuse what an item of a list names under a key, but the document does not declare under it."""
    for mapping, items in rules.items():
        declared = value.get(mapping) if isinstance(value.get(mapping), dict) else {}
        for item in value.get(items) if isinstance(value.get(items), list) else []:
            named = item.get(mapping) if isinstance(item, dict) else None
            if isinstance(named, list):
                for name in named:
                    if isinstance(name, str) and name not in declared:
                        yield jsonschema.ValidationError(f"{name} is not declared")


def disjoint(_: Any, mappings: list[str], value: Any, __: Any) -> Errors:
    """Refuse a key that stands in both mappings."""
    first, second = (value.get(name) for name in mappings)
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() & second.keys():
        yield jsonschema.ValidationError("a key in both")


def adds(_: Any, names: dict[str, str], value: Any, __: Any) -> Errors:
    """Refuse a property that a state adds by itself."""
    state = value.get("state") if isinstance(value, dict) else None
    name = names.get(state) if isinstance(state, str) else None
    for key in ("inputSchema", "outputSchema"):
        rules = value.get(key) if name else None
        properties = rules.get("properties") if isinstance(rules, dict) else None
        if isinstance(properties, dict) and name in properties:
            yield jsonschema.ValidationError(f"{name} is added")


def depth(value: Any) -> int:
    """Count how deep lists and mappings nest, or give up far beyond any limit."""
    level, count = [value], 0
    while count <= 100 and any(isinstance(item, (dict, list)) for item in level):
        count += 1
        children = {
            id(child): child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        }
        level = list(children.values())
    return count


def max_depth(_: Any, limit: int, value: Any, __: Any) -> Errors:
    """Refuse lists and mappings that nest deeper."""
    if depth(value) > limit:
        yield jsonschema.ValidationError("nests too deep")


def safe_integers(_: Any, __: Any, value: Any, ___: Any) -> Errors:
    """Refuse an integer that JavaScript does not hold exactly."""
    if isinstance(value, int) and abs(value) > 2**53 - 1:
        yield jsonschema.ValidationError("not a safe integer")


def pattern(_: Any, regex: str, value: Any, __: Any) -> Errors:
    """Match with `$` as the very end, as in ECMAScript: Python's also matches before a last newline."""
    if isinstance(value, str) and not re.search(re.sub(r"\$\Z", r"\\Z", regex), value):
        yield jsonschema.ValidationError("does not match")


OWN = {
    "x-unique-by": unique_by,
    "x-references": references,
    "x-disjoint": disjoint,
    "x-adds": adds,
    "x-max-depth": max_depth,
    "x-safe-integers": safe_integers,
    "pattern": pattern,
}

READER: Any = validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    OWN,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            # JSON has neither NaN nor an infinity; Python's floats do.
            "number": lambda _, value: (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and (isinstance(value, int) or math.isfinite(value))
            ),
        }
    ),
)(schema())


def by_pydantic(document: Any) -> bool:
    """Ask the models."""
    return not validate(document)[1]


def by_schema(document: Any) -> bool:
    """Ask jsonschema; what nests without end it cannot walk through."""
    if depth(document) > 90:
        return False
    digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # jsonschema prints what it refuses
    try:
        return bool(READER.is_valid(document))
    finally:
        sys.set_int_max_str_digits(digits)


def by_copier(document: Any) -> list[str]:
    """Ask the macro, and return the errors that it prints."""
    printed = macros.call("check", "errors", document, schema())
    assert "\n\n" not in printed
    return printed.strip().splitlines()


def agreed(document: Any) -> bool:
    """Ask all three, who have to say the same."""
    lines = by_copier(document)
    verdicts = (by_pydantic(document), by_schema(document), not lines)
    assert len(set(verdicts)) == 1, (verdicts, lines, validate(document)[1])
    return verdicts[0]


def keywords(node: Any) -> Iterator[tuple[str, Any]]:
    """List every keyword of a schema with its value."""
    for key, value in node.items():
        yield key, value
        if key in {"properties", "$defs"}:
            for inner in value.values():
                yield from keywords(inner)
        elif key in WITH_SCHEMA and isinstance(value, dict):
            yield from keywords(value)


def test_the_file_is_in_step_with_the_models() -> None:
    """`python -m scaffolder.manifest.schema > templates/_data/manifest.schema.json` after a change."""
    assert (ROOT / "templates/_data/manifest.schema.json").read_text() == schema_text()


def test_the_schema_is_a_schema() -> None:
    """Draft 2020-12, so that editors understand it."""
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_key_explains_itself() -> None:
    """An editor shows what each key is for, and an example of all but nested models."""
    for name, part in {"manifest": schema(), **schema()["$defs"]}.items():
        for key, rules in part.get("properties", {}).items():
            described = rules.get("description") or schema()["$defs"][rules["$ref"][8:]]["description"]
            assert described.endswith("."), (name, key)
    for key, value in keywords(schema()):
        if key == "pattern" and "uD800" not in value:
            assert value.startswith("^")
            assert value.endswith("$")


def test_examples_follow_their_own_rules() -> None:
    """What an editor or a message offers as an example can be used."""
    for part in (schema(), *schema()["$defs"].values()):
        for rules in part.get("properties", {}).values():
            for one in rules.get("examples", ()):
                assert READER.evolve(schema={**rules, "$defs": schema()["$defs"]}).is_valid(one), one


def test_the_check_knows_every_keyword() -> None:
    """A keyword that the macro does not know would be passed over without a word."""
    for key, value in keywords(schema()):
        if key in ANNOTATIONS:
            continue
        assert f"'{key}'" in CHECK, key
        if key == "not":
            assert list(value) == ["pattern"]
        if key == "if":
            assert value.keys() == {"properties", "required"}
            assert value["required"] == list(value["properties"])
            assert [list(rules) for rules in value["properties"].values()] == [["const"]]
        if key == "then":
            assert list(value) == ["properties"]
            assert all(list(rules) == ["enum"] for rules in value["properties"].values())
        if key == "additionalProperties":
            assert value is False or isinstance(value, dict)
        if key == "$ref":
            assert value.startswith("#/$defs/")
        if key in {"enum", "const"}:
            assert all(isinstance(one, str) for one in ([value] if key == "const" else value))
    for key in OWN:
        assert f"'{key}'" in CHECK
        assert not key.startswith("x-") or f"{key} (" in schema()["$comment"]


def test_a_reference_stands_beside_words_only() -> None:
    """The macro follows a reference and reads nothing else there."""

    def walk(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
            for value in node.values():
                yield from walk(value)

    for node in walk(schema()):
        if isinstance(node.get("$ref"), str):
            assert not node.keys() - ANNOTATIONS - {"$ref"}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_valid_manifests_are_valid_to_all(path: Path) -> None:
    """The three readers accept what a user may write."""
    assert agreed(yaml.safe_load(path.read_text()))


def test_invalid_manifests_are_invalid_to_all() -> None:
    """What the recorded messages are about is refused by all three, unless only the text shows it."""
    only_text = {"duplicate-keys", "exponent", "alias-bomb"}
    for path in sorted((ROOT / "tests/manifests/invalid").glob("*.yaml")):
        if path.stem.startswith("syntax-") or path.stem in only_text:
            continue
        try:
            document = yaml.safe_load(path.read_bytes())
        except (yaml.YAMLError, ValueError):
            continue
        assert not agreed(document), path.stem


ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    59,
    60,
    1.0,
    60.0,
    0.5,
    -0.0,
    1e21,
    math.nan,
    math.inf,
    -math.inf,
    2**53 - 1,
    2**53,
    -(2**53),
    10**30,
    16**5000,
    "",
    "a",
    "A",
    "a\n",
    "A\n",
    "/mcp\n",
    "1.0",
    "*",
    "\ud800",
    "\x00",
    "\u2028",
    "object",
    "session",
    "strong",
    "workers-kv",
    "SESSIONS",
    "PORT",
    "DENO_KV\n",
    "constructor",
    "/mcp/",
    "/a/../b",
    "https://../mcp",
    "https://notes.example.com:99999/mcp",
    "x" * 59,
    "x" * 129,
    "/healthz",
    "https://a.example/b c",
    "2026-02-30",
    dt.date(2026, 11, 22),
    dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
    b"bytes",
    ("a", "b"),
    {"a", 16**5000},
    [],
    [[]],
    ["a", "a"],
    ["a", "A"],
    [{}],
    [None],
    {},
    {"a": 1},
    {1: 2},
    {None: 1},
    {True: 1},
    {"\ud800": 1},
    {"type": "object"},
    {"type": "object", "x": math.nan},
    {"type": "object", "properties": {"a": True}},
    {"type": "object", "properties": {"session_id": {}}},
    {"type": "object", "properties": {"toString": {}}},
    {"type": "object", "properties": {"a": {"properties": {"toString": {}}}}},
    {"type": "object", "required": ["valueOf"]},
    {"LD_PRELOAD": "x"},
    {dt.date(2026, 1, 1): 1},
    {16**5000: 1},
    {(1, 2): 3},
]

KEYS = [
    "name",
    "type",
    "title",
    "secrets",
    "url",
    "plan",
    "runtime",
    "_meta",
    "icons",
    "x",
    1,
    None,
    "A",
    "__proto__",
    "session_id",
    "session",
    "consistency",
    "store",
    "state",
    "AWS_REGION",
]


def everything() -> dict[str, Any]:
    """Return the valid manifest that holds every key."""
    return copy.deepcopy(EVERYTHING)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """List every container with each of its keys or indexes."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


hostile = st.one_of(
    st.sampled_from(ODD),
    strategies.texts,
    strategies.numbers,
    strategies.json_values,
    st.text(st.characters(), max_size=5),
    st.floats(),
    st.integers(),
)
"""Values that belong nowhere, with the hypothesis of half surrogates and of not-a-number."""


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """Draw a valid manifest with a few things changed, removed, renamed or added."""
    document = copy.deepcopy(draw(st.one_of(st.builds(everything), strategies.manifests())))
    for _ in range(draw(st.integers(0, 3))):
        spots = list(places(document))
        container, key = spots[draw(st.integers(0, len(spots) - 1))]
        match draw(st.sampled_from(["set", "set", "remove", "rename", "add", "repeat"])):
            case "set":
                container[key] = draw(hostile)
            case "remove":
                del container[key]
            case "rename" if isinstance(container, dict):
                container[draw(st.sampled_from(KEYS))] = container.pop(key)
            case "add" if isinstance(container, dict):
                container[draw(st.one_of(st.sampled_from(KEYS), strategies.texts))] = draw(hostile)
            case "repeat" if isinstance(container, list):
                container.append(copy.deepcopy(container[key]))
    return document


built = st.fixed_dictionaries(
    {},
    optional={
        key: st.one_of(hostile, st.just(value))
        for key, value in (
            yaml.safe_load((ROOT / "tests/manifests/valid/everything.yaml").read_text())
        ).items()
    },
)
"""Manifests from scratch, each key of which is either valid or anything at all."""

FUZZ = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@FUZZ
@given(mutated())
@example({})
@example({"name": "a", "targets": ["bun"], "tools": [], 1: 2})
def test_all_agree_on_a_manifest_that_was_changed(document: Any) -> None:
    """Whoever reads it, the verdict is the same, and none of the readers fails."""
    event("valid" if agreed(document) else "invalid")


@FUZZ
@given(st.one_of(built, hostile))
def test_all_agree_on_a_manifest_from_nowhere(document: Any) -> None:
    """Documents that never were manifests are judged alike too."""
    event("valid" if agreed(document) else "invalid")


@pytest.mark.parametrize("turn", range(len(ODD)), ids=lambda turn: type(ODD[turn]).__name__)
def test_all_agree_on_an_odd_value_anywhere(turn: int) -> None:
    """Each odd value in a share of the places that there are, so that all places meet many of them."""
    for index in range(turn % 13, len(list(places(everything()))), 13):
        document = everything()
        container, key = list(places(document))[index]
        container[key] = ODD[turn]
        agreed(document)


def test_values_that_hold_themselves_are_refused() -> None:
    """An alias can make a document endless; the check ends all the same."""
    ring: list[Any] = []
    ring += [ring, ring]
    document = everything()
    for key in ("name", "targets", "vars", "transport"):
        assert not agreed({**document, key: ring})
    chain: dict[str, Any] = {"type": "object"}
    chain["chain"] = chain
    document["tools"][0]["inputSchema"] = chain
    assert "nests too deep" in by_copier(document)[0]
    assert not by_pydantic(document)


@pytest.mark.parametrize("levels", [61, 62, 63, 64, 65, 66])
def test_all_agree_how_deep_is_too_deep(levels: int) -> None:
    """The limit is the same to all, to the level."""
    document = everything()
    inner: Any = "leaf"
    for level in range(levels):
        inner = [inner] if level % 2 else {"x": inner}
    document["tools"][0]["inputSchema"] = {"type": "object", "x": inner}
    assert agreed(document) == (levels < 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "My Notes"}, "name must be lower-case letters, digits and hyphens"),
        ({"name": None}, "name must be text, found null"),
        ({"version": 1.0}, "version must be text, found 1.0"),
        ({"version": dt.date(2026, 1, 2)}, "version must be text, found the date 2026-01-02 (quote it)"),
        ({"targets": ["denno"]}, 'or bun, found "denno"'),
        ({"session": {"ttl_seconds": 5}}, "session.ttl_seconds must be at least 60, found 5"),
        ({"sesion": {}}, 'mcp.yaml has no key "sesion" (allowed: name, version'),
        ({"transport": {"path": "/readyz"}}, "which is reserved for the health checks"),
        ({"tools": [{"name": "a"}]}, "tools[0] has no inputSchema: JSON Schema of its arguments."),
        (
            {"tools": [{"name": "a", "inputSchema": {"type": "object"}, "icons": []}]},
            'tools[0] has no key "icons": it may stand in a pasted',
        ),
        ({"title": "\x1b[31m\ud800"}, r'found "\u001b[31m\ud800"'),
        (
            {"target_options": {"cloudflare": {"session": {"store": "workers-kv", "consistency": "strong"}}}},
            'durable-object or upstash with consistency: strong, found "workers-kv"',
        ),
        ({"vars": {"a b": ""}}, "a key of vars must be upper-case letters"),
        ({"vars": {"VERCEL_URL": ""}}, 'must not be "VERCEL_URL", which is reserved for Vercel'),
        (
            {
                "tools": [
                    {
                        "name": "a",
                        "inputSchema": {"type": "object", "properties": {"session_id": {}}},
                        "state": "session",
                    }
                ]
            },
            'tools[0].inputSchema.properties must not hold "session_id", which the generator adds',
        ),
    ],
)
def test_what_copier_prints_helps(change: dict[str, Any], message: str) -> None:
    """Each line says where, what was found and what is allowed."""
    document = {"name": "a", "targets": ["bun"], "tools": [], **change}
    (line,) = by_copier(document)
    assert message in line
    assert line.isascii() or line.isprintable()


def minimal(**parts: Any) -> dict[str, Any]:
    """Return the smallest manifest with something more in it."""
    return {"name": "a", "targets": ["bun"], "tools": [], **parts}


def with_tool(**parts: Any) -> dict[str, Any]:
    """Return the smallest manifest with a tool."""
    return minimal(tools=[{"name": "a", "inputSchema": {"type": "object"}, **parts}])


@pytest.mark.parametrize("key", ["vars", "secrets"])
@pytest.mark.parametrize("profile", profiles().values(), ids=lambda profile: profile.title)
def test_all_refuse_the_names_that_a_platform_has_a_use_for(key: str, profile: Profile) -> None:
    """A secret or a setting of such a name would be lost, or change how the server runs."""
    for name in profile.reserved:
        assert not agreed(minimal(**{key: {name.replace("*", "X1"): ""}}))
        assert agreed(minimal(**{key: {f"MY_{name.replace('*', 'X1')}": ""}}))
        if not name.endswith("*") and f"{name}_*" not in profile.reserved:
            assert agreed(minimal(**{key: {f"{name}_": ""}}))


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("https://notes.example.com/mcp", True),
        ("https://Notes.EXAMPLE.com:65535", True),
        ("http://localhost:1/mcp?a=b", True),
        ("https://xn--bcher-kva.example/mcp", True),
        ("http://127.0.0.1:8080/", True),
        ("http://[::1]:3000/v1/mcp", True),
        ("http://[2001:DB8::a:0:1]/mcp", True),
        ("http://[1:2:3:4:5:6:7:8]/mcp", True),
        ("http://[::ffff:192.0.2.1]/mcp", True),
        ("http://[::]/mcp", True),
        ("https://../mcp", False),
        ("https://-/mcp", False),
        ("https://-a.example/mcp", False),
        ("https://a-.example/mcp", False),
        ("https://a..example/mcp", False),
        ("https://a_b.example/mcp", False),
        ("https://example.com./mcp", False),
        ("https://" + "a" * 64 + ".example/mcp", False),
        ("https:///mcp", False),
        ("https://256.0.0.1/mcp", False),
        ("https://1.2.3/mcp", False),
        ("https://01.2.3.4/mcp", False),
        ("https://[::1/mcp", False),
        ("https://[1::2::3]/mcp", False),
        ("https://[1:2:3:4:5:6:7]/mcp", False),
        ("https://[1:2:3:4:5:6:7:8:9]/mcp", False),
        ("https://[12345::]/mcp", False),
        ("https://[]/mcp", False),
        ("https://a.example:0/mcp", False),
        ("https://a.example:/mcp", False),
        ("https://a.example:65536/mcp", False),
        ("https://a.example:99999/mcp", False),
        ("https://user@a.example/mcp", False),
        ("https://a.example/mcp#x", False),
        ("ftp://a.example/mcp", False),
    ],
)
def test_all_know_a_url_that_can_be_called(url: str, valid: bool) -> None:  # noqa: FBT001 - a column of the table
    """The host is a name or an address, the port is one that there is, and nothing secret is in it."""
    assert agreed(minimal(target_options={"bun": {"url": url}})) == valid
    if "[" in url and valid:
        IPv6Address(url.partition("[")[2].partition("]")[0])


@pytest.mark.parametrize(
    ("path", "valid"),
    [
        ("/", True),
        ("/mcp", True),
        ("/v1/~me/mcp.json", True),
        ("/.well-known/mcp", True),
        ("/..a/...", True),
        ("/" + "a" * 127, True),
        ("/" + "a" * 128, False),
        ("", False),
        ("//", False),
        ("/mcp/", False),
        ("/a//b", False),
        ("/.", False),
        ("/..", False),
        ("/a/../b", False),
        ("/a/./b", False),
        ("/healthz", False),
        ("/readyz", False),
        ("/robots.txt", False),
        ("/robotsxtxt", True),
        ("/api/mcp", False),
    ],
)
def test_all_know_a_path_that_a_url_can_have(path: str, valid: bool) -> None:  # noqa: FBT001 - likewise
    """What clients would resolve to another path, or what answers something else, is refused."""
    assert agreed(minimal(transport={"path": path})) == valid


@pytest.mark.parametrize("consistency", ["strong", "eventual", None])
@pytest.mark.parametrize("overall", ["strong", "eventual", None])
@pytest.mark.parametrize("provider", profiles())
def test_all_refuse_a_store_that_is_too_weak_for_what_is_said_beside_it(
    provider: str, overall: str | None, consistency: str | None
) -> None:
    """A store of the provider's is refused only where the same mapping asks for more than it gives."""
    stores = profiles()[provider].stores.ids
    for store in (*facts().stores, "nowhere"):
        options = {"store": store, **({"consistency": consistency} if consistency else {})}
        document = minimal(target_options={provider: {"session": options}})
        if overall:
            document["session"] = {"consistency": overall}
        known = facts().stores.get(store)
        weak = known is not None and known.consistency.value == "eventual"
        assert agreed(document) == (store in stores and not (weak and consistency == "strong"))


@pytest.mark.parametrize("key", ["inputSchema", "outputSchema"])
def test_all_refuse_a_handle_that_the_generator_adds(key: str) -> None:
    """A session tool that declares `session_id` itself would have two of them."""
    rules = {"type": "object", "properties": {"session_id": {"type": "string"}}}
    assert not agreed(with_tool(**{key: rules}, state="session"))
    assert agreed(with_tool(**{key: rules}, state="none"))
    assert agreed(with_tool(**{key: rules}))
    inside = {"type": "object", "properties": {"a": rules}}
    assert agreed(with_tool(**{key: inside}, state="session"))


@pytest.mark.parametrize("key", ["inputSchema", "outputSchema"])
def test_all_refuse_arguments_that_every_object_has(key: str, toolchain: Toolchain) -> None:
    """A validator in JavaScript finds them where nobody has sent them; deeper ones are left alone."""
    script = "process.stdout.write(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)))"
    found = subprocess.run([toolchain.node, "-e", script], capture_output=True, text=True, check=True)
    for name in json.loads(found.stdout):
        assert not agreed(with_tool(**{key: {"type": "object", "properties": {name: {}}}})), name
        assert not agreed(with_tool(**{key: {"type": "object", "required": [name]}})), name
        inside = {"type": "object", "properties": {"a": {"properties": {name: {}}}}}
        assert agreed(with_tool(**{key: inside}))


def test_keys_that_are_no_questions_are_found() -> None:
    """Copier would pass over a misspelt key of the data file without a word."""
    printed = macros.call("check", "unknown_keys", {"name": "a", "sesion": {}, 3: 4}, schema())
    assert [line.split(" (")[0] for line in printed.splitlines()] == [
        'mcp.yaml has no key "sesion"',
        "mcp.yaml has no key 3",
    ]
    assert not macros.call("check", "unknown_keys", {"name": "a", "tools": []}, schema())


def test_one_value_can_be_judged_by_itself() -> None:
    """A question is judged as soon as it is answered."""
    rules = schema()["properties"]
    assert not macros.call("check", "check", "notes", rules["name"], "name").strip()
    assert "name must be" in macros.call("check", "check", "No", rules["name"], "name")
    assert "targets must hold at least 1" in macros.call("check", "check", [], rules["targets"], "targets")


def test_the_schema_can_be_read_by_any_parser() -> None:
    """Escapes in it are written out, so that no file holds half a surrogate."""
    text = schema_text()
    assert text.isascii()
    assert json.loads(text) == schema()
