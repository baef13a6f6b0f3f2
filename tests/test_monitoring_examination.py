"""Every way in which a server can fail is found on a real socket, and named for what it is."""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import certificates
import pytest
from fake_servers import TOOL, Answer, Handler, healthy, server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.expectation import Expectation, ExpectationError
from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import Probed, probe, probe_all
from scaffolder.monitoring.prometheus import exposition
from scaffolder.monitoring.verdict import State
from scaffolder.probe import LEGACY, MODERN, Era
from scaffolder.reports.probe import as_json

METHODS = [
    *("server/discover", "initialize", "notifications/initialized", "tools/list", "tools/call", "error")
]

MEMBERS = [
    *("supportedVersions", "protocolVersion", "capabilities", "serverInfo", "name", "version", "tools"),
    *(
        "inputSchema",
        "annotations",
        "readOnlyHint",
        "nextCursor",
        "resultType",
        "content",
        "isError",
        "_meta",
    ),
]

READY = {"/healthz": (200, "{}"), "/readyz": (200, '{"status": "ready"}')}

EXPECTED = Expectation(
    name="production",
    url="",
    timeout_ms=30_000,
    down_ms=60_000,
    tools_hash=tools_hash([TOOL]),
    definitions_hash=definitions_hash([TOOL]),
    tools=(TOOL,),
    server="s",
    eras=(Era.MODERN, Era.LEGACY),
    revisions=(MODERN, LEGACY),
    readiness=True,
)
ANY = Expectation("any", "")


def probed(
    answer: Answer,
    expectation: Expectation = EXPECTED,
    pages: Mapping[str, tuple[int, str]] = READY,
) -> Probed:
    """Probe a server that behaves as the test says."""
    with server(answer, pages=pages) as (url, _):
        return probe(replace(expectation, url=url))


def listing(*tools: dict[str, Any]) -> Answer:
    """Behave well, and list other tools."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] != "tools/list":
            healthy(handler, message)
            return
        modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
        handler.reply(message, {"tools": list(tools), **modern})

    return answer


def calling_itself(**server_info: str) -> Answer:
    """Behave well, under another name."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "server/discover":
            result = {"supportedVersions": [MODERN], "capabilities": {}, "resultType": "complete"}
            handler.reply(message, {**result, "serverInfo": server_info})
        elif message["method"] == "initialize":
            handler.reply(message, {"protocolVersion": LEGACY, "capabilities": {}, "serverInfo": server_info})
        else:
            healthy(handler, message)

    return answer


def saying(status: int, body: str, kind: str = "application/json", **headers: str) -> Answer:
    """Answer everything alike."""

    def answer(handler: Handler, _: dict[str, Any]) -> None:
        handler.extra = headers
        handler.send(status, body, kind)

    return answer


