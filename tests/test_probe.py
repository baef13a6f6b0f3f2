"""A probe tells what a server is and, if it fails, at which layer."""

import json
import socket
import time
from typing import Any

import pytest
from fake_servers import TOOL, Answer, Handler, healthy, server

from scaffolder.exchanges import Layer
from scaffolder.probe import LEGACY, MODERN, Client, Era, get, probe


@pytest.mark.parametrize("stream", [False, True], ids=["json", "event-stream"])
def test_a_healthy_server(*, stream: bool) -> None:
    """Both eras greet and list, whatever kind of body the server prefers."""
    with server(lambda handler, message: healthy(handler, message, stream=stream)) as (url, _):
        report = probe(url)
    for era in (report.legacy, report.modern):
        assert era.failure is None
        assert era.tools == (TOOL,)
        assert era.server == {"name": "s"}
        assert all(value > 0 for value in era.latencies_ms.values())
    assert report.legacy.protocol_versions == (LEGACY,)
    assert report.modern.protocol_versions == (MODERN,)
    assert set(report.legacy.latencies_ms) == {"initialize", "tools/list"}
    assert set(report.modern.latencies_ms) == {"server/discover", "tools/list"}


def test_what_is_sent() -> None:
    """Each era has its own messages, headers and metadata; names are safe in a header."""
    with server(healthy) as (url, seen):
        probe(url, {"authorization": "Bearer x"})
        with Client(url) as client:
            client.call("a.b", {"x": 1})
            client.call("é", {}, Era.MODERN)
            client.call("a.b", {}, Era.LEGACY)
    methods = [message["method"] for message, _ in seen]
    assert methods == [
        *("initialize", "notifications/initialized", "tools/list"),
        *("server/discover", "tools/list"),
        *("tools/call", "tools/call", "tools/call"),
    ]
    versions = [headers.get("mcp-protocol-version") for _, headers in seen]
    assert versions == [None, LEGACY, LEGACY, MODERN, MODERN, MODERN, MODERN, LEGACY]
    assert all(headers.get("authorization") == "Bearer x" for _, headers in seen[:5])
    assert all(headers["accept"] == "application/json, text/event-stream" for _, headers in seen)
    for message, headers in seen[3:7]:
        assert headers["mcp-method"] == message["method"]
        assert message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == MODERN
    assert [headers.get("mcp-name") for _, headers in seen[5:]] == ["a.b", "=?base64?w6k=?=", None]


def in_session(handler: Handler, message: dict[str, Any]) -> None:
    """Answer as a server does that begins a session for every legacy client, and asks for it ever after."""
    if message["method"] == "initialize":
        handler.extra = {"Mcp-Session-Id": f"session-{message['id']}"}
    elif "_meta" not in message.get("params", {}) and "mcp-session-id" not in handler.headers:
        handler.send(400, "no session")
        return
    healthy(handler, message)


def test_a_session_is_carried_and_ended() -> None:
    """What a legacy server begins goes with every later legacy request, and nothing is left behind."""
    with server(in_session) as (url, seen):
        report = probe(url)
        with Client(url) as client:
            assert client.introduce(Era.LEGACY).failure is None
            assert client.call("a.b", {}, Era.LEGACY).failure is None
            assert client.call("a.b", {}).failure is None
            assert client.introduce(Era.LEGACY).session
    assert report.legacy.failure is None
    assert (report.legacy.session, report.modern.session) == (True, False)
    sent = [(message["method"], headers.get("mcp-session-id")) for message, headers in seen]
    first, second, third = "session-1", "session-1", "session-5"
    assert sent == [
        ("initialize", None),
        ("notifications/initialized", first),
        ("tools/list", first),
        ("server/discover", None),
        ("tools/list", None),
        ("DELETE", first),
        ("initialize", None),
        ("notifications/initialized", second),
        ("tools/list", second),
        ("tools/call", second),
        ("tools/call", None),
        ("DELETE", second),
        ("initialize", None),
        ("notifications/initialized", third),
        ("tools/list", third),
        ("DELETE", third),
    ]
    assert [
        headers["mcp-protocol-version"] for message, headers in seen if message["method"] == "DELETE"
    ] == [LEGACY] * 3


@pytest.mark.parametrize("given", ["", "a b", "\xe9"])
def test_a_session_that_no_header_can_carry(given: str) -> None:
    """It is the server's fault, and the probe says so."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        handler.extra = {"Mcp-Session-Id": given}
        healthy(handler, message)

    with server(answer) as (url, seen):
        failure = probe(url).legacy.failure
    assert failure is not None
    assert failure.layer is Layer.PROTOCOL
    assert "not visible ASCII" in failure.message
    assert not [message for message, _ in seen if message["method"] == "DELETE"]


def test_a_session_that_cannot_be_ended_is_no_failure() -> None:
    """A server may go away before the probe has taken its leave."""
    with server(in_session) as (url, _):
        client = Client(url, timeout=1)
        assert client.introduce(Era.LEGACY).session
    with client:
        pass


def test_a_server_without_sessions_is_asked_to_end_none() -> None:
    """It would have to refuse."""
    with server(healthy) as (url, seen):
        assert not probe(url).legacy.session
    assert not [message for message, _ in seen if message["method"] == "DELETE"]


def test_pages_of_tools_are_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in pages is one list; one that never ends is an error."""
    monkeypatch.setattr("scaffolder.probe.MAX_PAGES", 10)
    endless = False

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] != "tools/list":
            healthy(handler, message)
            return
        page = int(message["params"].get("cursor", "0"))
        more = {"nextCursor": str(page + 1)} if page < 2 or endless else {}
        handler.reply(message, {"tools": [{**TOOL, "name": f"t{page}"}], "resultType": "complete", **more})

    with server(answer) as (url, _):
        assert [tool["name"] for tool in probe(url).modern.tools] == ["t0", "t1", "t2"]
        endless = True
        failure = probe(url).modern.failure
    assert failure is not None
    assert str(failure) == "protocol: tools/list has more than 10 pages"


