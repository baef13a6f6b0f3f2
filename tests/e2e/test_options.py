"""What mcp.yaml can change about a server, on the runtime that starts in the least time."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e import contract, servers
from e2e.clients.run import MATRIX, run
from e2e.handles import mint
from toolchain import Toolchain

from scaffolder.exchanges import Layer
from scaffolder.probe import Client, Era, probe
from scaffolder.serving import Endpoint, serving

pytestmark = pytest.mark.slow

Generate = Callable[..., Path]

OPEN = {
    "response": "sse",
    "allowed_origins": ["app.example.com", "*.example.org"],
    "allowed_hosts": ["mcp.example.com", "*.example.net"],
}

KEEP = """
import type { Tool } from "../generated/contract.ts";

export default (async ({ text }, { session }) => {
  if (text !== undefined) await session.set("text", text);
  return (await session.get<string>("text")) ?? "nothing is kept";
}) satisfies Tool<"keep">;
"""

# What a handler does that forgets to wait, for a write that works and for one that cannot.
FORGETFUL = """
import type { Tool } from "../generated/contract.ts";

export default (async ({ text }, { session }) => {
  const before = await session.get<string>("text");
  session.set("text", text as string);
  return before ?? "nothing is kept";
}) satisfies Tool<"forget">;
"""

PAUSE = """
import type { Tool } from "../generated/contract.ts";

export default (async () => {
  console.log("The call is under way.");
  await new Promise((resolve) => setTimeout(resolve, 3000));
  return "done";
}) satisfies Tool<"pause">;
"""


@pytest.fixture(scope="module")
def generate(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generate]:
    """Make projects for the runtimes of the tests."""
    with servers.using(toolchain):

        def generate(manifest: Mapping[str, Any], handlers: Mapping[str, str] | None = None) -> Path:
            folder = tmp_path_factory.mktemp("options") / "project"
            return servers.generate(folder, manifest, toolchain, handlers)

        yield generate


@pytest.fixture(scope="module")
def opened(generate: Generate) -> Iterator[contract.Endpoint]:
    """Serve event streams to other hosts and origins."""
    with serving(generate(servers.notes(["bun"], transport=OPEN)), "bun") as served:
        yield contract.Endpoint("bun", served.url, served.headers)


@pytest.fixture(scope="module")
def rejecting(generate: Generate) -> Iterator[contract.Endpoint]:
    """Serve no client of the 2025 revisions."""
    with serving(generate(servers.notes(["bun"], transport={"legacy": "reject"})), "bun") as served:
        yield contract.Endpoint("bun", served.url, served.headers)


@pytest.fixture(scope="module")
def slow_project(generate: Generate) -> Path:
    """Make a server with a tool that takes its time."""
    tool = {"name": "pause", "inputSchema": {"type": "object"}}
    return generate({"name": "slow", "targets": ["bun"], "tools": [tool]}, {"pause": PAUSE})


@pytest.mark.parametrize(("client", "mode"), MATRIX, ids=lambda part: part)
def test_event_streams(client: str, mode: str, opened: contract.Endpoint, toolchain: Toolchain) -> None:
    """Under `response: sse` every client gets the same from a stream."""
    (report,) = run(toolchain, client, mode, [opened])
    contract.assert_contract(report, servers.TOOLS, response="sse")


def test_an_event_stream_for_curl(opened: contract.Endpoint) -> None:
    """The guide's command gets its answer as an event."""
    contract.assert_curl_initializes(opened, response="sse")


def ask(endpoint: contract.Endpoint, **headers: str) -> httpx.Response:
    """Send `initialize` with some headers."""
    accept = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    return httpx.post(
        endpoint.url, headers={**accept, **headers}, content=contract.GUIDE_BODY, trust_env=False
    )


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.com",
        "http://app.example.com:8080",
        "https://a.example.org",
        "https://b.a.example.org",
    ],
)
def test_an_allowed_origin(origin: str, opened: contract.Endpoint) -> None:
    """A page of an allowed host may ask, call and read the answer."""
    contract.assert_allowed_origin_answered(opened, origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://example.com",
        "https://notapp.example.com",
        "https://app.example.com.evil.example",
        "https://example.org",
        "https://evilexample.org",
        "https://mcp.example.com",
        "null",
    ],
)
def test_an_origin_that_is_not_allowed(origin: str, opened: contract.Endpoint) -> None:
    """A page of any other host is refused, however much its name resembles, and told nothing by CORS."""
    answer = ask(opened, origin=origin)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["mcp.example.com", "MCP.example.com:443", "eu.example.net", "localhost:1"])
def test_an_allowed_host(host: str, opened: contract.Endpoint) -> None:
    """The server answers under each of its names, whatever the port."""
    assert ask(opened, host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "example.com", "example.net", "evilexample.net", "mcp.example.com.evil.example"]
)
def test_a_host_that_is_not_allowed(host: str, opened: contract.Endpoint) -> None:
    """Under no other."""
    assert ask(opened, host=host).status_code == 403


def test_a_page_of_an_allowed_host(opened: contract.Endpoint) -> None:
    """A page calls the server that it came from."""
    answer = ask(opened, host="mcp.example.com", origin="https://mcp.example.com")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://mcp.example.com"


def test_clients_of_2025_are_rejected(rejecting: contract.Endpoint) -> None:
    """Under `legacy: reject` their handshake is an error that names the revision to come back with."""
    answer = ask(rejecting)
    assert answer.status_code == 400
    assert contract.MODERN in json.dumps(answer.json()["error"])
    report = probe(rejecting.url)
    assert report.legacy.failure is not None
    assert report.legacy.failure.layer is Layer.JSON_RPC
    assert report.legacy.tools == ()


