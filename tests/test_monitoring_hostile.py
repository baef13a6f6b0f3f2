"""No server makes the probe say what is not true, wait for ever, fill the memory or repeat a secret."""

import gzip
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import certificates
import httpx
import pytest
from fake_servers import TOOL, Answer, Handler, healthy, server
from hypothesis import given, settings
from hypothesis import strategies as st
from toolchain import Toolchain

from scaffolder import bodies
from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.expectation import Credential, Expectation
from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import Probed, probe, probe_all
from scaffolder.monitoring.prometheus import exposition
from scaffolder.monitoring.verdict import State
from scaffolder.probe import LEGACY, MODERN, Era
from scaffolder.quoting import LINE
from scaffolder.reports.probe import as_json

READY = {"/readyz": (200, '{"status": "ready"}')}
ANY = Expectation("any", "", down_ms=30_000)
OURS = Expectation(
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
SECRETS = {"authorization": "Bearer a-long-secret", "x-bypass": "a-bypass-secret"}


def probed(
    answer: Answer, expectation: Expectation = ANY, pages: Mapping[str, tuple[int, str]] = READY
) -> Probed:
    """Probe a server that behaves as the test says."""
    with server(answer, pages=pages) as (url, _):
        return probe(replace(expectation, url=url))


def sending(change: Callable[[Handler, bytes, str], tuple[bytes, str]]) -> Answer:
    """Behave well, and change the body or its type before it is sent."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        send = handler.send

        def changed(status: int, body: str | bytes, kind: str = "application/json") -> None:
            data = body if isinstance(body, bytes) else body.encode()
            send(status, *change(handler, data, kind))

        handler.send = changed  # type: ignore[method-assign] # for this answer
        healthy(handler, message)
        handler.send = send  # type: ignore[method-assign]

    return answer


def discovering(member: str) -> Answer:
    """Behave well, and have one more member, as text, in what is discovered."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "server/discover":
            known = f'"supportedVersions": ["{MODERN}"], "capabilities": {{}}, "resultType": "complete"'
            result = f"{{{known}, {member}}}"
            handler.send(200, f'{{"jsonrpc": "2.0", "id": {message["id"]}, "result": {result}}}')
        else:
            healthy(handler, message)

    return answer


def compressed(handler: Handler, body: bytes, kind: str) -> tuple[bytes, str]:
    """Send what is asked for."""
    assert handler.headers["accept-encoding"] == "gzip"
    handler.extra = {"content-encoding": "gzip"}
    return gzip.compress(body), kind


@pytest.mark.parametrize("stream", [False, True])
def test_a_compressed_answer(stream: bool) -> None:  # noqa: FBT001 - a parameter
    """It is what clients get from most platforms."""
    plain = sending(compressed)

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if not stream:
            plain(handler, message)
            return
        data = f"data: {json.dumps({'jsonrpc': '2.0', 'id': message.get('id'), 'result': RESULT})}\n\n"
        handler.extra = {"content-encoding": "gzip"}
        handler.send(200 if "id" in message else 202, gzip.compress(data.encode()), "text/event-stream")

    one = probed(answer)
    assert one.verdict.state is State.HEALTHY, one.verdict.reason


RESULT = {
    "supportedVersions": [MODERN],
    "protocolVersion": LEGACY,
    "capabilities": {},
    "serverInfo": {"name": "s"},
    "resultType": "complete",
    "tools": [TOOL],
}


def bomb(times: int) -> Callable[[Handler, bytes, str], tuple[bytes, str]]:
    """Send little that stands for much, packed as often as is asked."""
    data = b" " * (100 << 20)
    for _ in range(times):
        data = gzip.compress(data, 1)

    def change(handler: Handler, _: bytes, kind: str) -> tuple[bytes, str]:
        handler.extra = {"content-encoding": ", ".join(["gzip"] * times)}
        return data, kind

    return change


def test_a_bomb_of_gzip() -> None:
    """It is given up when it is larger than any list of tools."""
    one = probed(sending(bomb(1)))
    assert (one.verdict.state, one.verdict.reason) == (
        State.DOWN,
        "it does not answer as MCP: the answer is larger than 16777216 bytes",
    )


def test_a_bomb_in_a_bomb() -> None:
    """What was packed twice is not unpacked at all: nobody has asked for it."""
    assert probed(sending(bomb(2))).verdict.reason == (
        "it does not answer as MCP: the answer comes as gzip, gzip, which the probe does not ask for"
    )


def test_compression_is_undone_piece_by_piece() -> None:
    """However small the chunk that it comes in is."""
    packed = gzip.compress(b" " * (50 << 20))
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(packed))
    sizes = [len(piece) for piece in bodies.pieces(response)]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= bodies.PIECE_BYTES


