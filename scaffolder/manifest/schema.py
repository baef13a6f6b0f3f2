"""The JSON Schema of the manifest, emitted from its models for editors, Copier and our messages."""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from scaffolder.manifest.fields import DEFINITIONS, REPLACED
from scaffolder.manifest.model import Manifest

_COMMENT = (
    "Emitted from the models; do not edit. Keywords of its own: x-unique-by (no two items hold the same "
    "value under that key, without regard to case), x-references (each item of the list named second lists, "
    "under the first name, only keys of the document's mapping of the first name), x-disjoint (the named "
    "mappings share no key), x-adds (a tool of that `state` declares no property of that name at the root of "
    "its schemas), x-max-depth (how deep lists and mappings may nest), x-safe-integers (integers "
    "lie within 2^53-1); x-unsupported and x-reserved-for explain a refusal. An integer is written without "
    "a point, and `$` in a pattern is the very end."
)


class _Emitter(GenerateJsonSchema):
    """Emits what an editor can use: no made-up titles, no null defaults, keys checked by name."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the base class's signature
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {
            "type": "object",
            "propertyNames": self.generate_inner(schema["keys_schema"]),
            "additionalProperties": self.generate_inner(schema["values_schema"]),
        }

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002 - likewise
        return value  # the order of the fields is the order to read them in

    def generate(
        self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation"
    ) -> JsonSchemaValue:
        made: JsonSchemaValue = _refer(super().generate(schema, mode))
        made["$defs"] = {**made["$defs"], **DEFINITIONS}
        return {"$schema": self.schema_dialect, "$comment": _COMMENT, **made}


def _refer(node: Any) -> Any:
    if isinstance(node, Mapping):
        if REPLACED in node:
            rest = {key: value for key, value in node.items() if key != REPLACED}
            return {"$ref": f"#/$defs/{node[REPLACED]}", **rest}
        return {key: _refer(value) for key, value in node.items()}
    return [_refer(item) for item in node] if isinstance(node, list) else node


@cache
def schema() -> dict[str, Any]:
    """Emit the JSON Schema of the manifest: for editors, for Copier's check and for the messages."""
    return Manifest.model_json_schema(schema_generator=_Emitter)


def schema_text() -> str:
    """Print the schema as `templates/_data/manifest.schema.json` holds it."""
    from scaffolder.render import pretty  # noqa: PLC0415 - who only validates needs no templates

    return pretty(schema()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
