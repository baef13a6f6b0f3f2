"""Rules about the JSON Schemas of tools: what common clients cannot digest, and what is likely a slip."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from scaffolder.manifest import Loaded
from scaffolder.manifest.findings import Place
from scaffolder.manifest.model import HANDLE
from scaffolder.manifest.wording import closest, code, listed
from scaffolder.providers import facts
from scaffolder.rules.remarks import Limit, Remark, both

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")

# What other languages call them.
_ALIASES = {
    "any": "object",
    "bool": "boolean",
    "date": "string",
    "dict": "object",
    "double": "number",
    "float": "number",
    "int": "integer",
    "list": "array",
    "map": "object",
    "none": "null",
    "str": "string",
    "text": "string",
}

_ONE = (
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_SAME_ONE = ("not", "if", "then", "else")
_SAME_MANY = ("allOf", "anyOf", "oneOf")
_MANY = ("items", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_SAME_NAMED = ("dependentSchemas",)
# What speaks of the same value as the schema around it, so that `required` may name what stands there.
_SAME = {*_SAME_ONE, *_SAME_MANY, *_SAME_NAMED}
_OTHER_SOURCES = ("$ref", "$dynamicRef", "patternProperties", *_SAME_MANY)


@dataclass(frozen=True, slots=True)
class _Schema:
    """A schema inside of a tool's: where it stands, and whether it only adds to the one around it."""

    place: Place
    rules: Mapping[str, Any]
    adds: bool = False