@pytest.mark.parametrize("size", [0, 1, bodies.PIECE_BYTES, 3 * bodies.PIECE_BYTES, 1_000_003])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_compression_loses_nothing(size: int, chunk: int) -> None:
    """Wherever the network cuts it; what comes after its end is not of interest."""
    body = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    packed = gzip.compress(body) + b"more"

    class Chunks(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from (packed[at : at + chunk] for at in range(0, len(packed), chunk))

    response = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Chunks())
    assert b"".join(bodies.pieces(response)) == body


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("gzip", "the answer is not the gzip that it says it is: "),
        ("br", "the answer comes as br, which the probe does not ask for"),
    ],
)
def test_compression_that_is_none(encoding: str, reason: str) -> None:
    """It is said, and raises nothing."""

    def change(handler: Handler, body: bytes, kind: str) -> tuple[bytes, str]:
        handler.extra = {"content-encoding": encoding}
        return body, kind

    one = probed(sending(change))
    assert one.verdict.state is State.DOWN
    assert reason in one.verdict.reason


def test_a_body_of_a_hundred_megabytes() -> None:
    """It is given up long before its end."""
    written = []

    def answer(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.end_headers()
        handler.close_connection = True
        piece, count = b" " * (1 << 20), 0
        with suppress(OSError):
            for _number in range(100):
                handler.wfile.write(piece)
                count += 1
        written.append(count)

    one = probed(answer)
    assert one.verdict.reason == "it does not answer as MCP: the answer is larger than 16777216 bytes"
    assert max(written) < 100


@contextmanager
def saying(*pieces: bytes, pause: float = 0.0) -> Iterator[str]:
    """Serve, to every connection, some bytes as they are: the last one again and again until it hangs up."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)
                while pause:
                    time.sleep(pause)
                    connection.sendall(pieces[-1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            listening.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD % b"application/json", b" "),
        (HEAD % b"text/event-stream", b": still here\n\n"),
        (HEAD % b"text/event-stream", b'data: {"jsonrpc": "2.0", "method": "notifications/message"}\n\n'),
        (HEAD % b"text/event-stream", b"data: "),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    ],
    ids=["a body", "comments", "notifications", "an event", "hints", "headers"],
)
def test_an_answer_without_end(pieces: tuple[bytes, ...]) -> None:
    """The time is for the whole of an answer, whatever the server has still to say."""
    with saying(*pieces, pause=0.02) as url:
        started = time.monotonic()
        one = probe(replace(ANY, url=url, down_ms=600))
        took = time.monotonic() - started
    assert (one.verdict.state, one.verdict.findings[0].layer) == (State.DOWN, Layer.HTTP)
    assert one.verdict.reason == "it does not answer as MCP: server/discover: no answer in 0.6 s"
    assert took < 30


PARTS = [
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 401 X\r\n",
        b"HTTP/1.0 302 \r\n",
        b"HTTP/1.1 101 Y\r\n",
        b"HTTP/1.1 999 Z\r\n",
    ),
    *(b"content-length: 5\r\n", b"content-length: -1\r\n", b"transfer-encoding: chunked\r\n"),
    *(
        b"content-encoding: gzip\r\n",
        b"content-type: application/json\r\n",
        b"content-type: text/event-stream\r\n",
    ),
    *(b"\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"zz\r\n", b"\x00\xff\x1b[2J", b"data: {}\n\n"),
    *(b"www-authenticate: \xff\xfe\r\n", b"location: http://[::1\r\n", b"retry-after: \x7f\r\n"),
    *(b'{"jsonrpc":"2.0","id":1,"result":{}}', b"x" * 70_000, b"a: " + b"b" * 200_000 + b"\r\n"),
]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(PARTS[:3]), st.lists(st.sampled_from(PARTS), max_size=8), st.booleans())
def test_bytes_that_are_hardly_http(first: bytes, rest: list[bytes], auth: bool) -> None:  # noqa: FBT001 - a parameter
    """Whatever is sent is judged, and printed as what it is."""
    with saying(first, *rest) as url:
        one = probe(replace(ANY, url=url, down_ms=500, auth=auth))
    assert one.verdict.state in {State.DOWN, State.WALLED, State.DRIFTED}
    assert one.verdict.reason.isprintable()
    assert json.dumps(as_json(one), allow_nan=False, ensure_ascii=False).encode()
    assert exposition([one]).encode()


def test_a_stream_that_stays_open() -> None:
    """The response is in it, and that is all a client waits for."""
    release = threading.Event()

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if "id" not in message:
            handler.send(202, "")
            return
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        handler.close_connection = True
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": RESULT})
        # The pieces of it end where no line does, and in the middle of what ends one.
        for piece in (": hi\r", "\n\r", "\ndata: ", text[:20], text[20:], "\r", "\n\r", "\n"):
            handler.wfile.write(piece.encode())
            handler.wfile.flush()
        release.wait(30)

    with server(answer) as (url, _):
        one = probe(replace(ANY, url=url))
        release.set()
    assert one.verdict.state is State.HEALTHY, one.verdict.reason


def test_many_events_before_the_response() -> None:
    """Each is read once, and not all of them again with each that comes."""
    note = f"data: {json.dumps({'jsonrpc': '2.0', 'method': 'notifications/message', 'params': {}})}\n\n"

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if "id" not in message:
            handler.send(202, "")
            return
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": RESULT})
        handler.send(200, note * 60_000 + f"data: {text}\n\n", "text/event-stream")

    one = probed(answer)
    assert one.verdict.state is State.HEALTHY, one.verdict.reason


def test_pages_without_end() -> None:
    """All pages of a list have to be there in the time of one answer."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            time.sleep(0.05)
            handler.reply(message, {"tools": [], "nextCursor": "more", "resultType": "complete"})
        else:
            healthy(handler, message)

    one = probed(answer, replace(ANY, down_ms=2000))
    assert (one.verdict.state, one.verdict.findings[0].layer) == (State.DOWN, Layer.HTTP)
    assert one.verdict.reason.endswith(" pages in 2 s, and no end of them")


def test_pages_that_are_large_together() -> None:
    """No more of a list is kept than of one answer."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            filler = {"_meta": {"x": " " * (6 << 20)}}
            handler.reply(message, {"tools": [], "nextCursor": "more", "resultType": "complete", **filler})
        else:
            healthy(handler, message)

    one = probed(answer)
    assert one.verdict.reason == (
        "it does not answer as MCP: tools/list: its pages are larger than 16777216 bytes together"
    )


def test_a_list_takes_as_long_as_all_of_its_pages() -> None:
    """A client waits for each of them."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            page = int(message["params"].get("cursor", "0"))
            time.sleep(0.15)
            more = {"nextCursor": str(page + 1)} if page < 2 else {}
            handler.reply(message, {"tools": [], "resultType": "complete", **more})
        else:
            healthy(handler, message)

    one = probed(answer, replace(ANY, timeout_ms=400))
    assert (one.verdict.state, one.verdict.findings[0].layer) == (State.DEGRADED, Layer.LATENCY)


@pytest.mark.parametrize("cursor", [5, {}, ["x"]])
def test_a_cursor_that_is_no_text(cursor: Any) -> None:
    """No client would send it back."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            handler.reply(message, {"tools": [], "nextCursor": cursor, "resultType": "complete"})
        else:
            healthy(handler, message)

    assert "tools/list: `nextCursor` is " in probed(answer).verdict.reason


def test_the_exchanges_of_a_probe_are_counted() -> None:
    """With all that it can do, so that what each may take bounds the whole."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "initialize":
            handler.extra = {"mcp-session-id": "x"}
        reading = {**TOOL, "annotations": {"readOnlyHint": True}}
        if message["method"] == "tools/list":
            handler.reply(message, {"tools": [reading], "resultType": "complete"})
        else:
            healthy(handler, message)

    with server(answer, pages=READY) as (url, seen):
        probe(replace(OURS, url=url, auth=True, headers=SECRETS, call=("a.b", {})))
    # One for the layers below HTTP, one for /readyz, and one more for each list, whose last page is late.
    assert len(seen) + 2 + 4 <= 20


SLOW_LEGACY = replace(OURS, timeout_ms=300)


def test_an_era_that_is_slow() -> None:
    """Its clients wait as well, however fast the other is; one that nobody expects may take its time."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "initialize":
            time.sleep(0.6)
        healthy(handler, message)

    assert probed(answer, SLOW_LEGACY).verdict.state is State.DEGRADED
    examination = probed(answer, replace(OURS, eras=(Era.MODERN,))).examination
    assert examination.latency_ms == max(examination.reports[Era.MODERN].latencies_ms.values())
    assert examination.reports[Era.LEGACY].latencies_ms["initialize"] >= 600


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (sending(lambda _, body, __: (body, "text/html")), "in a body of type text/html"),
        (sending(lambda _, body, __: (body, "")), "in a body of type unknown"),
        (sending(lambda _, body, kind: (body.decode().encode("utf-16"), kind)), "no response with id 1"),
        (
            discovering('"x": NaN'),
            "server/discover: no response with id 1 in a body of type application/json",
        ),
        (discovering(f'"x": {"[" * 150}{"]" * 150}'), "the answer is nested deeper than 100 levels"),
        (discovering(f'"x": {"[" * 5000}{"]" * 5000}'), "the answer is nested deeper than 100 levels"),
        (
            lambda handler, message: healthy(handler, {**message, "id": 99} if "id" in message else message),
            "server/discover: no response with id 1",
        ),
        (
            lambda handler, message: healthy(
                handler, {**message, "id": True} if "id" in message else message
            ),
            "server/discover: no response with id 1",
        ),
        (
            lambda handler, message: handler.send(
                200, json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": RESULT, "error": None})
            ),
            "server/discover: `error` is null instead of an object",
        ),
        (
            lambda handler, _: handler.send(200, json.dumps({"ok": True})),
            'no response with id 1 in a body of type application/json: {"ok": true}',
        ),
    ],
    ids=[
        *(
            "JSON as HTML",
            "JSON as nothing",
            "UTF-16",
            "NaN",
            "deep",
            "deeper",
            "another id",
            "true as the id",
        ),
        *("an error that is none", "JSON that is no JSON-RPC"),
    ],
)
def test_what_no_client_would_take(answer: Answer, reason: str) -> None:
    """The modern era fails, and it is said at what."""
    failure = probed(answer).examination.reports[Era.MODERN].failure
    assert failure is not None
    assert reason in failure.message


def test_a_byte_order_mark_is_no_fault() -> None:
    """Clients skip it."""
    one = probed(sending(lambda _, body, kind: (b"\xef\xbb\xbf" + body if body else body, kind)))
    assert one.verdict.state is State.HEALTHY, one.verdict.reason


def test_numbers_beyond_all_bounds() -> None:
    """They are read as a client does, and printed as it prints them: what is printed is JSON."""
    one = probed(discovering('"serverInfo": {"name": "s", "x": [1e400, -1e400]}'))
    document = json.dumps(as_json(one), allow_nan=False)
    assert one.verdict.state is State.HEALTHY
    assert json.loads(document)["server"]["x"] == [None, None]


def test_a_server_that_wants_its_cookie_back() -> None:
    """Clients of MCP have none, so the probe does not help itself with one."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        handler.extra = {"set-cookie": "sticky=1; Path=/"}
        if message["method"] in {"server/discover", "initialize"} or handler.headers.get("cookie"):
            healthy(handler, message)
        else:
            handler.send(500, "who are you?", "text/plain")

    with server(answer) as (url, seen):
        verdict = probe(replace(ANY, url=url)).verdict
    assert verdict.state is State.DOWN
    assert not any("cookie" in headers for _, headers in seen)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("same", [True, False], ids=["to plain HTTP at home", "to another host"])
def test_a_redirection_takes_no_credentials_along(status: int, same: bool) -> None:  # noqa: FBT001 - a parameter
    """It is told of and not followed: whoever sends credentials has to know to whom."""
    with server(healthy) as (elsewhere, seen_elsewhere):
        to = "/elsewhere" if same else elsewhere

        def answer(handler: Handler, _: dict[str, Any]) -> None:
            handler.extra = {"location": to}
            handler.send(status, "")

        with server(answer) as (url, seen):
            one = probe(replace(ANY, url=url, headers=SECRETS))
    assert one.verdict.reason == (
        f"it does not answer as MCP: server/discover: HTTP {status} leads to {urljoin(url, to)}, "
        "and clients do not follow"
    )
    assert {message["method"] for message, _ in seen} == {"server/discover", "initialize"}
    assert seen_elsewhere == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_come_again(status: int) -> None:
    """When that may be is said; it is down, and not of another era."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if "_meta" in message.get("params", {}):
            healthy(handler, message)
        else:
            handler.extra = {"retry-after": "30"}
            handler.send(status, "too busy", "text/plain")

    verdict = probed(answer, OURS).verdict
    assert (verdict.state, verdict.reason) == (
        State.DOWN,
        (
            "it fails clients of the legacy era of the protocol: "
            f"initialize: HTTP {status} (Retry-After: 30): too busy"
        ),
    )


def test_a_server_of_http_2_alone() -> None:
    """It greets with a frame, and is named for what it is."""
    with saying(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 3) as url:
        verdict = probe(replace(ANY, url=url)).verdict
    assert verdict.state is State.DOWN
    assert "server/discover: it does not speak HTTP/1.1, as clients of MCP do" in verdict.reason


H2 = """
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
const pem = readFileSync(process.argv[2]);
const server = createSecureServer({ key: pem, cert: pem }, (_, response) => response.end());
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def test_a_real_server_of_http_2_alone(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With encryption it refuses while that is agreed on, and is named just the same."""
    authority = certificates.found(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    authority.encryption(starts=timedelta(days=-1), ends=timedelta(days=80))
    (tmp_path / "server.mjs").write_text(H2)
    command = [str(toolchain.node), "server.mjs", "server.pem"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        verdict = probe(replace(ANY, url=f"https://127.0.0.1:{port}/mcp")).verdict
        process.terminate()
    assert (verdict.state, verdict.findings[0].layer) == (State.DOWN, Layer.HTTP)
    assert "it does not speak HTTP/1.1, as clients of MCP do" in verdict.reason


def test_two_eras_with_different_tools() -> None:
    """Each is compared, and the one that differs is named."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list" and "_meta" not in message["params"]:
            handler.reply(message, {"tools": [{**TOOL, "name": "old"}]})
        else:
            healthy(handler, message)

    verdict = probed(answer, OURS).verdict
    assert (verdict.state, verdict.findings[0].era) == (State.DRIFTED, Era.LEGACY)
    assert (verdict.drift.added, verdict.drift.removed) == (("old",), ("a.b",))


def test_a_page_for_every_path_is_not_ready() -> None:
    """What answers 200 to all that is asked says nothing about a secret or a store."""
    for page in ("<!doctype html>", "[1]", '{"status": "ok"}', "[" * 100_000):
        one = probed(healthy, OURS, {"/readyz": (200, page)})
        assert (one.verdict.state, one.verdict.findings[0].layer) == (State.DEGRADED, Layer.READINESS)
        assert one.verdict.reason.startswith("it answers and is not ready: /readyz answers HTTP 200")


def test_what_a_server_says_at_length_is_cut() -> None:
    """A reason is a sentence, and a layer a line."""
    many = "n" * 100_000
    info = {"name": many, "version": many}

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        handler.reply(message, {**RESULT, "serverInfo": info, "tools": [{**TOOL, "name": many}]})

    one = probed(answer, OURS)
    assert len(one.verdict.reason) < 1000
    assert all(len(layer.detail) < 1000 for layer in one.examination.layers)
    assert all(len(line) < 1000 for line in one.verdict.drift.lines())


def test_a_list_of_very_many_tools() -> None:
    """To compare it takes no longer than to read it."""
    tools = [{**TOOL, "name": f"t{number}"} for number in range(30_000)]

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            handler.reply(message, {"tools": [*tools, tools[7]], "resultType": "complete"})
        else:
            healthy(handler, message)

    one = probed(answer, OURS)
    assert one.verdict.state is State.DRIFTED
    assert one.verdict.drift.repeated == ("t7",)


def echo(where: str) -> Answer:
    """Say what was told in confidence, at the place that is asked for."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        said = [str(handler.headers.get(name, "")) for name in ("authorization", "x-bypass")]
        text = " and ".join(said)
        if where == "tool":
            tool = {**TOOL, "name": f"t {said[1]}", "description": text, "annotations": {said[0]: [text]}}
            handler.reply(message, {**RESULT, "tools": [tool]})
        elif where == "server":
            handler.reply(message, {**RESULT, "serverInfo": {"name": text, text: text}})
        elif where == "stranger" and said[0]:
            healthy(handler, message)
        elif where == "cut":
            handler.send(500, "x" * (LINE - 19) + text, "text/plain")
        elif where == "challenge":
            handler.extra = {"www-authenticate": f"Bearer realm={text}"}
            handler.send(401, "")
        elif where == "JSON":
            error = {"code": -32603, "message": json.dumps({"heard": text})}
            handler.send(500, json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": error}))
        else:
            handler.send(500, text, "text/plain")

    return answer


@pytest.mark.parametrize("where", ["error", "stranger", "cut", "challenge", "tool", "server", "JSON"])
@pytest.mark.parametrize(
    "secrets",
    [
        SECRETS,
        {"authorization": "Bearer short1", "x-bypass": "short2"},
        {"authorization": 'Bearer with "quotes" \\ in it', "x-bypass": 'a"b\\c"d'},
        {"authorization": "Basic dXNlcjpwYXNzd29yZA==", "x-bypass": "something-else"},
    ],
    ids=["tokens", "short ones", "quotes", "Basic"],
)
def test_nothing_told_in_confidence_is_repeated(where: str, secrets: dict[str, str]) -> None:
    """Whatever a server does with it, and wherever a text is cut."""
    expectation = replace(
        OURS,
        auth=True,
        headers=secrets,
        credentials=(Credential("authorization", "TOKEN"), Credential("x-bypass", "BYPASS")),
        call=("a.b", {}),
        tools=({**TOOL, "annotations": {"readOnlyHint": True}},),
    )
    one = probed(echo(where), expectation)
    seen = repr(one) + repr(as_json(one)) + json.dumps(as_json(one)) + "".join(one.verdict.drift.lines())
    for secret in (*secrets.values(), *(value.partition(" ")[2] for value in secrets.values())):
        for form in (secret, json.dumps(secret)[1:-1]):
            assert not form or form not in seen
            # A part that is long enough to be of use is none the less one.
            assert not form or form[: max(6, len(form) - 3)] not in seen


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_at_a_time_than_was_asked_for(jobs: int) -> None:
    """Servers are spared, and this machine."""
    lock = threading.Lock()
    running: set[int] = set()
    most = []

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        with lock:
            running.add(handler.server.server_address[1])  # type: ignore[index, arg-type] # of IPv4
            most.append(len(running))
        time.sleep(0.02)
        healthy(handler, message)
        with lock:
            running.discard(handler.server.server_address[1])  # type: ignore[index]

    with (
        server(answer) as (a, _),
        server(answer) as (b, _),
        server(answer) as (c, _),
        server(answer) as (d, _),
    ):
        probe_all([replace(ANY, url=url) for url in (a, b, c, d)], jobs=jobs)
    assert max(most) <= jobs


def test_a_server_that_hangs_holds_up_no_other() -> None:
    """Each is told of as soon as it is known."""
    release = threading.Event()
    told: list[str] = []

    def hanging(handler: Handler, message: dict[str, Any]) -> None:
        release.wait(60)
        healthy(handler, message)

    def tell(one: Probed) -> None:
        told.append(one.expectation.name)
        # Only now does the first one answer.
        release.set()

    with server(hanging) as (first, _), server(healthy) as (second, _):
        expectations = [Expectation("hanging", first, down_ms=60_000), Expectation("quick", second)]
        probes = probe_all(expectations, jobs=2, on_done=tell)
    assert told == ["quick", "hanging"]
    assert [one.expectation.name for one in probes] == ["hanging", "quick"]
