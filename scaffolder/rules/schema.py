"""Rules about the JSON Schemas of tools: what common clients cannot digest, and what is likely a slip."""

from collections.abc import Iterator

from scaffolder.manifest import Loaded
from scaffolder.manifest.model import HANDLE
from scaffolder.manifest.wording import closest, code, listed
from scaffolder.providers import facts
from scaffolder.rules.remarks import Limit, Remark, both
from scaffolder.rules.subschemas import SAME_MANY, Schema, everything, followed, mapping

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

_OTHER_SOURCES = ("$ref", "$dynamicRef", "patternProperties", *SAME_MANY)


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
        root = next(root for root in roots if schema.place[: len(root.place)] == root.place)
        if ref.startswith("#") and not followed(root, ref):
            names = [
                f"#/{key}/{name}" for key in ("$defs", "definitions") for name in mapping(root.rules, key)
            ]
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
        known = [*mapping(rules, "properties")]
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


def _references(loaded: Loaded) -> Iterator[tuple[str, Schema, str]]:
    if "$ref" in loaded.document.text:  # few manifests have any
        for subject, schema in _schemas(loaded):
            ref = schema.rules.get("$ref")
            if isinstance(ref, str):
                yield subject, schema, ref


def _roots(loaded: Loaded) -> list[Schema]:
    return [
        Schema(("tools", index, key), tool[key])
        for index, tool in enumerate(loaded.raw["tools"])
        for key in ("inputSchema", "outputSchema")
        if key in tool
    ]


def _schemas(loaded: Loaded) -> Iterator[tuple[str, Schema]]:
    """Walk over every schema of every tool."""
    for root in _roots(loaded):
        subject = f"the `{root.place[-1]}` of `{loaded.raw['tools'][root.place[1]]['name']}`"
        yield from ((subject, schema) for schema in everything(root))
