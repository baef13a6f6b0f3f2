"""What stands in a JSON Schema: the schemas inside of it, and where its references lead."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from scaffolder.manifest.findings import Place

_ONE = (
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_SAME_ONE = ("not", "if", "then", "else")
SAME_MANY = ("allOf", "anyOf", "oneOf")
_MANY = ("items", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_SAME_NAMED = ("dependentSchemas",)
# What speaks of the same value as the schema around it, so that `required` may name what stands there.
_SAME = {*_SAME_ONE, *SAME_MANY, *_SAME_NAMED}


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema inside of a tool's: where it stands, and whether it only adds to the one around it."""

    place: Place
    rules: Mapping[str, Any]
    adds: bool = False


def everything(schema: Schema) -> Iterator[Schema]:
    """Walk over a schema and every schema inside of it, each once however often an alias repeats it."""
    return walk(schema, inside)


def walk(schema: Schema, onward: Callable[[Schema], Iterator[Schema]]) -> Iterator[Schema]:
    """Walk on from a schema to those that it leads to, each once however many ways lead there."""
    pending, seen = [schema], {id(schema.rules)}
    for one in pending:  # grows while it is read
        yield one
        for other in onward(one):
            if id(other.rules) not in seen:
                seen.add(id(other.rules))
                pending.append(other)


def inside(schema: Schema) -> Iterator[Schema]:
    """Give the schemas that stand directly in a schema."""
    for key, value in schema.rules.items():
        steps_of = _WALKS.get(key)
        if steps_of:
            for steps, rules in steps_of(value):
                if isinstance(rules, dict):
                    yield Schema((*schema.place, key, *steps), rules, key in _SAME)


def followed(root: Schema, ref: str) -> tuple[Place, Any] | None:
    """Follow a JSON Pointer (RFC 6901), or look for an anchor: None if it leads nowhere or outside."""
    pointer = unquote(ref[1:])
    if not ref.startswith("#"):
        return None
    if pointer and not pointer.startswith("/"):
        anchored = (one for one in everything(root) if pointer in _anchors(one))
        return next(((one.place, one.rules) for one in anchored), None)
    place, found = root.place, root.rules
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            place, found = (*place, int(step)), found[int(step)]
        elif isinstance(found, dict) and step in found:
            place, found = (*place, step), found[step]
        else:
            return None
    return place, found


def mapping(rules: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Give the mapping under a key, or an empty one where there is none."""
    found = rules.get(key)
    return found if isinstance(found, dict) else {}


def _anchors(schema: Schema) -> list[str]:
    return [str(schema.rules[key]) for key in ("$anchor", "$dynamicAnchor") if key in schema.rules]


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
    **dict.fromkeys((*_MANY, *SAME_MANY), _many),
    **dict.fromkeys((*_NAMED, *_SAME_NAMED), _named),
}
