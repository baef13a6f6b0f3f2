"""Whose a session is, how long a session of the protocol lasts, and what either asks of the store."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from e2e import contract, servers
from e2e.clients.run import run
from e2e.contract import HANDLE, LEGACY, MODERN
from e2e.entries import USER, count_operations, identify, operations, shorten
from e2e.raw_http import Answer, Connection, Header, Request
from e2e.stores import RedisServer
from toolchain import Toolchain

from scaffolder.processes import Processes
from scaffolder.redis_rest import free_port, rest_server
from scaffolder.serving import Endpoint, serving

pytestmark = pytest.mark.slow

Generate = Callable[..., Path]

SESSION = "mcp-session-id"
TTL_SECONDS = 4

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}

TOOLS: list[dict[str, Any]] = [
    {"name": "keep", "inputSchema": TEXT, "state": "session"},
    {"name": "add", "inputSchema": {"type": "object"}, "state": "session"},
    {"name": "plain", "inputSchema": TEXT},
]

HANDLERS = {
    "keep": """
import type { Tool } from "../generated/contract.ts";

export default (async ({ text }, { session }) => {
  if (text !== undefined) await session.set("text", text);
  return (await session.get<string>("text")) ?? "nothing is kept";
}) satisfies Tool<"keep">;
""",
    "add": """
import type { Tool } from "../generated/contract.ts";

export default (async (_, { session }) =>
  String(await session.update<number>("sum", (sum = 0) => sum + 1))) satisfies Tool<"add">;
""",
    "plain": """
import type { Tool } from "../generated/contract.ts";

export default (async ({ text = "" }) => text) satisfies Tool<"plain">;
""",
}

INITIALIZE: Mapping[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1.0.0"},
    },
}
PING = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
LIST = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}

# Who has a session, and who else comes with its name; None is a caller that nobody knows.
PRINCIPALS = [*(("alice", other) for other in ("bob", "Alice", "", None)), (None, "alice"), ("", None)]


@dataclass(frozen=True, slots=True)
class Caller:
    """A client at a server, as the principal that it is."""

    endpoint: Endpoint
    user: str | None = None

    def send(self, method: str, body: object = None, *headers: Header) -> Answer:
        """Send one request."""
        address = urlsplit(self.endpoint.url)
        assert address.port
        own: list[Header] = [("host", address.netloc), *self.endpoint.headers.items()]
        if self.user is not None:
            own.append((USER, self.user))
        if body is not None:
            own += [("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
        content = None if body is None else json.dumps(body).encode()
        with Connection(address.port) as connection:
            answer = connection.send(Request(method, (*own, *headers), content))
        assert answer is not None
        return answer

    def initialize(self) -> str:
        """Begin a session of the protocol."""
        answer = self.send("POST", INITIALIZE)
        assert answer.status == 200, answer
        session = header(answer, SESSION)
        assert session
        return session

    def legacy(self, session: str | None, body: object, method: str = "POST") -> Answer:
        """Send a message as of the 2025 revisions, in a session of the protocol if there is one."""
        named: list[Header] = [("mcp-protocol-version", LEGACY)]
        if session is not None:
            named.append((SESSION, session))
        return self.send(method, body, *named)

    def modern(self, tool: str, *headers: Header, **arguments: str) -> Answer:
        """Call a tool as of revision 2026-07-28."""
        body = call(tool, **arguments)
        body["params"]["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        own = (("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", tool))
        return self.send("POST", body, *own, *headers)

    def keep(self, text: str) -> str:
        """Keep a text in a session of its own, and return the handle."""
        found = HANDLE.search(self.modern("keep", text=text).body.decode())
        assert found
        return found[1]


def call(tool: str, **arguments: str) -> dict[str, Any]:
    """Return the message that calls a tool."""
    return {
        "jsonrpc": "2.0",
        "id": 4,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def header(answer: Answer, name: str) -> str | None:
    """Return a header of an answer."""
    lines = (line.partition(":") for line in answer.head.decode("latin-1").split("\r\n"))
    return next((value.strip() for key, _, value in lines if key.lower() == name), None)


def text(answer: Answer) -> str:
    """Return the text of a tool's result."""
    result = json.loads(answer.body)["result"]
    assert not result.get("isError"), answer
    found: str = result["content"][0]["text"]
    return found


