"""Under `legacy: sessions` a client of 2025 keeps its state by `Mcp-Session-Id`, on each real runtime."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from e2e import contract, servers
from e2e.clients.run import MATRIX, run
from e2e.contract import LEGACY, MODERN, Endpoint, assert_draft, call, send
from toolchain import Toolchain

from scaffolder.hashing import tools_hash
from scaffolder.probe import probe

pytestmark = pytest.mark.slow

PAGE = "http://localhost:5173"

# What a client of 2025 asks for, once it has initialized.
REQUESTS: Mapping[str, Any] = {
    "ping": {"jsonrpc": "2.0", "id": 2, "method": "ping"},
    "tools/list": {"jsonrpc": "2.0", "id": 3, "method": "tools/list"},
    "tools/call": {
        "jsonrpc": "2.0",
        "id": 4,
        "method": "tools/call",
        "params": {"name": "add_to_draft", "arguments": {"text": "lost"}},
    },
    "a notification": {"jsonrpc": "2.0", "method": "notifications/initialized"},
}


@pytest.fixture(scope="module")
def endpoints(
    toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Endpoint]]:
    """Serve all five runtimes at once."""
    manifest = servers.notes(["cloudflare", "deno", "vercel", "bun"], transport={"legacy": "sessions"})
    with servers.using(toolchain):
        projects = servers.generate_pair(tmp_path_factory.mktemp("projects"), manifest, toolchain)
        with servers.serving_all(projects) as served:
            yield {name: Endpoint(name, each.url, each.headers) for name, each in served.items()}


@pytest.fixture(params=list(servers.TARGETS))
def endpoint(request: pytest.FixtureRequest, endpoints: dict[str, Endpoint]) -> Endpoint:
    """Give each of the five."""
    return endpoints[request.param]


@pytest.mark.parametrize(("client", "mode"), MATRIX, ids=lambda part: part)
def test_a_client_keeps_its_draft(
    client: str, mode: str, endpoints: dict[str, Endpoint], toolchain: Toolchain
) -> None:
    """A client of 2025 needs nothing but its connection for it, one of 2026 passes the handle on."""
    for report in run(toolchain, client, mode, list(endpoints.values()), legacy="sessions"):
        contract.assert_contract(report, servers.TOOLS)


@pytest.mark.parametrize(
    "check",
    [check for check in contract.HTTP_CHECKS if check not in contract.STATELESS_CHECKS],
    ids=lambda check: check.__name__,
)
def test_http(check: Callable[[Endpoint], None], endpoint: Endpoint) -> None:
    """Guards, health and errors are those of a server without sessions."""
    # Vercel's launcher refuses a chunked body by itself, ahead of the function.
    if (check, endpoint.target) != (contract.assert_large_stream_refused, "vercel-node"):
        check(endpoint)


def test_initialize_begins_a_session(endpoint: Endpoint) -> None:
    """Each time another, which nobody can guess, and which a web page may read."""
    answers = [send(endpoint, 200, "initialize", headers={"origin": PAGE}) for _ in range(3)]
    sessions = {answer.headers["mcp-session-id"] for answer in answers}
    assert len(sessions) == 3
    assert all(map(contract.UUID.fullmatch, sessions))
    assert "mcp-session-id" in answers[0].headers["access-control-expose-headers"].lower()


def test_a_failed_initialize_begins_nothing(endpoint: Endpoint) -> None:
    """There is no session for whoever was told of an error."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}}
    answer = send(endpoint, 200, "initialize of no version", content=encode(body))
    assert "error" in answer.json()
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("what", REQUESTS)
def test_a_session_is_required(what: str, endpoint: Endpoint) -> None:
    """A client of 2025 that sends none is told so, in JSON-RPC."""
    assert_error(send(endpoint, 400, what, content=encode(REQUESTS[what])))


@pytest.mark.parametrize(
    "session",
    ["00000000-0000-4000-8000-000000000000", "not-a-handle", "mcp.", "../x", "%00", "x" * 2000],
    ids=lambda session: session[:36],
)
def test_an_unknown_session_is_not_found(session: str, endpoint: Endpoint) -> None:
    """That is how a client learns to begin another."""
    named = {"mcp-session-id": session}
    for what, body in REQUESTS.items():
        assert_error(send(endpoint, 404, what, headers=named, content=encode(body)))
    assert_error(send(endpoint, 404, "DELETE", "DELETE", named, content=None))