def slow(seconds: float) -> Answer:
    """Behave well, after a while."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        time.sleep(seconds)
        healthy(handler, message)

    return answer


def only(era: Era) -> Answer:
    """Speak one era of the protocol."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        modern = "_meta" in message.get("params", {})
        if modern == (era is Era.MODERN):
            healthy(handler, message)
        else:
            error = {"code": -32022, "message": "unsupported protocol version"}
            handler.send(400, json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": error}))

    return answer


def test_a_server_that_is_as_expected() -> None:
    """All layers are passed, from the bottom to the top, and what takes time says how much."""
    one = probed(healthy)
    assert (one.verdict.state, one.verdict.exit_status) == (State.HEALTHY, 0)
    layers = one.examination.layers
    assert [str(layer.layer) for layer in layers] == [
        *("dns", "tcp", "http", "json-rpc", "protocol", "protocol", "hashes", "readiness", "latency")
    ]
    assert all(layer.ok for layer in layers)
    timed = {layer.layer for layer in layers if layer.ms is not None}
    assert timed == {Layer.TCP, Layer.PROTOCOL, Layer.READINESS, Layer.LATENCY}
    assert one.examination.hashes[Era.MODERN].tools == EXPECTED.tools_hash


TIGHT = replace(EXPECTED, timeout_ms=100, down_ms=300)

CHANGED = {**TOOL, "inputSchema": {"type": "object", "required": ["x"]}}

FAILURES: list[tuple[str, Answer, Expectation, State, Layer, str]] = [
    (
        "a tool changed under HTTP 200",
        listing(CHANGED),
        EXPECTED,
        State.DRIFTED,
        Layer.HASHES,
        'of the tool `a.b` expected is no `$.inputSchema.required`, the server has ["x"]',
    ),
    (
        "staging at the address of production",
        calling_itself(name="s-staging"),
        EXPECTED,
        State.DRIFTED,
        Layer.PROTOCOL,
        "another server answers at this address: it calls itself s-staging instead of s",
    ),
    (
        "HTML with 200",
        saying(200, "<!doctype html><title>Parked</title>", "text/html"),
        EXPECTED,
        State.DOWN,
        Layer.JSON_RPC,
        "server/discover: HTTP 200, a page of HTML: it is no MCP server",
    ),
    (
        "malformed JSON",
        saying(200, '{"jsonrpc": "2.0", "id": 1, "result": {'),
        EXPECTED,
        State.DOWN,
        Layer.JSON_RPC,
        'in a body of type application/json: {"jsonrpc"',
    ),
    (
        "a page that is not there",
        saying(404, "no such page", "text/plain"),
        EXPECTED,
        State.DOWN,
        Layer.HTTP,
        "server/discover: HTTP 404: no such page",
    ),
    (
        "a redirection",
        saying(308, "", location="https://login.example.com/"),
        EXPECTED,
        State.DOWN,
        Layer.HTTP,
        (
            "server/discover: HTTP 308 leads to https://login.example.com, and clients do not follow: "
            "a login page stands in front of the server"
        ),
    ),
    (
        "the legacy era alone",
        only(Era.LEGACY),
        EXPECTED,
        State.DRIFTED,
        Layer.PROTOCOL,
        "it does not speak the modern era of the protocol: server/discover: error -32022",
    ),
    (
        "the modern era alone",
        only(Era.MODERN),
        EXPECTED,
        State.DRIFTED,
        Layer.PROTOCOL,
        "it does not speak the legacy era of the protocol: initialize: error -32022",
    ),
    (
        "401 with a challenge",
        saying(401, "", **{"www-authenticate": 'Bearer realm="x"'}),
        EXPECTED,
        State.WALLED,
        Layer.AUTH,
        'the probe has none (HTTP 401, challenge: Bearer realm="x")',
    ),
    (
        "401 without a challenge",
        saying(401, "<html>", "text/html"),
        EXPECTED,
        State.WALLED,
        Layer.AUTH,
        "(HTTP 401, without a challenge)",
    ),
    (
        "an answer over the threshold of slow",
        slow(0.4),
        replace(EXPECTED, timeout_ms=100),
        State.DEGRADED,
        Layer.LATENCY,
        "is slow above 100 ms",
    ),
    (
        "an answer over the threshold of down",
        slow(2.0),
        replace(EXPECTED, down_ms=300),
        State.DOWN,
        Layer.HTTP,
        "server/discover: no answer in 0.3 s",
    ),
]


@pytest.mark.parametrize(
    ("answer", "expectation", "state", "layer", "reason"),
    [each[1:] for each in FAILURES],
    ids=[each[0] for each in FAILURES],
)
def test_a_failure_is_named(
    answer: Answer, expectation: Expectation, state: State, layer: Layer, reason: str
) -> None:
    """The state, the layer that is to blame, and what a person needs to know."""
    verdict = probed(answer, expectation).verdict
    assert (verdict.state, verdict.exit_status) == (state, 1)
    assert verdict.findings[0].layer is layer
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("timeout_ms", "down_ms"),
    [(30_000, 60_000), (None, 60_000)],
    ids=["under the threshold of slow", "without one"],
)
def test_an_answer_under_the_thresholds(timeout_ms: int | None, down_ms: int) -> None:
    """Some delay is healthy."""
    terms = replace(EXPECTED, timeout_ms=timeout_ms, down_ms=down_ms)
    assert probed(slow(0.1), terms).verdict.state is State.HEALTHY


