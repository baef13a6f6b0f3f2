"""What every generated server promises: assertions over a client's report, and over plain HTTP."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx

from scaffolder.hashing import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server under test; `headers` are what the platform in front of it would add."""

    target: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


# Ten calls, for a draft that is kept over fewer may yet be lost.
_PARTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# What the clients do. `sessions.calls` are the arguments of each session, sent in turns.
SCENARIO: Mapping[str, Any] = {
    "pure": {"name": "lookup_user", "arguments": {"id": 'u-1 "é" ☕ \u2028'}},
    "wrong": [
        {"name": "lookup_user", "arguments": {"id": 7}},
        {"name": "lookup_user", "arguments": {}},
        {"name": "add_to_draft", "arguments": {"text": None}},
    ],
    "unknown": {"name": "no_such_tool", "arguments": {}},
    "sessions": {
        "name": "add_to_draft",
        "calls": [
            [{"text": f"first draft, {part}"} for part in _PARTS],
            [{"text": f"second draft, {part}"} for part in _PARTS],
        ],
        "forged": {"name": "add_to_draft", "arguments": {"text": "forged", "session_id": "not-a-handle"}},
    },
}

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
INVALID_PARAMS = -32602
PARSE_ERROR = -32700

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
HANDLE = re.compile(f"session_id: ({UUID.pattern})")

_ADVERTISED = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")

_CONTENT_TYPES = {"json": "application/json", "sse": "text/event-stream"}


def assert_contract(report: Json, manifest_tools: Iterable[Json], *, response: str = "json") -> None:
    """Fail with every promise that the server broke towards one client."""
    problems = [f"the client gave up: {report['error']}"] if "error" in report else []
    if not problems:
        problems += _connection(report)
        problems += _listing(report, manifest_tools)
        problems += _calls(report)
        problems += _sessions(report)
    problems += _exchanges(report, response)
    if problems:
        who = f"{report['target']}, client {report['client']} ({report['mode']})"
        raise AssertionError("\n- ".join([f"{who}:", *problems]))


def _connection(report: Json) -> Iterator[str]:
    era, version = ("legacy", LEGACY) if report["mode"] == "legacy" else ("modern", MODERN)
    if (report["era"], report["version"]) != (era, version):
        yield f"negotiated {report['version']} ({report['era']}), not {version} ({era})"


def _listing(report: Json, manifest_tools: Iterable[Json]) -> Iterator[str]:
    expected = {tool["name"]: tool for tool in manifest_tools}
    found = {tool["name"]: tool for tool in report["tools"]}
    if len(report["tools"]) != len(found) or sorted(expected) != sorted(found):
        yield f"tools/list names {[tool['name'] for tool in report['tools']]}, the manifest {list(expected)}"
        return
    for name, tool in expected.items():
        want = {key: tool[key] for key in _ADVERTISED if key in tool}
        have = found[name]
        if tool.get("state") == "session":
            have, problems = _without_handle(have, want)
            yield from problems
        if canonical(have) != canonical(want):
            yield f"{name} is advertised as\n    {json.dumps(have)}\n  declared as\n    {json.dumps(want)}"


def _without_handle(have: Json, want: Json) -> tuple[Json, list[str]]:
    """Take the handle that the generator adds to a session tool back out of its schemas."""
    bare, problems = dict(have), []
    for key in ("inputSchema", "outputSchema"):
        declared = want.get(key, {}).get("properties", {})
        if key not in have or "session_id" in declared:
            continue
        properties = dict(have[key].get("properties", {}))
        handle = properties.pop("session_id", None)
        if not isinstance(handle, dict) or handle.get("type") != "string":
            problems.append(f"{have['name']}: {key} has no string property session_id, but {handle!r}")
        if "session_id" in have[key].get("required", []):
            problems.append(f"{have['name']}: {key} requires session_id")
        bare[key] = {**have[key], "properties": properties}
        if not properties and "properties" not in want.get(key, {}):
            del bare[key]["properties"]
    return bare, problems


def _calls(report: Json) -> Iterator[str]:
    arguments = SCENARIO["pure"]["arguments"]
    pure = report["pure"]
    if pure.get("isError") or len(pure["content"]) != 1 or not _holds(pure["content"][0], arguments):
        yield f"the pure tool did not answer with its arguments {arguments}: {pure}"
    calls = [*SCENARIO["wrong"], SCENARIO["sessions"]["forged"]]
    for call, outcome in zip(calls, [*report["wrong"], report["forged"]], strict=True):
        result = outcome.get("result", {})
        if result.get("isError") is not True or not any(_texts(result)):
            yield f"{call} is no result with isError and a text, but {outcome}"
    if report["unknown"].get("code") != INVALID_PARAMS:
        yield f"an unknown tool is no error {INVALID_PARAMS}, but {report['unknown']}"