def test_delete_ends_a_session(endpoint: Endpoint) -> None:
    """It is not found any more and holds nothing, and another one goes on."""
    ended, other = {"mcp-session-id": begin(endpoint)}, {"mcp-session-id": begin(endpoint)}
    call(endpoint, LEGACY, "to be lost", headers=ended)
    call(endpoint, LEGACY, "to be kept", headers=other)
    send(endpoint, 204, "DELETE", "DELETE", ended, content=None)
    for what, body in REQUESTS.items():
        assert_error(send(endpoint, 404, what, headers=ended, content=encode(body)))
    assert_error(send(endpoint, 404, "DELETE again", "DELETE", ended, content=None))
    assert_draft(call(endpoint, LEGACY, "more", headers=other), ["to be kept", "more"], ["to be lost"])
    # As a handle, its name is as empty as one that was made up.
    reused = call(endpoint, LEGACY, "by name", headers=other, session_id=ended["mcp-session-id"])
    assert_draft(reused, ["by name"], ["to be lost", "to be kept"])


def test_delete_needs_a_session(endpoint: Endpoint) -> None:
    """There is none to end without its name."""
    assert_error(send(endpoint, 400, "DELETE", "DELETE", content=None))


def test_a_foreign_page_ends_no_session(endpoint: Endpoint) -> None:
    """The guards stand before DELETE too; to an allowed page the preflight says that it may."""
    named = {"mcp-session-id": begin(endpoint)}
    send(endpoint, 403, "DELETE", "DELETE", {**named, "origin": "https://evil.example"}, content=None)
    call(endpoint, LEGACY, "still there", headers=named)
    ask = {"origin": PAGE, "access-control-request-method": "DELETE"}
    preflight = send(endpoint, 204, "the preflight of DELETE", "OPTIONS", ask, content=None)
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    send(endpoint, 204, "DELETE", "DELETE", {**named, "origin": PAGE}, content=None)


def test_an_argument_goes_before_the_header(endpoint: Endpoint) -> None:
    """A session_id is the session of its call, and that of the connection is left alone."""
    handle = contract.HANDLE.search(call(endpoint, MODERN, "by handle").text)
    assert handle
    named = {"mcp-session-id": begin(endpoint)}
    header = call(endpoint, LEGACY, "by header", headers=named)
    assert_draft(header, ["by header"], ["by handle", "session_id: "])
    both = call(endpoint, LEGACY, "by both", headers=named, session_id=handle[1])
    assert_draft(both, ["by handle", "by both"], ["by header", "session_id: "])
    last = call(endpoint, LEGACY, "the last", headers=named)
    assert_draft(last, ["by header", "the last"], ["by handle", "by both", "session_id: "])


def test_a_client_of_2026_is_in_no_session(endpoint: Endpoint) -> None:
    """Whatever header it sends, it starts with nothing and is given a handle."""
    live = begin(endpoint)
    call(endpoint, LEGACY, "by header", headers={"mcp-session-id": live})
    for session in (live, "left-over"):
        answer = call(endpoint, MODERN, "modern", headers={"mcp-session-id": session})
        assert_draft(answer, ["modern", "session_id: "], ["by header"])
        assert "mcp-session-id" not in answer.headers


def test_there_is_no_stream_in_a_session(endpoint: Endpoint) -> None:
    """GET is refused at once, with a session or without, for it would only hang."""
    for headers in ({}, {"mcp-session-id": begin(endpoint)}, {"mcp-session-id": "left-over"}):
        allowed = send(endpoint, 405, "GET", "GET", headers, content=None).headers["allow"]
        assert {"POST", "DELETE"} <= set(allowed.split(", "))


def test_a_probe_sees_both_eras(endpoint: Endpoint) -> None:
    """It asks a client of 2025's questions within a session, and finds the same tools as one of 2026."""
    report = probe(endpoint.url, endpoint.headers)
    assert [report.legacy.failure, report.modern.failure] == [None, None]
    assert [report.legacy.session, report.modern.session] == [True, False]
    assert tools_hash(report.legacy.tools) == tools_hash(report.modern.tools)


def begin(endpoint: Endpoint) -> str:
    """Initialize, and return the session."""
    session: str = send(endpoint, 200, "initialize").headers["mcp-session-id"]
    return session


def encode(body: object) -> bytes:
    """Write a JSON body."""
    return json.dumps(body).encode()


def assert_error(answer: Any) -> None:
    """Check that an answer is an error as JSON-RPC words it."""
    error = answer.json()["error"]
    assert isinstance(error["code"], int)
    assert error["message"]
