"""Times a tool that changes its session beside one without state, and counts what it asks of the store.

Run by hand: python tests/bench/sessions.py [--calls N] [SERVER ...]
Side by side in one run, on each real runtime with each of its strong stores. The ratios say what state
costs there; the times are those of local servers and stores, and of nothing that is deployed.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

from e2e import servers
from e2e.contract import HANDLE, LEGACY, MODERN
from e2e.entries import count_operations, operations
from e2e.raw_http import Connection, Header, Request
from toolchain import Toolchain, prepare

from scaffolder.processes import Processes
from scaffolder.redis_rest import Redis
from scaffolder.serving import Endpoint, running, serving

WARM_UP = 30

# How a call comes by its session; the first is what the others are compared with.
STATELESS, HANDLED, NAMED, NAMED_STATELESS = (
    "no state",
    "by handle",
    "by header",
    "no state, by header",
)
KINDS = (STATELESS, HANDLED, NAMED, NAMED_STATELESS)

TOOLS: list[dict[str, Any]] = [
    {"name": "plain", "inputSchema": {"type": "object"}},
    {"name": "add", "inputSchema": {"type": "object"}, "state": "session"},
]

HANDLERS = {
    "plain": """
import type { Tool } from "../generated/contract.ts";

export default (async () => "1") satisfies Tool<"plain">;
""",
    "add": """
import type { Tool } from "../generated/contract.ts";

export default (async (_, { session }) =>
  String(await session.update<number>("sum", (sum = 0) => sum + 1))) satisfies Tool<"add">;
""",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A runtime with one of its stores."""

    target: str
    store: str
    services: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """Declare it, with sessions of the protocol beside handles."""
        options = {**self.options, "session": {"store": self.store}}
        return {
            "name": "bench",
            "targets": [self.target],
            "target_options": {self.target: options},
            "transport": {"legacy": "sessions"},
            "tools": TOOLS,
        }


REST = ("redis-rest",)

# Every strong store on each runtime that has it, the runtime's own first.
SERVERS: Mapping[str, Server] = {
    "workerd": Server("cloudflare", "durable-object"),
    "workerd-upstash": Server("cloudflare", "upstash", REST),
    "deno": Server("deno", "deno-kv"),
    "deno-upstash": Server("deno", "upstash", REST),
    "vercel-node": Server("vercel", "upstash", REST),
    "vercel-edge": Server("vercel", "upstash", REST, servers.EDGE["vercel"]),
    "bun": Server("bun", "sqlite"),
    "bun-redis": Server("bun", "redis", ("redis",)),
    "bun-upstash": Server("bun", "upstash", REST),
}


class Client:
    """Calls one server, in each of the ways, over one connection."""

    def __init__(self, endpoint: Endpoint, connection: Connection) -> None:
        """Begin a session of each kind."""
        self._connection = connection
        self._own: tuple[Header, ...] = (
            ("host", urlsplit(endpoint.url).netloc),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            *endpoint.headers.items(),
        )
        handle = HANDLE.search(self._send(self._modern("add")).decode())
        if handle is None:
            raise SystemExit(endpoint.printed())
        session = self._initialize()
        self._requests = {
            STATELESS: self._modern("plain"),
            HANDLED: self._modern("add", session_id=handle[1]),
            NAMED: self._legacy("add", session),
            NAMED_STATELESS: self._legacy("plain", session),
        }

    def call(self, kind: str) -> float:
        """Call once, and return the milliseconds that it took."""
        started = time.perf_counter()
        self._send(self._requests[kind])
        return (time.perf_counter() - started) * 1000

    def _send(self, request: Request) -> bytes:
        answer = self._connection.send(request)
        if answer is None or b'"text"' not in answer.body or b"isError" in answer.body:
            raise SystemExit(f"{request}\n{answer}")
        return answer.body

    def _initialize(self) -> str:
        params = {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1.0.0"},
        }
        answer = self._connection.send(self._post("initialize", params))
        lines = answer.head.decode().lower().split("\r\n") if answer else []
        (session,) = (line.partition(":")[2].strip() for line in lines if line.startswith("mcp-session-id:"))
        return session

    def _modern(self, tool: str, **arguments: str) -> Request:
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        named = (("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", tool))
        return self._post("tools/call", {"name": tool, "arguments": arguments, "_meta": meta}, *named)

    def _legacy(self, tool: str, session: str) -> Request:
        named = (("mcp-protocol-version", LEGACY), ("mcp-session-id", session))
        return self._post("tools/call", {"name": tool, "arguments": {}}, *named)

    def _post(self, method: str, params: object, *headers: Header) -> Request:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return Request("POST", (*self._own, *headers), json.dumps(message).encode())


