"""Ask a served project what a client would ask, and compare the answers with its manifest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from scaffolder import probe
from scaffolder.baseline import MANIFEST
from scaffolder.hashing import DEFINITION, HashError, canonical, definitions_hash, tools_hash
from scaffolder.probe import Client, Era, EraReport
from scaffolder.serving import Endpoint
from scaffolder.workbench import Project

EXPECTED = "monitor/monitor.json"

EXCHANGE_SECONDS = 30.0

# The argument that a session tool gets beside those that the manifest declares.
HANDLE = "session_id"

Tool = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a server lists, and everything about it that is not as the project says."""

    tools: tuple[Tool, ...] = ()
    tools_hash: str | None = None
    definitions_hash: str | None = None
    problems: tuple[str, ...] = ()


def inspect(project: Project, endpoint: Endpoint) -> Inspection:
    """Greet a server and list its tools in each era, and compare with the manifest."""
    report = probe.probe(endpoint.url, endpoint.headers, EXCHANGE_SECONDS)
    eras = [report.legacy, report.modern]
    problems = list(_readiness(endpoint))
    legacy = project.manifest.get("transport", {}).get("legacy", "stateless")
    if legacy == "reject":
        eras.remove(report.legacy)
        if report.legacy.failure is None:
            problems.append(f"legacy era: {MANIFEST} says that it is rejected, and the server answers")
    elif report.legacy.failure is None and report.legacy.session != (legacy == "sessions"):
        does = "begins a session" if report.legacy.session else "begins no session"
        problems.append(f"legacy era: {MANIFEST} says `{legacy}`, and the server {does}")
    hashes = {}
    for era in eras:
        try:
            problems += _greeting(project, era)
            hashes[era.era] = (tools_hash(era.tools), definitions_hash(era.tools))
        except HashError as error:
            problems.append(f"{era.era} era: tools/list has {error}")
    if problems:
        # Lists that are not there or have no canonical form differ from everything.
        return Inspection(report.modern.tools, problems=tuple(problems))
    if len(set(hashes.values())) > 1:
        problems.append("tools/list differs between the two eras")
    differences = list(_differences(project.manifest["tools"], report.modern.tools))
    found = hashes[Era.MODERN]
    problems += [*differences, *_hash_problems(project, found, explained=bool(differences))]
    return Inspection(report.modern.tools, *found, tuple(problems))


def call_examples(project: Project, endpoint: Endpoint, tools: Sequence[Tool]) -> Iterator[str | None]:
    """Call every read-only tool with its examples; yield for each call what is wrong, or None."""
    declared = {tool["name"]: tool for tool in project.manifest["tools"]}
    longest = max((tool.get("max_seconds", 0) for tool in declared.values()), default=0)
    with Client(endpoint.url, endpoint.headers, max(EXCHANGE_SECONDS, longest + 5.0)) as client:
        for tool in tools:
            name = tool["name"]
            unset = set(declared.get(name, {}).get("secrets", ())) & set(endpoint.placeholders)
            for arguments in examples(tool):
                said = _call(client, name, arguments)
                if said and unset:
                    said += f" (no value is set for {', '.join(sorted(unset))}, so it ran with a placeholder)"
                yield said


def examples(tool: Tool) -> list[Mapping[str, Any]]:
    """Return the arguments to try a tool with: none unless it says that it only reads."""
    if (tool.get("annotations") or {}).get("readOnlyHint") is not True:
        return []
    schema = tool["inputSchema"]
    given = schema.get("examples")
    if isinstance(given, list) and given:
        return [example for example in given if isinstance(example, dict)]
    return [] if schema.get("required") else [{}]


def _call(client: Client, name: str, arguments: Mapping[str, Any]) -> str | None:
    report = client.call(name, arguments)
    if report.failure is not None:
        return f"`{name}` with {_json(arguments)}: {report.failure}"
    if report.result.get("isError"):
        return f"`{name}` with {_json(arguments)} answered with an error: {report.text}"
    return None


def _readiness(endpoint: Endpoint) -> Iterator[str]:
    answer = probe.get(f"{endpoint.origin}/readyz", endpoint.headers, EXCHANGE_SECONDS)
    if answer is None:
        yield "/readyz does not answer"
    elif answer[0] != HTTPStatus.OK:
        yield f"/readyz answers HTTP {answer[0]}: {answer[1][:300]}"


def _greeting(project: Project, era: EraReport) -> Iterator[str]:
    if era.failure is not None:
        yield f"{era.era} era: {era.failure}"
        return
    wanted = probe.LEGACY if era.era is Era.LEGACY else probe.MODERN
    if wanted not in era.protocol_versions:
        spoken = ", ".join(era.protocol_versions)
        yield f"{era.era} era: asked for revision {wanted}, the server speaks {spoken}"
    name = project.manifest["name"]
    if era.server and era.server.get("name") != name:
        said = _json(era.server.get("name"))
        yield f"{era.era} era: the server calls itself {said} instead of {_json(name)}"


def _differences(declared: Sequence[Tool], live: Sequence[Tool]) -> Iterator[str]:
    """Name the tools that are not served as the manifest declares them."""
    served = {tool["name"]: tool for tool in live}
    for tool in declared:
        name = tool["name"]
        if name not in served:
            yield f"`{name}` is in {MANIFEST} and is not served"
            continue
        other = _without_handle(tool, served.pop(name))
        keys = [key for key in DEFINITION if not _same(tool, other, key)]
        if keys:
            yield f"`{name}` is served with another {' and '.join(keys)} than {MANIFEST} declares"
    for name in served:
        yield f"`{name}` is served and is not in {MANIFEST}"


def _same(declared: Tool, live: Tool, key: str) -> bool:
    if key not in declared or key not in live:
        return key not in declared and key not in live
    return canonical(declared[key]) == canonical(live[key])


def _without_handle(declared: Tool, live: Tool) -> Tool:
    """Take back what the generator adds to the schemas of a session tool."""
    if declared.get("state") != "session":
        return live
    plain = dict(live)
    for key in ("inputSchema", "outputSchema"):
        mine, theirs = declared.get(key), live.get(key)
        if not isinstance(mine, dict) or not isinstance(theirs, dict):
            continue
        properties = {name: schema for name, schema in theirs.get("properties", {}).items() if name != HANDLE}
        plain[key] = {**theirs, "properties": properties}
        if not properties and "properties" not in mine:
            del plain[key]["properties"]
    return plain


def _hash_problems(project: Project, found: tuple[str, str], *, explained: bool) -> Iterator[str]:
    path = project.folder / EXPECTED
    try:
        expected = json.loads(path.read_bytes())
        hashes = (expected["tools_hash"], expected["definitions_hash"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"{EXPECTED} names no hashes to compare with: {type(error).__name__}: {error}"
        return
    for name, mine, theirs in zip(("tools_hash", "definitions_hash"), found, hashes, strict=True):
        if mine != theirs:
            why = "" if explained else f"; the tools are as {MANIFEST} says, so {EXPECTED} is out of date"
            yield f"{name} is {mine}, and {EXPECTED} expects {theirs}{why}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