def message_of(answer: Answer, status: int) -> str:
    """Return what an error says, as JSON-RPC words it."""
    assert answer.status == status, answer
    body = json.loads(answer.body)
    assert body["jsonrpc"] == "2.0"
    assert isinstance(body["error"]["code"], int)
    found: str = body["error"]["message"]
    return found


# What one can do with the name of a session, as the argument of a call and in the header.
BY_ARGUMENT: Mapping[str, Callable[[Caller, str], Answer]] = {
    "reads, 2026": lambda caller, name: caller.modern("keep", session_id=name),
    "writes, 2026": lambda caller, name: caller.modern("keep", session_id=name, text="stolen"),
    "adds, 2026": lambda caller, name: caller.modern("add", session_id=name),
    "reads, 2025": lambda caller, name: caller.legacy(caller.initialize(), call("keep", session_id=name)),
    "writes, 2025": lambda caller, name: caller.legacy(
        caller.initialize(), call("keep", session_id=name, text="stolen")
    ),
}
BY_HEADER: Mapping[str, Callable[[Caller, str], Answer]] = {
    "reads": lambda caller, name: caller.legacy(name, call("keep")),
    "writes": lambda caller, name: caller.legacy(name, call("keep", text="stolen")),
    "calls a tool without state": lambda caller, name: caller.legacy(name, call("plain")),
    "pings": lambda caller, name: caller.legacy(name, PING),
    "lists": lambda caller, name: caller.legacy(name, LIST),
    "notifies": lambda caller, name: caller.legacy(name, INITIALIZED),
    "ends": lambda caller, name: caller.legacy(name, None, "DELETE"),
    "calls, 2026": lambda caller, name: caller.modern("keep", (SESSION, name)),
    "initializes": lambda caller, name: caller.send("POST", INITIALIZE, (SESSION, name)),
}


@pytest.fixture(scope="module")
def generate(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generate]:
    """Make projects for the runtimes of the tests."""
    with servers.using(toolchain):

        def generate(*targets: str, **changes: Any) -> Path:
            manifest = {"name": "principals", "targets": list(targets), "tools": TOOLS, **changes}
            return servers.generate(
                tmp_path_factory.mktemp("principals") / "project", manifest, toolchain, HANDLERS
            )

        yield generate


@pytest.fixture(scope="module", params=["bun", "deno"])
def identified(request: pytest.FixtureRequest, generate: Generate) -> Iterator[Endpoint]:
    """Serve a project that asks who sends a request."""
    project = generate(request.param, transport={"legacy": "sessions"})
    identify(project)
    with serving(project, request.param) as endpoint:
        yield endpoint


def anonymous(answer: Answer) -> bytes:
    """Return an answer without what differs from one session, and one second, to the next."""
    whole = answer.head + b"\r\n" + answer.body
    lines = [line for line in whole.split(b"\r\n") if not line.lower().startswith(b"date:")]
    return contract.UUID.sub("UUID", b"\r\n".join(lines).decode()).encode()


@pytest.mark.parametrize(("owner", "stranger"), PRINCIPALS)
@pytest.mark.parametrize("what", BY_ARGUMENT)
def test_a_handle_is_its_principals(
    what: str, owner: str | None, stranger: str | None, identified: Endpoint
) -> None:
    """In another's hands it gets the same answer, to the byte, as one that was made up, and harms nothing."""
    mine, other = Caller(identified, owner), Caller(identified, stranger)
    handle = mine.keep("my own")
    answer = BY_ARGUMENT[what](other, handle)
    assert anonymous(answer) == anonymous(BY_ARGUMENT[what](other, str(uuid.uuid4())))
    assert text(mine.modern("keep", session_id=handle)) == "my own"
    assert text(mine.modern("add", session_id=handle)) == "1"