def test_an_answer_between_the_thresholds() -> None:
    """It is over one and under the other: slow, and not down."""
    verdict = probed(slow(0.4), replace(EXPECTED, timeout_ms=100, down_ms=60_000)).verdict
    assert verdict.state is State.DEGRADED


@pytest.mark.parametrize(
    ("readyz", "reason"),
    [
        (
            (503, '{"status": "not ready", "missing": ["USERS_API_TOKEN"]}'),
            "it answers and is not ready: USERS_API_TOKEN is missing",
        ),
        (
            (503, '{"status": "not ready", "missing": ["A", "B"], "store": "connection refused"}'),
            "it answers and is not ready: A, B are missing; the session store fails: connection refused",
        ),
        ((404, "nope"), "it answers and is not ready: /readyz answers HTTP 404: nope"),
        ((503, "[1]"), "it answers and is not ready: /readyz answers HTTP 503: [1]"),
        ((503, '{"missing": 5}'), 'it answers and is not ready: /readyz answers HTTP 503: {"missing": 5}'),
        ((503, "{}"), "it answers and is not ready: /readyz answers HTTP 503: {}"),
    ],
)
def test_what_is_missing_while_healthz_says_200(readyz: tuple[int, str], reason: str) -> None:
    """The secrets and the store are named that the server itself does not find."""
    verdict = probed(healthy, pages={"/healthz": (200, "{}"), "/readyz": readyz}).verdict
    assert (verdict.state, verdict.exit_status) == (State.DEGRADED, 1)
    assert verdict.findings[0].layer is Layer.READINESS
    assert verdict.reason == reason


def test_any_server_need_not_be_ready() -> None:
    """What is beside the endpoint of somebody else is not asked for."""
    one = probed(healthy, ANY, pages={"/readyz": (503, "")})
    assert one.verdict.state is State.HEALTHY
    assert Layer.READINESS not in {layer.layer for layer in one.examination.layers}


@pytest.mark.parametrize("era", list(Era))
def test_any_server_may_speak_one_era(era: Era) -> None:
    """Its hashes are those of the era that works, and the other is told of."""
    one = probed(only(era), ANY)
    assert one.verdict.state is State.HEALTHY
    assert one.examination.hashes.keys() == {era}
    protocol = [layer.ok for layer in one.examination.layers if layer.layer is Layer.PROTOCOL]
    assert protocol == [era is Era.MODERN, era is Era.LEGACY]


def test_a_server_without_tools() -> None:
    """One that has prompts or resources alone does not know `tools/list`, and is healthy."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            error = {"code": -32601, "message": "Method not found"}
            handler.send(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}))
        else:
            healthy(handler, message)

    one = probed(answer, ANY)
    assert one.verdict.state is State.HEALTHY
    assert one.examination.hashes[Era.LEGACY].tools == tools_hash([])


def test_a_server_that_agrees_on_an_older_revision() -> None:
    """What was agreed on goes with every request that follows, or a strict server would refuse it."""
    old = "2025-03-26"

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "initialize":
            result = {"protocolVersion": old, "capabilities": {}, "serverInfo": {"name": "s"}}
            handler.reply(message, result)
        elif handler.headers.get("mcp-protocol-version") != old:
            handler.send(400, "unsupported revision", "text/plain")
        else:
            healthy(handler, message)

    assert probed(answer, ANY).verdict.state is State.HEALTHY
    assert "it speaks revision 2025-03-26" in str(probed(answer).verdict.findings)


@pytest.mark.parametrize("version", ["", "2025-11-25\r\nx: y", "é"])
def test_a_revision_that_no_header_can_carry(version: str) -> None:
    """It is the server's fault, and raises nothing."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        result = {"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "s"}}
        handler.reply(message, result)

    verdict = probed(answer, ANY).verdict
    assert (verdict.state, verdict.findings[0].layer) == (State.DOWN, Layer.PROTOCOL)


