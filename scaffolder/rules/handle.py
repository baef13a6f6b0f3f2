"""The rule about `session_id`: whether the schemas that it is added to leave room for it."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

from scaffolder.manifest import Loaded
from scaffolder.manifest.model import HANDLE
from scaffolder.manifest.wording import code
from scaffolder.rules.remarks import Remark
from scaffolder.rules.subschemas import SAME_MANY, Schema, followed, inside, mapping, walk

# As a server mints them: lengths and patterns are held against it.
_MINTED = "7c0e2b5a-94d1-4f3e-8a6b-d25f90c417be"

# More schemas than anyone writes to say what a text is: whoever has more runs in circles.
_MOST = 50

_REFERENCES = ("$ref", "$dynamicRef")

_EFFECTS = {
    "inputSchema": "clients that validate cannot pass it on",
    "outputSchema": "clients that validate refuse results that hold it",
}

_CURES = {
    "additionalProperties": "move the properties to the root of the schema, or drop the restriction",
    "unevaluatedProperties": "move it to the root of the schema, or drop it",
    "properties": "choose another name for this property",
    "patternProperties": f"choose a pattern that does not match `{HANDLE}`",
    "propertyNames": f"allow `{HANDLE}` among the names, or drop the restriction",
    "maxProperties": "allow for one more, or drop the restriction",
}


def sealed_schema(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a schema that leaves no room for the `session_id` of a tool with `state: session`.

    Why: the generator adds `session_id` to the `properties` at the root of the `inputSchema` and of
    the `outputSchema`. A part that allows only the properties which it names itself, such as an
    object with `additionalProperties: false` behind a `$ref` or in an `anyOf`, knows nothing of
    what the root names. A client that validates cannot pass the session on, or refuses the results.

    What to do: move the properties from the part to the root of the schema, where
    `additionalProperties: false` and `unevaluatedProperties: false` do no harm, or drop the
    restriction. What restricts the names or the number of properties has to allow for one more.
    """
    for index, tool in enumerate(loaded.raw["tools"]):
        for key, effect in _EFFECTS.items() if tool.get("state") == "session" else ():
            rules = tool.get(key, {})
            advertised = {**rules, "properties": {**mapping(rules, "properties"), HANDLE: {}}}
            root = Schema(("tools", index, key), advertised)
            for part in walk(root, partial(_applied, root=root)):
                for keyword, *name in _refusals(part, root):
                    yield Remark(
                        (*part.place, keyword, *name),
                        f"{code(keyword)} refuses the `{HANDLE}` that is added to the `{key}` of "
                        f"`{tool['name']}`",
                        effect,
                        _CURES[keyword],
                        key=True,
                    )


def _applied(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Give the schemas that a value has to fit, or may have to, to fit this one."""
    # What `if` and `not` refuse may be welcome, and without `if` its branches mean nothing.
    idle = {"if", "not"} if "if" in schema.rules else {"then", "else", "not"}
    for inner in inside(schema):
        if inner.adds and inner.place[len(schema.place)] not in idle:
            yield inner
    yield from _referred(schema.rules, root)


def _referred(rules: Mapping[str, Any], root: Schema) -> Iterator[Schema]:
    for key in _REFERENCES:
        ref = rules.get(key)
        found = followed(root, ref) if isinstance(ref, str) else None
        if found and isinstance(found[1], dict):
            yield Schema(*found)


def _refusals(part: Schema, root: Schema) -> Iterator[tuple[str, ...]]:
    """Find the keywords of one schema that refuse a handle, each with the name that stands below it."""
    rules, named = part.rules, mapping(part.rules, "properties")
    if _refuses(named.get(HANDLE), _MINTED, root):
        yield "properties", HANDLE
    for pattern, value in _matching(rules):
        if _refuses(value, _MINTED, root):
            yield "patternProperties", pattern
    if not _names_it(rules):
        yield from _seals(part, root)
    if _refuses(rules.get("propertyNames"), HANDLE, root):
        yield ("propertyNames",)
    most = _number(rules, "maxProperties")
    filled = len({*mapping(root.rules, "properties"), *named} - {HANDLE})
    # A larger number has room for everything that is known by name.
    if most is not None and most <= max(1, filled, _number(rules, "minProperties") or 0):
        yield ("maxProperties",)


def _seals(part: Schema, root: Schema) -> Iterator[tuple[str]]:
    """Find the keyword that refuses what a schema does not name."""
    rules = part.rules
    if "additionalProperties" in rules:
        if _refuses(rules["additionalProperties"], _MINTED, root):
            yield ("additionalProperties",)
    elif _refuses(rules.get("unevaluatedProperties"), _MINTED, root):
        parts = [one.rules for one in walk(part, partial(_applied, root=root))]
        if not any(_names_it(one) or "additionalProperties" in one for one in parts):
            yield ("unevaluatedProperties",)


def _names_it(rules: Mapping[str, Any]) -> bool:
    return HANDLE in mapping(rules, "properties") or any(True for _ in _matching(rules))


def _matching(rules: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for pattern, value in mapping(rules, "patternProperties").items():
        if _matches(pattern, HANDLE):
            yield pattern, value


def _refuses(schema: Any, text: str, root: Schema, judged: dict[int, bool] | None = None) -> bool:
    """Tell whether a schema refuses a text for certain."""
    judged = {} if judged is None else judged
    if not isinstance(schema, dict):
        return schema is False
    if id(schema) not in judged and len(judged) < _MOST:
        judged[id(schema)] = False  # as long as it is not known, for it may lead back to itself
        parts = [one.rules for one in _referred(schema, root)]
        for key in SAME_MANY:
            several = schema.get(key)
            if isinstance(several, list) and several:
                refused = [_refuses(one, text, root, judged) for one in several]
                judged[id(schema)] |= any(refused) if key == "allOf" else all(refused)
        judged[id(schema)] |= _unfit(schema, text) or any(_refuses(one, text, root, judged) for one in parts)
    return judged.get(id(schema), False)


def _unfit(rules: Mapping[str, Any], text: str) -> bool:
    """Tell whether one of the keywords that speak of a text itself refuses it."""
    kinds, pattern = rules.get("type", "string"), rules.get("pattern")
    least, most = _number(rules, "minLength"), _number(rules, "maxLength")
    return (
        "string" not in (kinds if isinstance(kinds, list) else [kinds])
        or ("const" in rules and rules["const"] != text)
        or (isinstance(rules.get("enum"), list) and text not in rules["enum"])
        or (least is not None and len(text) < least)
        or (most is not None and len(text) > most)
        or (isinstance(pattern, str) and not _matches(pattern, text, unknown=True))
    )


def _number(rules: Mapping[str, Any], key: str) -> float | None:
    found = rules.get(key)
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def _matches(pattern: str, text: str, *, unknown: bool = False) -> bool:
    """Look for a pattern in a text, in linear time whatever the pattern; what it cannot read is `unknown`."""
    try:
        judge = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return unknown
    return judge.isinstance_python(text)