@pytest.mark.parametrize(("owner", "stranger"), PRINCIPALS)
@pytest.mark.parametrize("what", BY_HEADER)
def test_a_session_of_the_protocol_is_its_principals(
    what: str, owner: str | None, stranger: str | None, identified: Endpoint
) -> None:
    """Likewise its Mcp-Session-Id, which another can neither use nor end."""
    mine, other = Caller(identified, owner), Caller(identified, stranger)
    session = mine.initialize()
    assert text(mine.legacy(session, call("keep", text="my own"))) == "my own"
    answer = BY_HEADER[what](other, session)
    assert anonymous(answer) == anonymous(BY_HEADER[what](other, str(uuid.uuid4())))
    assert text(mine.legacy(session, call("keep"))) == "my own"


def test_where_a_session_is_kept_is_no_name_of_it(identified: Endpoint) -> None:
    """Whoever knows how an address is made of handle and principal gets no further with it."""
    handle = Caller(identified, "alice").keep("my own")
    session = Caller(identified, "alice").initialize()
    caller = Caller(identified)
    owner = sha256(b"alice").hexdigest()
    for name in (handle, session):
        for address in (f"{name}.{owner}", f"mcp.{name}", f"mcp.{name}.{owner}"):
            made_up = address.replace(name, str(uuid.uuid4()))
            for ways in (BY_ARGUMENT, BY_HEADER):
                for what, way in ways.items():
                    answers = (anonymous(way(caller, each)) for each in (address, made_up))
                    assert len(set(answers)) == 1, what
    assert text(Caller(identified, "alice").modern("keep", session_id=handle)) == "my own"


def test_a_principal_may_be_any_text(identified: Endpoint) -> None:
    """However long it is and whatever is in it, its sessions are kept and are its own."""
    handle = Caller(identified, "alice").keep("another's")
    for user in ("a" * 4000, "alice/../bob", "alice.bob", "al\u00efce", "'; DROP TABLE entries; --", "%00"):
        caller = Caller(identified, user)
        assert b"not a handle" in caller.modern("keep", session_id=handle).body
        own = caller.keep(user[:9])
        assert text(caller.modern("keep", session_id=own)) == user[:9]
        assert caller.legacy(caller.initialize(), PING).status == 200
    assert text(Caller(identified, "alice").modern("keep", session_id=handle)) == "another's"


@pytest.mark.parametrize("method", ["initialize", "tools/call"])
def test_a_notification_begins_nothing(method: str, identified: Endpoint) -> None:
    """Without an id there is nobody to tell of a session, nor of an error."""
    body = {key: value for key, value in INITIALIZE.items() if key != "id"} | {"method": method}
    caller = Caller(identified)
    answer = caller.send("POST", body) if method == "initialize" else caller.legacy(caller.initialize(), body)
    assert answer.status == 202, answer
    assert header(answer, SESSION) is None


def test_a_session_of_the_protocol_lasts_while_it_is_used(toolchain: Toolchain, tmp_path: Path) -> None:
    """Each use starts its time anew, on every runtime, and once that is up it is not found any more."""
    targets = ["cloudflare", "deno", "vercel", "bun"]
    manifest = {"name": "brief", "targets": targets, "tools": TOOLS, "transport": {"legacy": "sessions"}}
    with servers.using(toolchain):
        projects = servers.generate_pair(tmp_path, manifest, toolchain, HANDLERS)
        for project in projects.values():
            shorten(project, TTL_SECONDS)
        with servers.serving_all(projects) as endpoints:
            callers = {name: Caller(endpoint) for name, endpoint in endpoints.items()}
            sessions = {name: caller.initialize() for name, caller in callers.items()}
            unused = {name: caller.initialize() for name, caller in callers.items()}

            def ping(named: Mapping[str, str], method: str = "POST") -> Mapping[str, int]:
                body = None if method == "DELETE" else PING
                return {name: callers[name].legacy(named[name], body, method).status for name in callers}

            for _ in range(4):
                time.sleep(TTL_SECONDS * 0.4)
                assert ping(sessions) == dict.fromkeys(callers, 200)
            assert ping(unused) == dict.fromkeys(callers, 404)
            for name, caller in callers.items():
                assert text(caller.legacy(sessions[name], call("keep", text="kept"))) == "kept"
            time.sleep(TTL_SECONDS * 1.2)
            assert ping(sessions) == dict.fromkeys(callers, 404)
            assert ping(sessions, "DELETE") == dict.fromkeys(callers, 404)
            for name, caller in callers.items():
                assert text(caller.modern("keep", session_id=sessions[name])) == "nothing is kept"