def test_a_server_that_hangs() -> None:
    """Who takes the connection and says nothing is down, at HTTP."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        verdict = probe(replace(EXPECTED, url=url, down_ms=200)).verdict
    assert (verdict.state, verdict.findings[0].layer) == (State.DOWN, Layer.HTTP)
    assert verdict.reason == "it does not answer as MCP: server/discover: no answer in 0.2 s"


def trickling(connection: socket.socket) -> None:
    """Send the head of an answer byte by byte, and never end it."""
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.05)


def test_a_server_that_trickles() -> None:
    """Who always has one more byte to say has not answered either."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    trickling(listening.accept()[0])

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        verdict = probe(replace(ANY, url=url, down_ms=300)).verdict
        listening.shutdown(socket.SHUT_RDWR)
    assert verdict.reason == "it does not answer as MCP: server/discover: no answer in 0.3 s"


@pytest.mark.parametrize("status", [200, 204])
def test_a_notification_that_is_not_answered_by_202(status: int) -> None:
    """Clients do not mind, so any server may do it; of ours the protocol's 202 is expected."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if "id" in message:
            healthy(handler, message)
        else:
            handler.send(status, "")

    assert probed(answer, ANY).examination.hashes.keys() == set(Era)
    assert probed(answer).verdict.state is State.DRIFTED


def test_a_connection_that_is_refused() -> None:
    """Nothing above TCP is tried."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"
        one = probe(replace(EXPECTED, url=url))
    assert (one.verdict.state, one.verdict.findings[0].layer) == (State.DOWN, Layer.TCP)
    assert one.verdict.reason.endswith("Connection refused")
    assert [layer.ok for layer in one.examination.layers] == [True, False]


