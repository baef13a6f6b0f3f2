"""Ten thousand handles and headers that nobody should send, to servers that hold what nobody else may read.

The order of the requests is that of a seed: MCP_SCAFFOLD_FUZZ_SEED=NUMBER chooses another one.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from e2e import servers
from e2e.contract import HANDLE, LEGACY
from e2e.fuzzer import HOSTS, INITIALIZE, SERVER, SESSION, Case, Fuzzer, Live, call, modern_headers, post
from e2e.raw_http import Answer, Connection, Header, Request
from toolchain import Toolchain

from scaffolder.serving import Endpoint

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("MCP_SCAFFOLD_FUZZ_SEED", "20260728"))

MODES = ("sessions", "stateless")
# 10,000 in the two modes together, most of them where the local server takes the least time for one.
REQUESTS: Mapping[str, int] = {
    "workerd": 600,
    "vercel-node": 800,
    "vercel-edge": 800,
    "deno": 1_400,
    "bun": 1_400,
}
CONNECTIONS = 4

KEEP = """
import type { Tool } from "../generated/contract.ts";

export default (async ({ text }, { session }) => {
  if (text !== undefined) await session.set("text", text);
  return (await session.get<string>("text")) ?? "nothing is kept";
}) satisfies Tool<"keep">;
"""

MANIFEST: Mapping[str, Any] = {
    "name": SERVER,
    "targets": ["cloudflare", "deno", "vercel", "bun"],
    "tools": [
        {
            "name": "keep",
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
            "state": "session",
        }
    ],
}


@pytest.fixture(scope="module", params=MODES)
def endpoints(
    request: pytest.FixtureRequest, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Endpoint]]:
    """Serve all five runtimes at once, with sessions of the protocol and without."""
    manifest = {**MANIFEST, "transport": {"legacy": request.param}}
    with servers.using(toolchain):
        projects = servers.generate_pair(
            tmp_path_factory.mktemp(request.param), manifest, toolchain, {"keep": KEEP}
        )
        with servers.serving_all(projects) as served:
            yield served


@pytest.mark.parametrize("name", list(servers.TARGETS))
def test_no_handle_and_no_header_leads_to_another_session(name: str, endpoints: dict[str, Endpoint]) -> None:
    """Whatever is sent, no answer is a failure of the server's, and nobody reads or changes another's."""
    endpoint = endpoints[name]
    peer = Peer(endpoint)
    with Connection(peer.port) as connection:
        live = [peer.begin(connection, number) for number in range(6)]
        rng = Random(f"{SEED} {name} {live[-1].by_header}")
        fuzzer = Fuzzer(rng, peer.common, live[:-1], own=live[-1])
        cases = [fuzzer.case() for _ in range(REQUESTS[name])]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            shares = [cases[start::CONNECTIONS] for start in range(CONNECTIONS)]
            problems = [
                found for share in pool.map(lambda cases: peer.judge(cases, live), shares) for found in share
            ]
        for session in live[:-1]:
            text = peer.read(connection, session)
            if text != session.secret:
                problems.append(f"{session} holds {text!r} at the end")
    if problems:
        counted = f"{len(problems)} problems at {name} (MCP_SCAFFOLD_FUZZ_SEED={SEED})"
        raise AssertionError("\n\n".join([counted, *problems[:5], endpoint.printed()]))


class Peer:
    """A server under test, and what a well-behaved client asks of it."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Take what every request has to carry."""
        address = urlsplit(endpoint.url)
        assert address.port
        self.port = address.port
        self.common = {"host": address.netloc, **endpoint.headers}

    def begin(self, connection: Connection, number: int) -> Live:
        """Begin a session that holds a secret, by turns with a handle and with the protocol's header."""
        secret = f"secret-{uuid.uuid4().hex}"
        if number % 2:
            answer = self._ask(connection, post(INITIALIZE))
            lines = answer.head.decode().lower().split("\r\n")
            named = [line.partition(":")[2].strip() for line in lines if line.startswith(SESSION)]
            if named:
                live = Live(named[0], secret, by_header=True)
                assert self.read(connection, live, text=secret) == secret
                return live
        request = post(call({"text": secret}, modern=True), *modern_headers())
        found = HANDLE.search(self._ask(connection, request).body.decode())
        assert found
        return Live(found[1], secret, by_header=False)

    def read(self, connection: Connection, live: Live, **arguments: str) -> str:
        """Ask as the owner of a session does for what it holds."""
        if live.by_header:
            headers: tuple[Header, ...] = ((SESSION, live.handle), ("mcp-protocol-version", LEGACY))
            request = post(call(arguments, modern=False), *headers)
        else:
            request = post(call({**arguments, "session_id": live.handle}, modern=True), *modern_headers())
        answer = connection.send(self._whole(request))
        assert answer is not None
        try:
            text: str = json.loads(answer.body)["result"]["content"][0]["text"]
        except (KeyError, ValueError):
            return answer.body.decode()
        return text

    def judge(self, cases: Sequence[Case], live: Sequence[Live]) -> list[str]:
        """Send requests, and say what is wrong with the answers."""
        problems = []
        with Connection(self.port) as connection:
            for case in cases:
                answer = connection.send(case.request)
                problem = wrong(case, answer, live)
                if problem:
                    problems.append(f"{problem}\n{case.request.encode()[:3000]!r}\n{answer}")
        return problems

    def _ask(self, connection: Connection, request: Request) -> Answer:
        answer = connection.send(self._whole(request))
        assert answer is not None
        assert answer.status == 200, answer
        return answer

    def _whole(self, request: Request) -> Request:
        return Request(request.method, (*self.common.items(), *request.headers), request.body)


def wrong(case: Case, answer: Answer | None, live: Sequence[Live]) -> str | None:
    """Say what is wrong with an answer, if anything is."""
    if answer is None:
        # A parser may hang up on what is no HTTP.
        return None if is_malformed(case.request) else "no answer"
    if answer.status >= 500:
        # The local workerd does, in words of its own, where a host makes no URL.
        ahead = has_odd_host(case.request) and not answer.body.startswith(b"{")
        return None if ahead else f"status {answer.status}"
    if case.refused and answer.status < 300 and not re.search(rb'"isError":true|"error":', answer.body):
        return "a session that nobody has is served"
    for session in live:
        shown = session.secret.encode() in answer.head + answer.body
        if shown and not session.owns(case.request, case.argument):
            return f"shows the secret of {session.handle}"
    return None


def is_malformed(request: Request) -> bool:
    """Whether a parser of HTTP has a reason to refuse a request."""
    head = request.encode().partition(b"\r\n\r\n")[0]
    return len(head) > 8_000 or any(byte < 32 or byte > 126 for byte in head.replace(b"\r\n", b""))


def has_odd_host(request: Request) -> bool:
    """Whether the host of a request is one that a URL may not be able to have."""
    (host,) = (value for name, value in request.headers if name == "host")
    return isinstance(host, bytes) and host not in HOSTS
