"""Expect of the targets of a project what its manifest says, or a monitor.json that was generated from it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaffolder.baseline import MANIFEST
from scaffolder.manifest import Invalid, load
from scaffolder.monitoring.expectation import (
    HEADER,
    Choice,
    Credential,
    Expectation,
    ExpectationError,
    checked,
    milliseconds,
    value_of,
)
from scaffolder.probe import LEGACY, MODERN, Era
from scaffolder.render import outline
from scaffolder.workbench import InvalidProjectError

MONITOR = "monitor/monitor.json"

TOOLS = "tools.json"
"""The expected result of `tools/list`, beside monitor.json."""


def of_project(folder: Path, targets: Sequence[str] = ()) -> tuple[Expectation, ...]:
    """Do what `in_project` does, whatever is left out."""
    return in_project(folder, targets).expectations


def of_monitor(path: Path, targets: Sequence[str] = ()) -> tuple[Expectation, ...]:
    """Do what `in_monitor` does, whatever is left out."""
    return in_monitor(path, targets).expectations


def in_project(folder: Path, targets: Sequence[str]) -> Choice:
    """Expect what the manifest of a project says, of some of its targets or of all that have a URL.

    Raises InvalidProjectError with all that is wrong with the manifest, and ExpectationError where there
    is none, or no such target.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ExpectationError(
            f"{folder} holds no {MANIFEST}, so it is no project"
            if folder.is_dir()
            else f"{folder}: no such folder",
            help=[f"give the folder of a project, which is the one that holds {MANIFEST}"],
        )
    loaded = load(path)
    if isinstance(loaded, Invalid):
        raise InvalidProjectError(loaded)
    files = outline(loaded.raw)
    document, listed = (json.loads(files[file].content()) for file in (MONITOR, f"monitor/{TOOLS}"))
    found = _of_monitor(document, listed, targets, str(path))
    return replace(found, expectations=tuple(replace(each, of_manifest=True) for each in found.expectations))


def in_monitor(path: Path, targets: Sequence[str]) -> Choice:
    """Expect what a monitor.json says, of some of its targets or of all that have a URL.

    Raises ExpectationError where it cannot be read, or has no such target.
    """
    document = _read(path)
    if not (isinstance(document, dict) and isinstance(document.get("targets"), dict)):
        known = path.with_name(Path(MONITOR).name)
        raise ExpectationError(
            f"{path} is no monitor.json: it has no `targets`",
            help=[f"give {known} instead"]
            if known != path and known.is_file()
            else ["mcp-scaffold regenerate"],
        )
    beside = path.with_name(TOOLS)
    listed = _read(beside) if beside.is_file() else None
    return _of_monitor(document, listed, targets, str(path))


def _of_monitor(document: Any, listed: Any, targets: Sequence[str], where: str) -> Choice:
    try:
        known = document["targets"]
        unknown = [target for target in targets if target not in known]
        if unknown:
            parts = [part.strip() for part in ",".join(targets).split(",")]
            raise ExpectationError(
                f"{', '.join(unknown)}: not among the targets of {where}, which are {', '.join(known)}",
                help=[f"repeat the option: {' '.join(f'--target {part}' for part in parts)}"]
                if set(parts) <= set(known)
                else [],
            )
        tools = None if listed is None else tuple(map(_tool, listed["tools"]))
        wanted = targets or [target for target, entry in known.items() if entry.get("url")]
        found = tuple(
            _of_target(document, tools, target, known[target], where) for target in dict.fromkeys(wanted)
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        message = f"{where} is not as `regenerate` writes it: {why}"
        raise ExpectationError(message, help=["mcp-scaffold regenerate"]) from error
    if not found:
        raise ExpectationError(
            f"{where} has no target with a URL",
            help=[f"set `target_options.{next(iter(known), 'TARGET')}.url` in {MANIFEST}, and regenerate"],
        )
    return Choice(found, () if targets else tuple(each for each in known if each not in wanted))


def _tool(listed: Any) -> Mapping[str, Any]:
    """Return a tool of tools.json. Raises ValueError for what is none."""
    if not (isinstance(listed, dict) and isinstance(listed.get("name"), str)):
        raise ValueError(f"{json.dumps(listed)[:60]} is no tool")  # noqa: TRY004 - the file is at fault
    return listed


def _of_target(
    document: Mapping[str, Any],
    tools: tuple[Mapping[str, Any], ...] | None,
    target: str,
    entry: Mapping[str, Any],
    where: str,
) -> Expectation:
    if not entry.get("url"):
        raise ExpectationError(
            f"{target} has no URL in {where}",
            help=[f"set `target_options.{target}.url` in {MANIFEST}, and regenerate"],
        )
    if not target.isprintable():
        raise ValueError(f"{json.dumps(target)} is no name of a target")
    server = document.get("server", {})
    revisions = tuple(map(str, document["protocol_versions"]))
    credentials = entry.get("credentials", ())
    return Expectation(
        name=target,
        headers=_headers(credentials),
        credentials=tuple(Credential(each["header"].lower(), each["variable"]) for each in credentials),
        url=checked(entry["url"], f"{target} in {where}"),
        timeout_ms=milliseconds(entry["timeout_ms"]),
        down_ms=milliseconds(entry["down_ms"]),
        tools_hash=document["tools_hash"],
        definitions_hash=document["definitions_hash"],
        tools=tools,
        server=server.get("name"),
        version=server.get("version"),
        eras=tuple(_eras(revisions)),
        revisions=revisions,
        auth=bool(entry.get("auth", False)),
        readiness=True,
    )


def _headers(entries: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Take the values of headers from the environment; those that it does not have are left out."""
    headers = {}
    for entry in entries:
        header, prefix, variable = entry["header"], entry["prefix"], entry["variable"]
        if not (HEADER.fullmatch(header) and prefix.isascii() and prefix.isprintable()):
            raise ValueError(
                f"{json.dumps(prefix)} cannot go before a value of the header {json.dumps(header)}"
            )
        if os.environ.get(variable, "").strip():
            headers[header.lower()] = prefix + value_of(os.environ, variable)
    return headers


def _eras(revisions: Sequence[str]) -> Iterator[Era]:
    if MODERN in revisions:
        yield Era.MODERN
    # All that came before the first modern revision begin with a handshake.
    if any(revision <= LEGACY for revision in revisions):
        yield Era.LEGACY


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExpectationError(f"{path} is no JSON: {error}") from error
