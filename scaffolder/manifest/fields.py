"""Field types of the manifest: each rule is a validator and the schema keyword that says the same."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

LARGEST_INTEGER = 2**53 - 1
"""Beyond it JavaScript rounds, so a client would read another number than the one written."""

MAX_DEPTH = 64
"""How deep a JSON value may nest; real schemas stay under 20, and a recursive alias never ends."""

REPLACED = "x-defined-as"
"""Marks, while the schema is being made, what becomes a reference to a shared definition."""

T = TypeVar("T")


class _NotNull:
    """Lets a key be left out, but refuses a null: absent stays absent and nothing is filled in."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take the null out of what is validated and emitted."""
        nullable = handler(source)
        inner: CoreSchema = nullable["schema"] if nullable["type"] == "nullable" else nullable
        return inner


Maybe = Annotated[T | None, _NotNull()]


@dataclass(frozen=True, eq=False)
class OneOf:
    """One of some strings that are known only at run time, which a `Literal` cannot name."""

    values: Sequence[str]

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate as a literal."""
        return core_schema.literal_schema(list(self.values))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Emit the values."""
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, eq=False)
class Except:
    """Refuses some strings that the pattern lets through, each with what it is reserved for.

    A star at the end of one stands for any ending.
    """

    reserved: Mapping[str, str]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate the string first, then the exception."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Emit the exception, and why it is one."""
        names = [re.escape(name.removesuffix("*")) + ".*" * name.endswith("*") for name in self.reserved]
        refused = {"pattern": f"^({'|'.join(names)})$"}
        return {**handler(schema), "not": refused, "x-reserved-for": dict(self.reserved)}

    def _check(self, value: str) -> str:
        for name, reason in self.reserved.items():
            if value == name or (name[-1] == "*" and value.startswith(name[:-1])):
                raise PydanticCustomError("reserved", "reserved for {reason}", {"reason": reason})
        return value


@dataclass(frozen=True, eq=False)
class ByTarget:
    """A mapping whose keys are providers, each with a model of its own."""

    models: Mapping[str, type[BaseModel]]

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate each provider's value by its own model."""
        fields = {
            name: core_schema.typed_dict_field(handler.generate_schema(model), required=False)
            for name, model in self.models.items()
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid", strict=True)


def matching(pattern: str, wanted: str) -> Any:
    """Ask for a string of some form, and say in words which; editors and our messages show the words."""
    return Field(pattern=pattern, json_schema_extra={"patternErrorMessage": wanted})


def refuse(problems: Sequence[InitErrorDetails]) -> None:
    """Raise all of the problems together, each with its place, if there are any."""
    if problems:
        title = "manifest"
        raise ValidationError.from_exception_data(title, list(problems))


def _unique(items: list[str]) -> list[str]:
    """Refuse every item that stood before in the list."""
    refuse(
        [
            InitErrorDetails(
                type=PydanticCustomError("repeated", "stands here twice"), loc=(index,), input=item
            )
            for index, item in enumerate(items)
            if item in items[:index]
        ]
    )
    return items


Unique = (AfterValidator(_unique), Field(json_schema_extra={"uniqueItems": True}))


def is_text(value: str) -> bool:
    """Tell whether a string can be written as UTF-8: a lone half of a surrogate pair cannot."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _json_problems(value: object) -> Iterator[tuple[tuple[str | int, ...], str, object]]:
    """Find what JSON cannot hold, or what clients would read differently, wherever it stands."""
    pending: list[tuple[tuple[str | int, ...], object]] = [((), value)]
    seen: set[int] = set()
    for place, item in pending:  # grows while it is read
        if isinstance(item, str):
            problem = None if is_text(item) else "not_text"
        elif isinstance(item, (dict, list)):
            problem = None
            if id(item) not in seen:
                seen.add(id(item))
                if isinstance(item, list):
                    pending.extend(((*place, index), child) for index, child in enumerate(item))
                else:
                    pending.extend(((*place, key), child) for key, child in item.items())
                    if not all(isinstance(key, str) and is_text(key) for key in item):
                        problem = "key_not_text"
        elif isinstance(item, int):
            problem = None if -LARGEST_INTEGER <= item <= LARGEST_INTEGER else "unsafe_integer"
        elif isinstance(item, float):
            problem = None if math.isfinite(item) else "finite_number"
        else:
            problem = None if item is None else "not_json"
        if problem:
            yield place, problem, item


def _json(value: object) -> object:
    refuse(
        [
            InitErrorDetails(type=PydanticCustomError(problem, "not a value of JSON"), loc=place, input=item)
            for place, problem, item in _json_problems(value)
        ]
    )
    return value


def _json_object(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean_schema", "not a mapping")
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "not a mapping")
    return _json(value)


def shallow(value: object) -> object:
    """Refuse what nests deeper than `MAX_DEPTH`, recursive values among it."""
    level = [value]
    for _ in range(MAX_DEPTH):
        children: dict[int, object] = {}
        for item in level:
            if isinstance(item, (dict, list)):
                children.update(
                    (id(child), child) for child in (item.values() if isinstance(item, dict) else item)
                )
        level = list(children.values())
        if not any(isinstance(item, (dict, list)) for item in level):
            return value
    raise PydanticCustomError("too_deep", "nests too deep")


def _text(value: str) -> str:
    if not is_text(value):
        raise PydanticCustomError("not_text", "holds half a surrogate pair")
    return value


# Rust's regular expressions, which pydantic asks, have no surrogates: hence a validator of our own.
TEXT = r"^[^\uD800-\uDFFF]*$"
Text = Annotated[str, AfterValidator(_text), Field(json_schema_extra={"pattern": TEXT})]
Json = Annotated[Any, PlainValidator(_json), WithJsonSchema({REPLACED: "JsonValue"})]
JsonObject = Annotated[dict[str, Any], PlainValidator(_json_object), WithJsonSchema({REPLACED: "JsonObject"})]

_VALUE: dict[str, object] = {"$ref": "#/$defs/JsonValue"}
_NAMES: dict[str, object] = {"type": "string", "pattern": TEXT}
DEFINITIONS: dict[str, object] = {
    "JsonValue": {
        "description": "Any value of JSON that every client reads alike.",
        "type": ["null", "boolean", "number", "string", "array", "object"],
        "x-safe-integers": True,
        "pattern": TEXT,
        "items": _VALUE,
        "propertyNames": _NAMES,
        "additionalProperties": _VALUE,
    },
    "JsonObject": {"type": "object", "propertyNames": _NAMES, "additionalProperties": _VALUE},
}
"""The shared definitions that `Json` and `JsonObject` refer to: what `_json` checks, as a schema."""