@pytest.mark.parametrize(
    ("client", "mode"), [("v2", "2026-07-28"), ("v2", "auto"), ("python2", "2026-07-28")]
)
def test_clients_of_2026_are_served(
    client: str, mode: str, rejecting: contract.Endpoint, toolchain: Toolchain
) -> None:
    """Under `legacy: reject` the present revision has all that it has elsewhere."""
    (report,) = run(toolchain, client, mode, [rejecting])
    contract.assert_contract(report, servers.TOOLS)


def pause(endpoint: Endpoint) -> str:
    """Call the tool that takes its time."""
    with Client(endpoint.url, endpoint.headers) as client:
        report = client.call("pause", {}, Era.MODERN)
    assert report.failure is None
    return report.text


def terminate_during_a_call(endpoint: Endpoint) -> tuple[str, bool, int]:
    """Send SIGTERM during a call: its answer, whether a connection is still taken, the exit status."""
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(pause, endpoint)
        while "The call is under way." not in endpoint.printed():
            assert not under_way.done()
            time.sleep(0.02)
        os.kill(endpoint.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert not under_way.done()
        try:
            httpx.get(f"{endpoint.origin}/healthz", trust_env=False, timeout=5)
            taken = True
        except httpx.ConnectError:
            taken = False
        answer = under_way.result()
    # Looked at and left for `serving` to collect.
    end = time.monotonic() + 5
    while (ended := os.waitid(os.P_PID, endpoint.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is None:
        assert time.monotonic() < end, "the server goes on"
        time.sleep(0.02)
    assert ended.si_code == os.CLD_EXITED
    return answer, taken, ended.si_status


def test_calls_under_way_are_answered_before_the_process_ends(slow_project: Path) -> None:
    """SIGTERM lets a call finish, takes no new connection, and ends the process without an error."""
    with serving(slow_project, "bun") as endpoint:
        assert terminate_during_a_call(endpoint) == ("done", False, 0)


def test_an_idle_connection_does_not_hold_the_process(slow_project: Path) -> None:
    """Clients keep connections open, and a restart does not wait for them."""
    with serving(slow_project, "bun") as endpoint, httpx.Client(trust_env=False) as idle:
        assert idle.get(f"{endpoint.origin}/healthz").status_code == 200
        assert terminate_during_a_call(endpoint) == ("done", False, 0)


@pytest.mark.parametrize("target", ["deno", "bun", "vercel"])
def test_a_session_ends(target: str, generate: Generate) -> None:
    """A value is gone when its time is up, and each write starts that anew."""
    tool = {
        "name": "keep",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "state": "session",
    }
    project = generate({"name": "brief", "targets": [target], "tools": [tool]}, {"keep": KEEP})
    # The manifest's least is a minute.
    config = project / "src/generated/config.ts"
    text = config.read_text()
    assert "sessionTtlSeconds = 1800;" in text
    config.write_text(text.replace("sessionTtlSeconds = 1800;", "sessionTtlSeconds = 4;"))
    session = {"session_id": mint("brief")}
    with serving(project, target) as endpoint, Client(endpoint.url, endpoint.headers) as client:
        assert client.call("keep", {**session, "text": "kept"}).text == "kept"
        time.sleep(2.4)
        assert client.call("keep", {**session, "text": "kept"}).text == "kept"
        time.sleep(2.4)
        assert client.call("keep", session).text == "kept"
        time.sleep(2.4)
        assert client.call("keep", session).text == "nothing is kept"


@pytest.mark.parametrize("target", ["deno", "bun", "vercel"])
def test_a_forgotten_await_costs_neither_the_write_nor_the_server(target: str, generate: Generate) -> None:
    """The answer waits for what the handler has not, and a failure that nobody handles ends no process."""
    tool = {
        "name": "forget",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "state": "session",
    }
    project = generate({"name": "hasty", "targets": [target], "tools": [tool]}, {"forget": FORGETFUL})
    session = {"session_id": mint("hasty")}
    with serving(project, target) as endpoint, Client(endpoint.url, endpoint.headers) as client:
        assert client.call("forget", {**session, "text": "kept"}).text == "nothing is kept"
        assert client.call("forget", session).text == "kept"
        assert client.call("forget", session).text == "kept"


def tables(state: Path) -> list[set[str]]:
    """Name the tables in which Durable Objects keep something, of each object that has any."""
    found = []
    for path in state.glob("v3/do/fleeting-SessionObject/*.sqlite"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if path.name == "metadata.sqlite":
                names = {"_cf_ALARM"} if connection.execute("SELECT * FROM _cf_ALARM").fetchall() else set()
        # The local runtime writes down the name of whatever object it was asked for.
        if names - {"__miniflare_do_name"}:
            found.append(names)
    return found


def test_a_dead_session_is_no_storage(generate: Generate, tmp_path: Path) -> None:
    """An object deletes itself by its alarm, and to read one that was never written leaves nothing behind."""
    tool = {
        "name": "keep",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "state": "session",
    }
    project = generate({"name": "fleeting", "targets": ["cloudflare"], "tools": [tool]}, {"keep": KEEP})
    config = project / "src/generated/config.ts"
    config.write_text(config.read_text().replace("sessionTtlSeconds = 1800;", "sessionTtlSeconds = 3;"))
    with (
        serving(project, "cloudflare", state=tmp_path) as endpoint,
        Client(endpoint.url, endpoint.headers) as client,
    ):
        assert client.call("keep", {"session_id": mint("fleeting")}).text == "nothing is kept"
        assert tables(tmp_path) == []
        assert client.call("keep", {"session_id": mint("fleeting"), "text": "kept"}).text == "kept"
        assert len(tables(tmp_path)) == 2
        deadline = time.monotonic() + 30
        while tables(tmp_path):
            assert time.monotonic() < deadline, tables(tmp_path)
            time.sleep(0.2)
