"""Which rules a document breaks: those of the models, and those that join several parts of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from scaffolder.manifest.model import HANDLE, Manifest


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule that a document breaks: which, where, and by what."""

    kind: str
    place: tuple[str | int, ...]
    value: object
    context: Mapping[str, Any] = field(default_factory=dict)


def validate(document: object) -> tuple[Manifest | None, list[Fault]]:
    """Give the manifest that a document is, or every rule that it breaks.

    What no field can know by itself is found here: `Manifest.model_validate` alone lets it through.
    """
    manifest: Manifest | None = None
    faults: list[Fault] = []
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        faults = [
            Fault(found["type"], found["loc"], found["input"], found.get("ctx", {}))
            for found in error.errors(include_url=False)
        ]
    if isinstance(document, dict):
        faults += [
            *_repeated_names(document),
            *_undeclared_secrets(document),
            *_shared_names(document),
            *_added_properties(document),
        ]
    return (None if faults else manifest), faults


def _tools(document: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    tools = document.get("tools")
    if isinstance(tools, list):
        yield from ((index, tool) for index, tool in enumerate(tools) if isinstance(tool, dict))


def _repeated_names(document: Mapping[str, Any]) -> Iterator[Fault]:
    """`x-unique-by`: file systems that ignore case would keep one file for two tools."""
    first: dict[str, int] = {}
    for index, tool in _tools(document):
        name = tool.get("name")
        if isinstance(name, str) and first.setdefault(name.lower(), index) != index:
            yield Fault("repeated_name", ("tools", index, "name"), name, {"first": first[name.lower()]})


def _undeclared_secrets(document: Mapping[str, Any]) -> Iterator[Fault]:
    """`x-references`: a tool reads only what the manifest declares."""
    declared = document.get("secrets")
    known = declared if isinstance(declared, dict) else {}
    for index, tool in _tools(document):
        wanted = tool.get("secrets")
        for position, name in enumerate(wanted if isinstance(wanted, list) else ()):
            if isinstance(name, str) and name not in known:
                yield Fault("undeclared", ("tools", index, "secrets", position), name)


def _shared_names(document: Mapping[str, Any]) -> Iterator[Fault]:
    """`x-disjoint`: secrets and settings are variables of one environment."""
    secrets, settings = document.get("secrets"), document.get("vars")
    if isinstance(secrets, dict) and isinstance(settings, dict):
        yield from (
            Fault("shared_name", ("vars", name), name)
            for name in settings
            if isinstance(name, str) and name in secrets
        )


def _added_properties(document: Mapping[str, Any]) -> Iterator[Fault]:
    """`x-adds`: a property of the same name would be lost, or take the session's place."""
    for index, tool in _tools(document):
        if tool.get("state") != "session":
            continue
        for key in ("inputSchema", "outputSchema"):
            schema = tool.get(key)
            properties = schema.get("properties") if isinstance(schema, dict) else None
            if isinstance(properties, dict) and HANDLE in properties:
                yield Fault("added_property", ("tools", index, key, "properties", HANDLE), HANDLE)