def _sessions(report: Json) -> Iterator[str]:
    calls = SCENARIO["sessions"]["calls"]
    sessions = report["sessions"]
    by_handle = report["session_by"] == "handle"
    handles = [session.get("handle") for session in sessions]
    if by_handle and len(set(handles)) != len(handles):
        yield f"two sessions share a handle: {handles}"
    for own, session in enumerate(sessions):
        others = [call["text"] for other, drafts in enumerate(calls) if other != own for call in drafts]
        texts = [call["text"] for call in calls[own]]
        for turn, result in enumerate(session["results"]):
            where = f"session {own + 1}, call {turn + 1}"
            yield from _turn(where, result, texts[: turn + 1], [*texts[turn + 1 :], *others])
            announced = [found[1] for text in _texts(result) if (found := HANDLE.fullmatch(text))]
            if announced != (handles[own : own + 1] if by_handle and turn == 0 else []):
                yield f"{where}: announces {announced}, the session is {handles[own]}: {result}"


def _turn(where: str, result: Json, held: Sequence[str], absent: Sequence[str]) -> Iterator[str]:
    answer = "\n".join(_texts(result))
    if result.get("isError"):
        yield f"{where}: fails: {answer}"
        return
    positions = [answer.find(text) for text in held]
    if -1 in positions or positions != sorted(positions):
        yield f"{where}: holds not {held} in this order, but {answer!r}"
    strangers = [text for text in absent if text in answer]
    if strangers:
        yield f"{where}: holds {strangers}, which were never sent to it: {answer!r}"


def _exchanges(report: Json, response: str) -> Iterator[str]:
    expected = _CONTENT_TYPES[response]
    for exchange in report["exchanges"]:
        status, kind = exchange["status"], exchange["type"] or ""
        if exchange["method"] == "POST" and status == 200 and not kind.startswith(expected):
            yield f"answers {kind}, not {expected}: {exchange}"
    yield from _by_header(report) if report["session_by"] == "header" else _without_header(report)


def _without_header(report: Json) -> Iterator[str]:
    for exchange in report["exchanges"]:
        if exchange["session"] is not None:
            yield f"sends Mcp-Session-Id, though it keeps no protocol session: {exchange}"
        if exchange["method"] != "POST" and exchange["status"] != 405:
            yield f"{exchange['method']} is answered with {exchange['status']}, not 405"


def _by_header(report: Json) -> Iterator[str]:
    """Each connection begins without a session, is given its own, and ends it."""
    exchanges = report["exchanges"]
    begun = [exchange["session"] for exchange in exchanges if exchange["sent"] is None]
    ended = [exchange["sent"] for exchange in exchanges if exchange["method"] == "DELETE"]
    connections = len(report.get("sessions", begun))
    if len(set(begun)) != connections or not all(begun) or not all(map(UUID.fullmatch, filter(None, begun))):
        yield f"{connections} connections are given the sessions {begun}, not a version 4 UUID each"
    if sorted(ended) != sorted(filter(None, begun)):
        yield f"the sessions {begun} are begun, {ended} are ended"
    for exchange in exchanges:
        if exchange["sent"] is not None and exchange["session"] is not None:
            yield f"gives a session to whoever has one: {exchange}"
        expected = {"POST": (200, 202), "GET": (405,), "DELETE": (204,)}[exchange["method"]]
        if exchange["status"] not in expected:
            yield f"{exchange['method']} is answered with {exchange['status']}, not {expected}: {exchange}"


def _holds(block: Json, value: object) -> bool:
    try:
        return bool(json.loads(block["text"]) == value)
    except (KeyError, ValueError):
        return False


def _texts(result: Json) -> list[str]:
    return [block["text"] for block in result.get("content", []) if block["type"] == "text"]