def test_a_name_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict says which."""

    def gone(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    verdict = probe(replace(EXPECTED, url="https://notes.example.com/mcp")).verdict
    assert (verdict.state, verdict.findings[0].layer) == (State.DOWN, Layer.DNS)
    assert verdict.reason == "the name does not resolve: notes.example.com: Name or service not known"


@pytest.mark.parametrize(
    ("ends", "state", "reason"),
    [
        (timedelta(days=60), State.HEALTHY, "it answers with 1 tool"),
        (timedelta(days=5), State.DEGRADED, "and nobody has renewed it"),
        (timedelta(days=-1), State.DOWN, "no encryption: 127.0.0.1: the certificate expired on "),
    ],
    ids=["sound", "about to expire", "expired"],
)
def test_certificates(
    ends: timedelta, state: State, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server is healthy, degraded or down by the time that its certificate has left."""
    authority = certificates.found(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    encryption = authority.encryption(starts=timedelta(days=-80), ends=ends)
    with server(healthy, pages=READY, encryption=encryption) as (url, _):
        verdict = probe(replace(EXPECTED, url=url)).verdict
    assert verdict.state is state
    assert reason in verdict.reason


def guarded(handler: Handler, message: dict[str, Any]) -> None:
    """Behave well to who has the credentials, and challenge everybody else."""
    if handler.headers.get("authorization") == "Bearer a-long-secret":
        healthy(handler, message)
    else:
        handler.extra = {"www-authenticate": 'Bearer realm="s"'}
        handler.send(401, "")


WITH_AUTH = replace(EXPECTED, auth=True)
CREDENTIALS = {"authorization": "Bearer a-long-secret", "x-bypass": "a-bypass-secret"}


def test_where_auth_is_on() -> None:
    """With credentials all is examined, and that nobody gets in without them is another layer."""
    with server(guarded, pages=READY) as (url, seen):
        one = probe(replace(WITH_AUTH, url=url, headers=CREDENTIALS))
    assert (one.verdict.state, one.verdict.exit_status) == (State.HEALTHY, 0)
    auth = next(layer for layer in one.examination.layers if layer.layer is Layer.AUTH)
    assert (auth.ok, auth.detail) == (True, '401, Bearer realm="s"')
    strangers = [headers for _, headers in seen if "authorization" not in headers]
    # One in each era: each may have its own way in.
    assert [headers["x-bypass"] for headers in strangers] == ["a-bypass-secret"] * 2


def test_where_auth_is_on_and_the_probe_has_no_credentials() -> None:
    """The wall stands as it should, and that is all that can be said."""
    verdict = probed(guarded, WITH_AUTH).verdict
    assert (verdict.state, verdict.exit_status) == (State.WALLED, 0)


def test_where_auth_should_be_on_and_is_not() -> None:
    """A door that stands open is drift, however well the server answers."""
    with server(healthy, pages=READY) as (url, _):
        verdict = probe(replace(WITH_AUTH, url=url, headers=CREDENTIALS)).verdict
    assert (verdict.state, verdict.findings[0].layer) == (State.DRIFTED, Layer.AUTH)


def test_nothing_that_was_told_in_confidence_is_repeated() -> None:
    """A server that echoes its credentials does not put them into a log."""

    def echo(handler: Handler, _: dict[str, Any]) -> None:
        said = str(handler.headers.get("authorization"))
        handler.extra = {"www-authenticate": f"Bearer realm={said}"}
        handler.send(401, f"I do not know {said}, {said.removeprefix('Bearer ')}, \x1b[2J", "text/plain")

    with server(echo) as (url, _):
        one = probe(replace(WITH_AUTH, url=url, headers=CREDENTIALS))
    assert "a-long-secret" not in repr(one.examination)
    assert "a-long-secret" not in repr(one)
    assert "[secret]" in one.verdict.reason
    assert "\x1b" not in repr([layer.detail for layer in one.examination.layers])


READING = {**TOOL, "annotations": {"readOnlyHint": True}}


@pytest.mark.parametrize(
    ("tools", "call", "ok", "detail"),
    [
        ((READING,), ("a.b", {"x": 1}), True, "`a.b` answers"),
        (
            (TOOL,),
            ("a.b", {}),
            False,
            "`a.b` does not say that it only reads (`readOnlyHint`), and was not called",
        ),
        (
            ({**READING, "name": "c"},),
            ("a.b", {}),
            False,
            "`a.b` is not listed, and was not called",
        ),
    ],
)
def test_a_call(tools: tuple[dict[str, Any], ...], call: Any, ok: bool, detail: str) -> None:  # noqa: FBT001 - a parameter
    """A tool is only called if it says that it only reads; one that was expected to is the server's fault."""
    with server(listing(*tools)) as (url, seen):
        one = probe(replace(ANY, url=url, call=call, tools=(READING,)))
    layer = next(layer for layer in one.examination.layers if layer.layer is Layer.CALL)
    assert (layer.ok, layer.detail) == (ok, detail)
    assert one.verdict.state is (State.HEALTHY if ok else State.DEGRADED)
    calls = [message["params"] for message, _ in seen if message["method"] == "tools/call"]
    assert [{**params, "_meta": 0} for params in calls] == (
        [{"name": "a.b", "arguments": {"x": 1}, "_meta": 0}] if ok else []
    )


@pytest.mark.parametrize(
    ("tools", "name", "message", "line"),
    [
        ((READING, TOOL | {"name": "d"}), "c", "the server lists no such tool", "it lists a.b, d"),
        ((), "c", "the server lists no such tool", "it lists no tools"),
        ((TOOL,), "a.b", "the tool does not say that it only reads", "only tools with `readOnlyHint: true`"),
    ],
)
def test_a_call_that_nobody_should_ask_for(
    tools: tuple[dict[str, Any], ...], name: str, message: str, line: str
) -> None:
    """That is a mistake of the caller, and says nothing about the server; nor about one that is down."""
    with server(listing(*tools)) as (url, seen):
        with pytest.raises(ExpectationError, match=message) as raised:
            probe(replace(ANY, url=url, call=(name, {})))
        assert line in raised.value.help[0]
    assert not [said for said, _ in seen if said["method"] == "tools/call"]
    with server(saying(500, "")) as (url, _):
        assert probe(replace(ANY, url=url, call=(name, {}))).verdict.state is State.DOWN


@pytest.mark.parametrize(
    ("result", "detail"),
    [
        (
            {"isError": True, "content": [{"type": "text", "text": "no database"}], "resultType": "complete"},
            "`a.b` answers with an error: no database",
        ),
        ({}, '`a.b`: tools/call: `resultType` is null instead of "complete"'),
    ],
)
def test_a_call_that_fails(result: dict[str, Any], detail: str) -> None:
    """A tool that does not work makes a server degraded, which lists it all the same."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/call":
            handler.reply(message, result)
        else:
            listing(READING)(handler, message)

    verdict = probed(answer, replace(ANY, call=("a.b", {}))).verdict
    assert (verdict.state, verdict.reason) == (
        State.DEGRADED,
        f"it answers and a call fails: {detail}",
    )


def test_tools_that_have_no_hash() -> None:
    """Half of a surrogate pair is read differently by every client."""
    odd = {**TOOL, "inputSchema": {"type": "object", "const": "\ud800"}}

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
            response = {"jsonrpc": "2.0", "id": message["id"], "result": {"tools": [odd], **modern}}
            handler.send(200, json.dumps(response))
        else:
            healthy(handler, message)

    one = probed(answer)
    assert (one.verdict.state, one.verdict.findings[0].layer) == (State.DRIFTED, Layer.HASHES)
    assert one.verdict.reason == "its tools have no canonical form, so no hash"


@pytest.mark.parametrize("jobs", [1, 3, 50])
def test_several_at_once(jobs: int) -> None:
    """Each is told of as it is done, and the results have the order of the expectations."""
    behaviours: list[Callable[..., None]] = [healthy, slow(0.2), saying(500, "oh", "text/plain")]
    told: list[str] = []
    with (
        server(behaviours[0]) as (first, _),
        server(behaviours[1]) as (second, _),
        server(behaviours[2]) as (third, _),
    ):
        expectations = [
            Expectation(name, url) for name, url in zip("abc", (first, second, third), strict=True)
        ]
        probes = probe_all(expectations, jobs=jobs, on_done=lambda one: told.append(one.expectation.name))
    assert [one.verdict.state for one in probes] == [State.HEALTHY, State.HEALTHY, State.DOWN]
    assert sorted(told) == ["a", "b", "c"]


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", MODERN, LEGACY, "complete", "a.b", "\ud800", "\x1b[2J", "é", "a\r\nb"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*MEMBERS, "\ud800"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(METHODS), ODD), st.sampled_from([200, 200, 200, 202, 401, 500]))
def test_whatever_a_server_answers_is_judged(answers: dict[str, Any], status: int) -> None:
    """Nothing that is JSON raises, and all of it ends in a verdict that can be printed."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        method = message["method"]
        if method not in answers:
            healthy(handler, message)
            return
        odd = answers[method]
        whole = {"jsonrpc": "2.0", "id": message.get("id"), "result": odd}
        if isinstance(odd, dict):
            # A little that is right leads further in.
            whole["result"] = {"resultType": "complete", "capabilities": {}, **odd}
        handler.send(status, json.dumps(odd if "error" in answers else whole))

    expectation = replace(WITH_AUTH, call=("a.b", {}), down_ms=10_000, tools=(READING,))
    one = probed(answer, expectation)
    assert one.verdict.state in State
    assert json.dumps(as_json(one), ensure_ascii=False).encode()
    assert exposition([one]).encode()
    assert one.verdict.reason.isprintable()


def test_none_at_all() -> None:
    """Nothing to do is done at once."""
    assert probe_all([]) == ()


def test_a_mistake_of_this_program_is_not_hidden() -> None:
    """What is no server's fault is raised where somebody waits for the result."""
    with pytest.raises(KeyError):
        probe_all([Expectation("x", "gopher://127.0.0.1/")])
    with pytest.raises(KeyError):
        probe(Expectation("x", "gopher://127.0.0.1/"))