def outside_reference(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a `$ref` that leads out of its schema.

    Why: a client gets the schema and nothing else. It fetches no file and no URL, so it shows the
    model an argument of which nothing is known, or refuses the tool.

    What to do: copy what it refers to under `$defs`, and refer to `#/$defs/name`.
    """
    for subject, schema, ref in _references(loaded):
        if not ref.startswith("#"):
            yield Remark(
                (*schema.place, "$ref"),
                f"{code(ref)} lies outside of {subject}, where no client looks for it",
                None,
                "copy it under `$defs`, and refer to it as `#/$defs/...`",
            )


def broken_reference(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a `$ref` that leads nowhere.

    Why: clients fail on it when they read the list of tools, and some then show none of them.

    What to do: mend the reference, or add what it names. (Some clients resolve no reference at all:
    a schema that has none is understood everywhere.)
    """
    roots = _roots(loaded)
    for subject, schema, ref in _references(loaded):
        root = next(root for place, root in roots if schema.place[: len(place)] == place)
        if ref.startswith("#") and not _leads_somewhere(root, ref):
            names = [f"#/{key}/{name}" for key in ("$defs", "definitions") for name in _mapping(root, key)]
            meant = closest(ref, names)
            yield Remark(
                (*schema.place, "$ref"),
                f"{code(ref)} leads nowhere in {subject}",
                f"did you mean {code(meant)}?" if meant else None,
                None if meant else f"defined there: {listed(names)}" if names else "nothing is defined there",
            )


def root_combination(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a combination of schemas at the root of a tool's `inputSchema`.

    Why: the protocol allows it, but the interfaces of large models refuse it there, and with it the
    whole request: one such tool, and a client can call none at all. Some clients leave the tool
    out without a word.

    What to do: move it into a property, where it is accepted. Or declare all the arguments as
    optional, say in the description which belong together, and check it in the handler.
    """
    clients = facts().clients.schemas
    for index, tool in enumerate(loaded.raw["tools"]):
        for key in tool["inputSchema"]:
            refusing = [one.title for one in clients if key in one.refused.value]
            if refusing:
                yield Remark(
                    ("tools", index, "inputSchema", key),
                    f"{both(refusing)} refuse{'s' * (len(refusing) == 1)} {code(key)} at the root of "
                    f"an `inputSchema`, here of `{tool['name']}`",
                    None,
                    "move it into a property, or check it in the handler",
                    key=True,
                )


def refused_keywords() -> Iterator[Limit]:
    """Say what is refused at the root."""
    for one in facts().clients.schemas:
        yield Limit(one.title, f"no {listed(one.refused.value)}", one.refused.source)


def unknown_type(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a `type` that JSON Schema does not have.

    Why: no value has it, so a validator accepts nothing, or refuses the schema; a client that
    builds a form or a type from it fails.

    What to do: choose among string, integer, number, boolean, array, object and null. Several are
    a list; what has no `type` may be anything.
    """
    for subject, schema in _schemas(loaded):
        found = schema.rules.get("type", "object")
        for position, name in enumerate(found if isinstance(found, list) else [found]):
            if name not in TYPES:
                meant = closest(str(name), TYPES) or _ALIASES.get(str(name).lower())
                yield Remark(
                    (*schema.place, "type", *([position] if isinstance(found, list) else [])),
                    f"{code(str(name))} is no type of JSON Schema, here in {subject}",
                    f"did you mean `{meant}`?" if meant else None,
                    f"types are {listed(TYPES)}",
                )


def required_without_property(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a required property that is not among the properties.

    Why: it is valid, and mostly a misspelling: a call has to pass an argument of which the schema
    says nothing, while the one that was meant is optional.

    What to do: correct the name, or declare the property.
    """
    tools = loaded.manifest.tools
    for subject, schema in _schemas(loaded):
        required, rules = schema.rules.get("required"), schema.rules
        is_root = len(schema.place) == 3  # noqa: PLR2004 - tools, index, key
        described = isinstance(rules.get("properties"), dict)
        if not isinstance(required, list) or schema.adds or not (described or is_root):
            continue
        if isinstance(rules.get("additionalProperties"), dict) or any(key in rules for key in _OTHER_SOURCES):
            continue
        known = [*_mapping(rules, "properties")]
        if is_root and tools[int(schema.place[1])].state == "session":
            known.append(HANDLE)
        for position, name in enumerate(required):
            if name not in known:
                meant = closest(str(name), known)
                yield Remark(
                    (*schema.place, "required", position),
                    f"{code(str(name))} is required, but not among the `properties` of {subject}",
                    f"did you mean `{meant}`?" if meant else None,
                    None if meant else "declare it there, or delete it here",
                )


def _references(loaded: Loaded) -> Iterator[tuple[str, _Schema, str]]:
    if "$ref" in loaded.document.text:  # few manifests have any
        for subject, schema in _schemas(loaded):
            ref = schema.rules.get("$ref")
            if isinstance(ref, str):
                yield subject, schema, ref


def _roots(loaded: Loaded) -> list[tuple[Place, Mapping[str, Any]]]:
    return [
        (("tools", index, key), tool[key])
        for index, tool in enumerate(loaded.raw["tools"])
        for key in ("inputSchema", "outputSchema")
        if key in tool
    ]


def _schemas(loaded: Loaded) -> Iterator[tuple[str, _Schema]]:
    """Walk over every schema of every tool, each once however often an alias repeats it."""
    for place, root in _roots(loaded):
        subject = f"the `{place[-1]}` of `{loaded.raw['tools'][place[1]]['name']}`"
        pending, seen = [_Schema(place, root)], {id(root)}
        for schema in pending:  # grows while it is read
            yield subject, schema
            for inner in _inside(schema):
                if id(inner.rules) not in seen:
                    seen.add(id(inner.rules))
                    pending.append(inner)


def _inside(schema: _Schema) -> Iterator[_Schema]:
    for key, value in schema.rules.items():
        walk = _WALKS.get(key)
        if walk:
            for steps, rules in walk(value):
                if isinstance(rules, dict):
                    yield _Schema((*schema.place, key, *steps), rules, key in _SAME)


_Steps = Iterator[tuple[Place, Any]]


def _one(value: Any) -> _Steps:
    yield (), value


def _many(value: Any) -> _Steps:
    if isinstance(value, list):
        yield from (((index,), item) for index, item in enumerate(value))
    else:
        yield (), value


def _named(value: Any) -> _Steps:
    if isinstance(value, dict):
        yield from (((name,), item) for name, item in value.items())


_WALKS: dict[str, Callable[[Any], _Steps]] = {
    **dict.fromkeys((*_ONE, *_SAME_ONE), _one),
    **dict.fromkeys((*_MANY, *_SAME_MANY), _many),
    **dict.fromkeys((*_NAMED, *_SAME_NAMED), _named),
}


def _leads_somewhere(root: Mapping[str, Any], ref: str) -> bool:
    """Follow a JSON Pointer (RFC 6901), or look for an anchor."""
    pointer = unquote(ref[1:])
    if pointer and not pointer.startswith("/"):
        return any(pointer == name for name in _anchors(root))
    found: Any = root
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            return False
    return True


def _anchors(root: Mapping[str, Any]) -> Iterator[str]:
    pending, seen = [_Schema((), root)], {id(root)}
    for schema in pending:  # grows while it is read
        yield from (str(schema.rules[key]) for key in ("$anchor", "$dynamicAnchor") if key in schema.rules)
        for inner in _inside(schema):
            if id(inner.rules) not in seen:
                seen.add(id(inner.rules))
                pending.append(inner)


def _mapping(rules: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = rules.get(key)
    return found if isinstance(found, dict) else {}