# Letter for letter, and so without the `capabilities` that the protocol asks for.
GUIDE_BODY = (
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05",'
    '"clientInfo":{"name":"health-check","version":"1.0"}}}'
)
_INITIALIZE: Mapping[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "health-check", "version": "1.0"},
    },
}
_POST_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def assert_curl_initializes(endpoint: Endpoint, *, response: str = "json") -> None:
    """Check the guide's own command: its `| jq` wants the answer as JSON, unless streams were asked for."""
    headers = {**endpoint.headers, "Content-Type": "application/json", "Accept": _POST_HEADERS["accept"]}
    options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = [
        "curl",
        "-sS",
        "--noproxy",
        "*",
        "-m",
        "20",
        "-X",
        "POST",
        endpoint.url,
        *options,
        "-d",
        GUIDE_BODY,
    ]
    status = ["-w", "\n%{http_code} %{content_type}"]
    done = subprocess.run([*command, *status], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{endpoint.target}: curl ended with {done.returncode}: {done.stderr}")
    body, _, last = done.stdout.rpartition("\n")
    if not last.startswith(f"200 {_CONTENT_TYPES[response]}"):
        raise AssertionError(
            f"{endpoint.target}: curl got {last}, not 200 {_CONTENT_TYPES[response]}: {body}"
        )
    if response == "sse":
        body = next(line.removeprefix("data:") for line in body.splitlines() if line.startswith("data:"))
    version = json.loads(body).get("result", {}).get("protocolVersion")
    if version != "2024-11-05":
        raise AssertionError(f"{endpoint.target}: curl asked for 2024-11-05 and got {version}: {body}")


def assert_foreign_origin_refused(endpoint: Endpoint) -> None:
    """Check that a web page of another site can neither ask nor call."""
    for method in ("OPTIONS", "POST", "GET"):
        send(endpoint, 403, f"{method} from a foreign origin", method, {"origin": "https://evil.example"})


def assert_foreign_host_refused(endpoint: Endpoint) -> None:
    """Check that a name that is not the server's leads nowhere, which is what stops DNS rebinding."""
    # Where a platform stands in front, its forwarded name is the one that counts.
    name = "x-forwarded-host" if "x-forwarded-host" in endpoint.headers else "host"
    send(endpoint, 403, "a foreign host", headers={name: "evil.example"})


def assert_allowed_origin_answered(endpoint: Endpoint, origin: str = "http://localhost:5173") -> None:
    """Check that an allowed page may ask (the preflight), call, and read the answer."""
    ask = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, mcp-protocol-version",
    }
    preflight = send(endpoint, 204, "a preflight from an allowed origin", "OPTIONS", ask, content=None)
    call = send(endpoint, 200, "a call from an allowed origin", headers={"origin": origin})
    for answer in (preflight, call):
        allowed = answer.headers.get("access-control-allow-origin")
        if allowed != origin:
            raise AssertionError(f"{endpoint.target}: {origin} is allowed, the answer says {allowed!r}")
    methods = preflight.headers.get("access-control-allow-methods", "")
    if "POST" not in methods:
        raise AssertionError(f"{endpoint.target}: the preflight allows {methods!r}, not POST")
    headers = preflight.headers.get("access-control-allow-headers", "").lower()
    for header in ("content-type", "mcp-protocol-version"):
        if header not in headers:
            raise AssertionError(f"{endpoint.target}: the preflight allows {headers!r}, not {header}")


def assert_other_methods_refused(endpoint: Endpoint) -> None:
    """Check that there is no stream to open and no session to end."""
    for method in ("GET", "DELETE"):
        answer = send(endpoint, 405, method, method, content=None)
        if "POST" not in answer.headers.get("allow", ""):
            raise AssertionError(f"{endpoint.target}: {method}: Allow is {answer.headers.get('allow')!r}")


def assert_stray_session_ignored(endpoint: Endpoint) -> None:
    """Check that a left-over session changes nothing: some clients never begin again after a 404."""
    stray = {"mcp-session-id": "left-over"}
    for era in (LEGACY, MODERN):
        answer = call(endpoint, era, "stray", headers=stray)
        assert_draft(answer, ["stray", "session_id: "])
        if "mcp-session-id" in answer.headers:
            raise AssertionError(f"{endpoint.target}: a session was begun for {era}: {answer.headers}")


def assert_large_body_refused(endpoint: Endpoint, limit: int = 1_048_576) -> None:
    """Check that a body of the limit passes and one byte more does not."""
    full = _filled(limit)
    send(endpoint, 200, f"a body of {limit} bytes", content=full)
    send(endpoint, 413, f"a body of {limit + 1} bytes", content=full + b" ")


def assert_large_stream_refused(endpoint: Endpoint, limit: int = 1_048_576) -> None:
    """Check the same for a body that comes in chunks and does not say how long it is."""
    full = _filled(limit)
    for size, status in ((limit, 200), (limit + 1, 413)):
        body = full.ljust(size)
        chunks = (body[start : start + 65_536] for start in range(0, size, 65_536))
        send(endpoint, status, f"a chunked body of {size} bytes", content=chunks)


def _filled(size: int) -> bytes:
    return json.dumps(_INITIALIZE).encode().ljust(size)


