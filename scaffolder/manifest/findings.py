"""A broken rule together with where it stands and what the schema says of that place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from scaffolder.diagnostics import Span
from scaffolder.manifest.faults import Fault
from scaffolder.manifest.positions import Document, Entry
from scaffolder.manifest.wording import code

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]

KEY = "[key]"
"""How pydantic's places say that a key is meant, not its value."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault together with where it stands and what the schema says of that place."""

    fault: Fault
    document: Document
    schema: Schema
    place: Place
    entry: Entry | None

    @property
    def name(self) -> str:
        """The path to the place, as a user would say it."""
        return code(path(self.place))

    @property
    def node(self) -> yaml.Node | None:
        """What was written there."""
        return self.entry.value if self.entry else None

    def rules(self, place: Place | None = None) -> Schema:
        """Give the part of the schema that rules the place of the fault, or another."""
        return _rules(self.schema, self.fault.place if place is None else place)

    def span(self, *, key: bool = False) -> Span:
        """Point at the value, or at its key where the value is empty or goes over several lines."""
        if self.entry is None:
            return Span(self.document.file)
        value = self.entry.value
        lines = value.end_mark.line - value.start_mark.line
        short = not lines and value.end_mark.column > value.start_mark.column
        if self.entry.key is not None and (key or not short):
            return self.document.span(self.entry.key)
        if not short and isinstance(value, yaml.MappingNode) and value.value:
            return self.document.span(value.value[0][0])
        return self.document.span(value)


def path(place: Place) -> str:
    """Write a place as the path that leads to it."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return steps.removeprefix(".") or "the manifest"


def locate(document: Document, schema: Schema, fault: Fault) -> Finding:
    """Find where a fault stands."""
    place = tuple(step for step in fault.place if step != KEY)
    return Finding(fault, document, schema, place, document.find(place))


def _rules(schema: Schema, place: Place) -> Schema:
    """Follow a place down the schema; what a reference says beside itself counts more."""
    rules: Schema = schema
    for step, after in zip(place, (*place, None)[1:], strict=True):
        if after == KEY:
            rules = rules.get("propertyNames", {})
            break
        if isinstance(step, int):
            rules = rules.get("items", {})
        else:
            inner = rules.get("properties", {}).get(step, rules.get("additionalProperties"))
            rules = inner if isinstance(inner, Mapping) else {}
        if "$ref" in rules:
            rules = {**schema["$defs"][rules["$ref"].rpartition("/")[2]], **rules}
    return rules