def test_a_stray_session_where_clients_of_2025_are_rejected(generate: Generate) -> None:
    """Under `legacy: reject` the header changes nothing, and there is nothing to end."""
    with serving(generate("bun", transport={"legacy": "reject"}), "bun") as endpoint:
        caller = Caller(endpoint)
        for stray in ("left-over", str(uuid.uuid4())):
            assert caller.modern("keep", (SESSION, stray), text="kept").status == 200
            assert header(caller.modern("keep", (SESSION, stray)), SESSION) is None
            refused = caller.send("POST", INITIALIZE, (SESSION, stray))
            assert MODERN in refused.body.decode()
            assert header(refused, SESSION) is None
            message_of(refused, 400)
            message_of(caller.legacy(stray, None, "DELETE"), 405)


@pytest.fixture(scope="module")
def streaming(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Serve event streams and sessions of the protocol."""
    transport = {"legacy": "sessions", "response": "sse"}
    with servers.using(toolchain):
        folder = tmp_path_factory.mktemp("streaming") / "project"
        project = servers.generate(folder, servers.notes(["bun"], transport=transport), toolchain)
        with serving(project, "bun") as endpoint:
            yield endpoint


@pytest.mark.parametrize("client", ["v1", "v2", "python1", "python2"])
def test_sessions_and_event_streams(client: str, streaming: Endpoint, toolchain: Toolchain) -> None:
    """Under `response: sse` a client of 2025 keeps its draft by its connection all the same."""
    asked = contract.Endpoint("bun", streaming.url, streaming.headers)
    (report,) = run(toolchain, client, "legacy", [asked], legacy="sessions")
    contract.assert_contract(report, servers.TOOLS, response="sse")


def test_sessions_begin_with_a_stream_and_not_with_an_error(streaming: Endpoint) -> None:
    """The header comes with a result as an event, never with an error as one nor with none."""
    caller = Caller(streaming)
    answer = caller.send("POST", INITIALIZE)
    assert header(answer, "content-type") == "text/event-stream"
    session = header(answer, SESSION)
    assert session
    assert caller.legacy(session, PING).status == 200
    faults: list[dict[str, Any]] = [{"params": {}}, {"params": None}, {"id": None}]
    for broken in faults:
        answer = caller.send("POST", {**INITIALIZE, **broken})
        assert answer.status < 500
        assert header(answer, SESSION) is None
    assert caller.send("POST", {**INITIALIZE, "id": 7}).status == 200
    notified = {key: value for key, value in INITIALIZE.items() if key != "id"}
    assert caller.send("POST", notified).status == 202
    assert caller.legacy(session, None, "DELETE").status == 204
    message_of(caller.legacy(session, PING), 404)


@contextmanager
def redis(folder: Path) -> Iterator[tuple[RedisServer, Mapping[str, str]]]:
    """Run a Redis that can go down, and REST in front of it; give it and the values that lead to them."""
    with Processes() as processes:
        server = RedisServer(free_port(), folder, processes)
        server.start()
        with rest_server(server.port, "a token") as url:
            yield (
                server,
                {
                    "redis_url": f"redis://127.0.0.1:{server.port}",
                    "redis_rest_url": url,
                    "redis_rest_token": "a token",
                },
            )


@pytest.mark.parametrize(("target", "store"), [("vercel", "upstash"), ("bun", "redis")])
def test_a_store_that_goes_down(target: str, store: str, generate: Generate, tmp_path: Path) -> None:
    """Who needs a session is told to come back, the rest is answered, and all is well afterwards."""
    options = {target: {"session": {"store": store}}}
    project = generate(target, transport={"legacy": "sessions"}, target_options=options)
    with redis(tmp_path) as (server, services), serving(project, target, services=services) as endpoint:
        caller = Caller(endpoint)
        session = caller.initialize()
        assert text(caller.legacy(session, call("keep", text="kept"))) == "kept"
        with server.down():
            for body in (PING, LIST, INITIALIZED, call("keep"), call("plain")):
                assert "Try again" in message_of(caller.legacy(session, body), 503)
            assert "Try again" in message_of(caller.legacy(session, None, "DELETE"), 503)
            begun = caller.send("POST", INITIALIZE)
            assert "Try again" in message_of(begun, 503)
            assert header(begun, SESSION) is None
            # What is no session's name is not looked up.
            message_of(caller.legacy("left-over", PING), 404)
            message_of(caller.legacy(None, PING), 400)
            assert text(caller.modern("plain", text="answered")) == "answered"
            assert caller.modern("keep").status == 200
        # Who is connected to a store finds out that it was away by using it.
        deadline = time.monotonic() + 10
        while not works(caller):
            assert time.monotonic() < deadline, endpoint.printed()
            time.sleep(0.1)
        # It has come back empty.
        message_of(caller.legacy(session, PING), 404)


def works(caller: Caller) -> bool:
    """Tell whether a session can be begun, used and ended."""
    session = header(caller.send("POST", INITIALIZE), SESSION)
    return (
        session is not None
        and b"kept again" in caller.legacy(session, call("keep", text="kept again")).body
        and caller.legacy(session, None, "DELETE").status == 204
    )


@pytest.mark.parametrize("target", ["bun", "deno"])
def test_what_a_request_asks_of_the_store(target: str, generate: Generate) -> None:
    """A tool without state asks nothing, and to change a value is one read and one write."""
    project = generate(target)
    count_operations(project)
    with serving(project, target) as endpoint:
        caller = Caller(endpoint)
        stray = str(uuid.uuid4())
        for _ in range(3):
            assert text(caller.modern("plain", text="a")) == "a"
            assert text(caller.legacy(None, call("plain", text="a"))) == "a"
            assert text(caller.legacy(stray, call("plain", text="a"))) == "a"
            for body in (INITIALIZE, INITIALIZED, PING, LIST):
                assert caller.legacy(None, body).status in {200, 202}
        assert operations(endpoint.log) == Counter()
        handle = caller.keep("kept")
        assert operations(endpoint.log) == Counter(set=1, get=1)
        for count in range(3):
            assert text(caller.modern("add", session_id=handle)) == str(count + 1)
        assert operations(endpoint.log) == Counter(set=1, get=1) + Counter(get=3, replace=3)


@pytest.mark.parametrize("target", ["bun", "deno"])
def test_what_a_session_of_the_protocol_asks_of_the_store(target: str, generate: Generate) -> None:
    """One write begins it, a request reads it once, and what is not its own business is not asked about."""
    project = generate(target, transport={"legacy": "sessions"})
    count_operations(project)
    with serving(project, target) as endpoint:
        caller = Caller(endpoint)
        for _ in range(3):
            assert text(caller.modern("plain", (SESSION, str(uuid.uuid4())), text="a")) == "a"
            assert caller.legacy("left-over", PING).status == 404
            assert caller.legacy(None, PING).status == 400
        assert operations(endpoint.log) == Counter()
        session = caller.initialize()
        assert operations(endpoint.log) == (known := Counter(set=1))
        for body in (PING, LIST, INITIALIZED, call("plain")):
            assert caller.legacy(session, body).status in {200, 202}
        assert operations(endpoint.log) == (known := known + Counter(get=4))
        assert text(caller.legacy(session, call("add"))) == "1"
        assert operations(endpoint.log) == (known := known + Counter(get=2, replace=1))
        assert caller.legacy(session, None, "DELETE").status == 204
        assert operations(endpoint.log) == known + Counter(get=1, clear=2)