def assert_malformed_json_refused(endpoint: Endpoint) -> None:
    """Check that what is not JSON is a parse error, as JSON-RPC words it."""
    for content in (b'{"jsonrpc":', b"", b"\xff\xfe"):
        answer = send(endpoint, 400, f"the body {content!r}", content=content)
        code = answer.json().get("error", {}).get("code")
        if code != PARSE_ERROR:
            raise AssertionError(f"{endpoint.target}: the body {content!r}: {answer.text}, not {PARSE_ERROR}")


def assert_other_media_types_refused(endpoint: Endpoint) -> None:
    """Check that only JSON is read: a form or plain text is what a page can send without a preflight."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        send(endpoint, 415, f"Content-Type {kind}", headers={"content-type": kind})


def assert_unknown_path_refused(endpoint: Endpoint) -> None:
    """Check that nothing is served beside the declared paths."""
    for method in ("GET", "POST"):
        send(endpoint, 404, f"{method} /no-such-path", method, path="/no-such-path")


def assert_healthy(endpoint: Endpoint) -> None:
    """Check /healthz: it says that the process answers, whatever is missing."""
    send(endpoint, 200, "/healthz", "GET", path="/healthz", content=None)


def assert_ready(endpoint: Endpoint, missing: Sequence[str] = ()) -> None:
    """Check /readyz: it says yes, or names each secret that is missing."""
    answer = send(endpoint, 503 if missing else 200, "/readyz", "GET", path="/readyz", content=None)
    named = answer.json().get("missing", [])
    if sorted(named) != sorted(missing):
        raise AssertionError(f"{endpoint.target}: /readyz names {named}, missing are {list(missing)}")


# Those that need nothing but the endpoint of a server with default settings and all its secrets. Leave out
# `assert_large_stream_refused` behind Vercel's own dev server for Node: that cannot pass on a chunked body.
# Under `legacy: sessions`, leave out STATELESS_CHECKS.
HTTP_CHECKS = (
    assert_curl_initializes,
    assert_foreign_origin_refused,
    assert_foreign_host_refused,
    assert_allowed_origin_answered,
    assert_other_methods_refused,
    assert_stray_session_ignored,
    assert_large_body_refused,
    assert_large_stream_refused,
    assert_malformed_json_refused,
    assert_other_media_types_refused,
    assert_unknown_path_refused,
    assert_healthy,
    assert_ready,
)

# What is otherwise where there are sessions to name and to end.
STATELESS_CHECKS = (assert_other_methods_refused, assert_stray_session_ignored)


def call(
    endpoint: Endpoint,
    era: str,
    text: str,
    *,
    headers: Mapping[str, str] | None = None,
    **arguments: str,
) -> httpx.Response:
    """Add to the draft, as a client of either era does."""
    params: Json = {"name": "add_to_draft", "arguments": {"text": text, **arguments}}
    sent = {"mcp-protocol-version": era, **(headers or {})}
    if era == MODERN:
        prefix = "io.modelcontextprotocol"
        params["_meta"] = {
            f"{prefix}/protocolVersion": era,
            f"{prefix}/clientInfo": {"name": "contract", "version": "1.0.0"},
            f"{prefix}/clientCapabilities": {},
        }
        sent |= {"mcp-method": "tools/call", "mcp-name": params["name"]}
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    return send(endpoint, 200, f"{era}: {text}", headers=sent, content=json.dumps(body).encode())


def assert_draft(answer: httpx.Response, held: Sequence[str], absent: Sequence[str] = ()) -> None:
    """Check that a draft holds some texts in this order, and none of the others."""
    problems = list(_turn(str(answer.url), answer.json()["result"], held, absent))
    if problems:
        raise AssertionError("\n".join(problems))


def send(  # noqa: PLR0913 - one request, each part of it optional
    endpoint: Endpoint,
    status: int,
    what: str,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    *,
    path: str = "",
    content: bytes | Iterable[bytes] | None = json.dumps(_INITIALIZE).encode(),
) -> httpx.Response:
    """Send what is an `initialize` unless told otherwise, and expect the status."""
    try:
        answer = httpx.request(
            method,
            urljoin(endpoint.url, path),
            headers={**(_POST_HEADERS if content is not None else {}), **endpoint.headers, **(headers or {})},
            content=None if method == "GET" else content,
            timeout=20,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise AssertionError(f"{endpoint.target}: {what}: {status} expected, {error!r} came") from error
    if answer.status_code != status:
        raise AssertionError(
            f"{endpoint.target}: {what}: {status} expected, {answer.status_code} came: {answer.text[:500]}"
        )
    return answer