@contextmanager
def client(project: Path, server: Server, services: Mapping[str, str]) -> Iterator[tuple[Client, Endpoint]]:
    """Serve a project, and connect to it."""
    with serving(project, server.target, services=services) as endpoint:
        port = urlsplit(endpoint.url).port
        assert port is not None
        with Connection(port) as connection:
            yield Client(endpoint, connection), endpoint


def measure(calls: int, ways: Client) -> dict[str, float]:
    """Return the median milliseconds of a call, by kind."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(calls + WARM_UP):
        # In turns, so that whatever else the machine does is everybody's.
        for kind in KINDS:
            times[kind].append(ways.call(kind))
    return {kind: statistics.median(values[WARM_UP:]) for kind, values in times.items()}


def count(ways: Client, endpoint: Endpoint, redis: Redis | None) -> dict[str, tuple[str, str]]:
    """Return what a call asks of the store, and what that is to Redis, by kind."""
    calls = 10
    found = {}
    for kind in KINDS:
        # The first one may find nothing to change.
        ways.call(kind)
        before, commands = operations(endpoint.log), _commands(redis)
        for _ in range(calls):
            ways.call(kind)
        asked = operations(endpoint.log) - before
        found[kind] = (_share(asked, calls), _share(_commands(redis) - commands, calls))
    return found


def _commands(redis: Redis | None) -> Counter[str]:
    if redis is None:
        return Counter()
    (reply,) = redis.run([[b"INFO", b"commandstats"]])
    assert isinstance(reply, bytes)
    lines = (line.removeprefix("cmdstat_").partition(":calls=") for line in reply.decode().splitlines())
    return Counter({name: int(rest.partition(",")[0]) for name, _, rest in lines if rest and name != "info"})


def _share(counted: Counter[str], calls: int) -> str:
    return ", ".join(f"{number / calls:g} {name}" for name, number in sorted(counted.items())) or "nothing"


def bench(name: str, calls: int, folder: Path, toolchain: Toolchain) -> None:
    """Measure one server, and print its rows."""
    server = SERVERS[name]
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        services = stack.enter_context(running(server.services, folder, processes))
        redis = None
        if services:
            port = urlsplit(services["redis_url"]).port
            assert port is not None
            redis = Redis(port)
            stack.callback(redis.close)
        project = servers.generate(folder / name, server.manifest(), toolchain, HANDLERS)
        with client(project, server, services) as (ways, _):
            found = measure(calls, ways)
        count_operations(project)
        with client(project, server, services) as (ways, endpoint):
            asked = count(ways, endpoint, redis)
    for kind in KINDS:
        ratio = found[kind] / found[STATELESS]
        to_store, to_redis = asked[kind]
        print(
            f"{name if kind == STATELESS else '':16} {server.store if kind == STATELESS else '':15} "
            f"{kind:20} {found[kind]:>8.2f} {ratio:>6.2f}x   {to_store:20}"
            f" {to_redis if server.services else ''}",
            flush=True,
        )


def main() -> None:
    """Measure each server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "servers", nargs="*", default=list(SERVERS), metavar="SERVER", help=", ".join(SERVERS)
    )
    parser.add_argument("--calls", type=int, default=200)
    arguments = parser.parse_args()
    print(
        f"{'runtime':16} {'store':15} {'session':20} {'ms':>8} {'ratio':>7}   {'asked of the store':20}"
        " commands of Redis   (medians; operations a call)"
    )
    with tempfile.TemporaryDirectory() as folder:
        toolchain = prepare(Path(folder, "toolchain"))
        with servers.using(toolchain):
            for name in arguments.servers:
                bench(name, arguments.calls, Path(folder), toolchain)


if __name__ == "__main__":
    main()