def send(status: int, body: str, kind: str = "application/json") -> Answer:
    """Answer everything alike."""
    return lambda handler, _: handler.send(status, body, kind)


def result(**members: Any) -> Answer:
    """Answer every request with one result."""
    return lambda handler, message: handler.reply(message, members)


def slow(handler: Handler, _: dict[str, Any]) -> None:
    """Send a little of an event stream, again and again."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    for _beat in range(20):
        handler.wfile.write(b": still here\n\n")
        time.sleep(0.05)
    handler.close_connection = True


FAILURES: list[tuple[Answer, Layer, str]] = [
    (send(503, "down for now", "text/plain"), Layer.HTTP, "server/discover: HTTP 503: down for now"),
    (send(308, ""), Layer.HTTP, "server/discover: HTTP 308"),
    (slow, Layer.HTTP, "server/discover: no answer in 0.5 s"),
    (
        send(200, "<html>", "text/html"),
        Layer.JSON_RPC,
        "server/discover: HTTP 200, a page of HTML: it is no MCP server",
    ),
    (
        send(501, "  <!DOCTYPE HTML>\n<p>no", "text/plain"),
        Layer.HTTP,
        "server/discover: HTTP 501, a page of HTML: it is no MCP server",
    ),
    (
        send(502, "<html>", "text/html"),
        Layer.HTTP,
        "server/discover: HTTP 502, a page of HTML: something in front of the server answers for it",
    ),
    (
        send(404, "no\n\n  such\tpage", "text/plain"),
        Layer.HTTP,
        "server/discover: HTTP 404: no such page",
    ),
    (send(200, "[" * 100_000), Layer.JSON_RPC, "the answer is nested deeper than 100 levels"),
    (send(200, '{"jsonrpc": "2.0", "id": 99, "result": {}}'), Layer.JSON_RPC, "no response with id"),
    (send(200, "data: {}\n\n", "text/event-stream"), Layer.JSON_RPC, "no response with id"),
    (
        send(400, '{"jsonrpc": "2.0", "id": null, "error": {"code": -32022, "message": "no such version"}}'),
        Layer.JSON_RPC,
        "server/discover: error -32022: no such version (HTTP 400)",
    ),
    (
        send(200, '{"jsonrpc": "2.0", "id": 2, "result": []}'),
        Layer.PROTOCOL,
        "server/discover: `result` is [] instead of a dict",
    ),
    (result(supportedVersions=[MODERN]), Layer.PROTOCOL, '`resultType` is null instead of "complete"'),
    (
        result(resultType="complete", supportedVersions=["2999-01-01"], capabilities={}),
        Layer.PROTOCOL,
        'server/discover advertises ["2999-01-01"], not the 2026-07-28 it answers in',
    ),
    (
        result(resultType="complete", supportedVersions=[MODERN], capabilities={}, tools=[{"name": 1}]),
        Layer.PROTOCOL,
        'tools/list holds what is no tool: {"name": 1}',
    ),
    (
        result(resultType="complete", supportedVersions=[MODERN], capabilities={}, tools=[{"name": "x"}]),
        Layer.PROTOCOL,
        "the tool x: `inputSchema` is null instead of a dict",
    ),
]


@pytest.mark.parametrize(("answer", "layer", "message"), FAILURES, ids=[failure[2] for failure in FAILURES])
def test_a_failure_names_its_layer(answer: Answer, layer: Layer, message: str) -> None:
    """Nothing raises: what is wrong is a value."""
    with server(answer) as (url, _), Client(url, timeout=0.5) as client:
        client.introduce(Era.LEGACY)
        client._id = 1  # noqa: SLF001 -- the same number whatever came before
        failure = client.introduce(Era.MODERN).failure
    assert failure is not None
    assert failure.layer is layer
    assert message in failure.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/mcp", "ftp://x/", "http://["])
def test_nobody_there(url: str) -> None:
    """An address that leads nowhere is a failure to connect."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = url.replace("{port}", str(unused.getsockname()[1]))
        report = probe(url, timeout=5)
        assert get(url) is None
    for era in (report.legacy, report.modern):
        assert era.failure is not None
        assert era.failure.layer is Layer.CONNECT


def test_a_stream_that_stays_open_has_answered() -> None:
    """The response counts when it is there, not when the server hangs up."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}})
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.end_headers()
        handler.wfile.write(f"data: {text}\n\n".encode())
        time.sleep(1)
        handler.close_connection = True

    with server(answer) as (url, _), Client(url) as client:
        report = client.call("x", {}, Era.LEGACY)
    assert report.failure is None
    assert report.latency_ms < 900


def test_a_call_that_failed_in_the_tool_is_an_answer() -> None:
    """What the tool says is for the caller to judge."""
    content = [{"type": "text", "text": "no"}, {"type": "image", "data": ""}, {"type": "text", "text": "way"}]
    with (
        server(result(resultType="complete", isError=True, content=content)) as (url, _),
        Client(url) as client,
    ):
        report = client.call("x", {})
    assert report.failure is None
    assert report.result["isError"] is True
    assert report.text == "no\nway"
