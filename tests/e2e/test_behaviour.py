"""What a handler meets on every runtime: its contract, its time, its secrets, and sessions that end."""

import json
import re
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e import contract, servers
from e2e.stores import RedisServer
from toolchain import Toolchain

from scaffolder.probe import CallReport, Client, Era
from scaffolder.processes import Processes
from scaffolder.redis_rest import Redis, free_port, rest_server
from scaffolder.serving import Endpoint, serving

pytestmark = pytest.mark.slow

TARGETS = list(servers.TARGETS)
ERAS = list(Era)

TTL_SECONDS = 90

STRING = {"type": "string"}
NOTHING = {"type": "object"}
TEMPERATURE = {
    "type": "object",
    "properties": {"fahrenheit": {"type": "number"}},
    "required": ["fahrenheit"],
}

MANIFEST: Mapping[str, Any] = {
    "name": "behaviour",
    "targets": ["cloudflare", "deno", "vercel", "bun"],
    "session": {"ttl_seconds": TTL_SECONDS},
    "secrets": {"API_TOKEN": "Not set in these tests.", "OTHER_TOKEN": "Set in these tests."},
    "vars": {"GREETING": "hello from mcp.yaml", "LEVEL": "info"},
    "tools": [
        {
            "name": "convert",
            "inputSchema": {"type": "object", "properties": {"celsius": {"type": "number"}}},
            "outputSchema": TEMPERATURE,
        },
        {
            "name": "count",
            "inputSchema": NOTHING,
            "outputSchema": {"type": "object", "properties": {"calls": {"type": "integer"}}},
            "state": "session",
        },
        {
            "name": "misreport",
            "inputSchema": {"type": "object", "properties": {"how": STRING}},
            "outputSchema": TEMPERATURE,
        },
        {
            "name": "keep",
            "inputSchema": {"type": "object", "properties": {"text": STRING}},
            "state": "session",
        },
        {
            "name": "dawdle",
            "inputSchema": {"type": "object", "properties": {"ask": {"type": "boolean"}}},
            "max_seconds": 0.5,
        },
        {"name": "linger", "inputSchema": {"type": "object", "properties": {"ask": {"type": "boolean"}}}},
        {"name": "fail", "inputSchema": {"type": "object", "properties": {"how": STRING}}},
        {
            "name": "read",
            "inputSchema": {"type": "object", "properties": {"name": STRING}, "required": ["name"]},
            "secrets": ["API_TOKEN", "OTHER_TOKEN"],
        },
    ],
}

HANDLERS = {
    "convert": """
import type { Tool } from "../generated/contract.ts";

export default (async ({ celsius = 0 }) => ({
  structuredContent: { fahrenheit: celsius * 1.8 + 32 },
})) satisfies Tool<"convert">;
""",
    "count": """
import type { Tool } from "../generated/contract.ts";

export default (async (_, { session }) => {
  const calls = ((await session.get<number>("calls")) ?? 0) + 1;
  await session.set("calls", calls);
  return { structuredContent: { calls } };
}) satisfies Tool<"count">;
""",
    "misreport": """
import type { Tool } from "../generated/contract.ts";

const wrong: Record<string, unknown> = {
  type: { structuredContent: { fahrenheit: "warm" } },
  missing: { structuredContent: {} },
  text: "just text",
  nothing: undefined,
};

export default (async ({ how = "" }) => wrong[how] as never) satisfies Tool<"misreport">;
""",
    "keep": """
import type { Tool } from "../generated/contract.ts";

export default (async ({ text }, { session }) => {
  if (text !== undefined) await session.set("text", text);
  return (await session.get<string>("text")) ?? "nothing is kept";
}) satisfies Tool<"keep">;
""",
    "dawdle": """
import type { Tool } from "../generated/contract.ts";

let heard = "nothing";

export default (async ({ ask }, { signal }) => {
  if (ask) return heard;
  signal.addEventListener("abort", () => {
    heard = signal.reason.message;
  });
  await new Promise((resolve) => setTimeout(resolve, 4000));
  return "too late";
}) satisfies Tool<"dawdle">;
""",
    "linger": """
import type { Tool } from "../generated/contract.ts";

let left = "nobody left";

export default (async ({ ask }, { signal }) => {
  if (ask) return left;
  signal.addEventListener("abort", () => {
    left = "the client left";
  });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  return "too late";
}) satisfies Tool<"linger">;
""",
    "fail": """
import type { Tool } from "../generated/contract.ts";

export default (({ how }) => {
  if (how === "word") throw "a bare word";
  if (how === "later") return Promise.reject(new Error("the API is down, later"));
  throw new Error("the API is down");
}) satisfies Tool<"fail">;
""",
    "read": """
import type { Tool } from "../generated/contract.ts";

export default (async ({ name }, { env }) =>
  env[name as keyof typeof env]) satisfies Tool<"read">;
""",
}

# Vercel's Marketplace sets the variables of the store under names of its own.
MARKETPLACE = ("KV_REST_API_URL", "KV_REST_API_TOKEN")
UPSTASH = ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN")


@dataclass(slots=True)
class Store(RedisServer):
    """A Redis that a test can stop and start again, and its REST service, which stays."""

    url: str = ""
    token: str = ""


@contextmanager
def redis(folder: Path) -> Iterator[Store]:
    """Run Redis behind REST."""
    port, token = free_port(), "a token of the marketplace"
    with Processes() as processes, rest_server(port, token) as url:
        store = Store(port, folder, processes, url=url, token=token)
        store.start()
        yield store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Run the store that vercel-node finds under the names of Vercel's Marketplace."""
    with redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def projects(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Make the projects of all five runtimes."""
    with servers.using(toolchain):
        yield servers.generate_pair(tmp_path_factory.mktemp("behaviour"), MANIFEST, toolchain, HANDLERS)


@pytest.fixture(scope="module")
def endpoints(projects: dict[str, Path], store: Store) -> Iterator[dict[str, Endpoint]]:
    """Serve all five at once: one secret missing, one variable overridden."""
    common = {"API_TOKEN": "", "OTHER_TOKEN": "the other token", "LEVEL": "debug"}
    marketplace = dict(zip((*UPSTASH, *MARKETPLACE), ("", "", store.url, store.token), strict=True))
    environments = dict.fromkeys(TARGETS, common) | {"vercel-node": {**common, **marketplace}}
    with servers.serving_all(projects, environments) as served:
        yield served


@pytest.fixture(params=TARGETS)
def endpoint(request: pytest.FixtureRequest, endpoints: dict[str, Endpoint]) -> Endpoint:
    """Return one of the five servers."""
    return endpoints[request.param]


def call(endpoint: Endpoint, tool: str, era: Era = Era.MODERN, **arguments: Any) -> CallReport:
    """Call a tool, which has to come to a result."""
    with Client(endpoint.url, endpoint.headers) as client:
        report = client.call(tool, arguments, era)
    assert report.failure is None
    return report


def asked(endpoint: Endpoint) -> contract.Endpoint:
    """Return a server as the assertions over plain HTTP take it."""
    return contract.Endpoint(endpoint.target, endpoint.url, endpoint.headers)


def error(endpoint: Endpoint, tool: str, **arguments: Any) -> str:
    """Call a tool whose result has to be an error, and return its text."""
    report = call(endpoint, tool, **arguments)
    assert report.result.get("isError") is True
    assert "structuredContent" not in report.result
    return report.text


def handle(report: CallReport) -> str:
    """Return the handle that a result announces."""
    match = re.search(r"session_id: (\S+)", report.text)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("era", ERAS)
def test_structured_content(era: Era, endpoint: Endpoint) -> None:
    """A result keeps to its outputSchema, and its text is the same as JSON."""
    report = call(endpoint, "convert", era, celsius=20)
    assert report.result["structuredContent"] == {"fahrenheit": 68}
    assert json.loads(report.text) == {"fahrenheit": 68}
    assert not report.result.get("isError")


@pytest.mark.parametrize("era", ERAS)
def test_structured_content_of_a_session(era: Era, endpoint: Endpoint) -> None:
    """It carries the handle, in both forms, and the handle carries on."""
    first = call(endpoint, "count", era)
    session_id = first.result["structuredContent"]["session_id"]
    assert first.result["structuredContent"] == {"calls": 1, "session_id": session_id}
    assert json.loads(first.result["content"][0]["text"]) == first.result["structuredContent"]
    assert handle(first) == session_id
    second = call(endpoint, "count", era, session_id=session_id)
    assert second.result["structuredContent"] == {"calls": 2, "session_id": session_id}
    assert json.loads(second.text) == second.result["structuredContent"]


@pytest.mark.parametrize("how", ["type", "missing", "text", "nothing"])
def test_structured_content_that_breaks_its_schema(how: str, endpoint: Endpoint) -> None:
    """What a client was promised otherwise never reaches it: the call is an error that says so."""
    assert "structuredContent" in error(endpoint, "misreport", how=how)


def test_a_handler_that_takes_too_long(endpoint: Endpoint) -> None:
    """It is answered for when its time is up, and its signal aborts with the same words."""
    started = time.monotonic()
    assert error(endpoint, "dawdle") == "Stopped after 0.5 s (max_seconds)."
    assert 0.45 < time.monotonic() - started < 20
    assert call(endpoint, "dawdle", ask=True).text == "Stopped after 0.5 s (max_seconds)."


def test_a_client_that_leaves(endpoints: dict[str, Endpoint]) -> None:
    """The handler hears of it by its signal, where the runtime tells, and the server goes on."""
    # The others' local servers abort a request's signal when the response is made, or never.
    endpoint = endpoints["bun"]
    with Client(endpoint.url, endpoint.headers, timeout=0.5) as client:
        assert client.call("linger", {}).failure is not None
    time.sleep(0.3)
    assert call(endpoint, "linger", ask=True).text == "the client left"


@pytest.mark.parametrize(
    ("how", "text"),
    [("now", "the API is down"), ("later", "the API is down, later"), ("word", "a bare word")],
)
def test_a_handler_that_throws(how: str, text: str, endpoint: Endpoint) -> None:
    """The model reads what went wrong, and the server goes on."""
    assert error(endpoint, "fail", how=how) == text
    assert call(endpoint, "convert").result["structuredContent"] == {"fahrenheit": 32}


def test_secrets(endpoint: Endpoint) -> None:
    """One that is missing fails the tool that reads it, by name; the others are there."""
    assert error(endpoint, "read", name="API_TOKEN") == "The secret API_TOKEN is not set."
    assert call(endpoint, "read", name="OTHER_TOKEN").text == "the other token"


def test_readyz_names_a_missing_secret(endpoint: Endpoint) -> None:
    """A server without its secret is alive and not ready, and says why."""
    contract.assert_healthy(asked(endpoint))
    contract.assert_ready(asked(endpoint), missing=["API_TOKEN"])


def test_variables(endpoint: Endpoint) -> None:
    """A variable has the manifest's value, unless the environment has another."""
    assert call(endpoint, "read", name="GREETING").text == "hello from mcp.yaml"
    assert call(endpoint, "read", name="LEVEL").text == "debug"


def test_the_requests_of_the_monitor(endpoint: Endpoint, projects: dict[str, Path]) -> None:
    """Each request that monitor.json holds is one that the server answers as it stands there."""
    monitor = json.loads((projects["node"] / "monitor/monitor.json").read_text())
    assert set(monitor["requests"]) == {"discover", "list_tools", "initialize"}
    for request in monitor["requests"].values():
        answer = httpx.post(
            endpoint.url,
            headers={**endpoint.headers, **request["headers"]},
            json=request["body"],
            trust_env=False,
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["id"] == request["body"]["id"]
        assert "result" in answer.json()


def expiry_in_redis(port: int, session: str) -> float:
    """Ask Redis how many milliseconds it keeps a session."""
    connection = Redis(port)
    (left,) = connection.run([[b"PTTL", f"session:{session}".encode()]])
    connection.close()
    assert isinstance(left, int)
    return time.time() + left / 1000


def query(folder: Path, pattern: str, sql: str, *values: str | bytes) -> list[tuple[Any, ...]]:
    """Ask the databases of a store."""
    rows = []
    for path in folder.glob(pattern):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection, suppress_missing():
            rows += connection.execute(sql, values).fetchall()
    return rows


@contextmanager
def suppress_missing() -> Iterator[None]:
    """Take a database without the table for one that has no rows."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise


def expiry_in_object(folder: Path, session: str) -> float:
    """Read when the value of a session expires out of its object, and that an alarm is set for then."""
    pattern = "v3/do/behaviour-SessionObject/*.sqlite"
    named = "SELECT value FROM _cf_KV, __miniflare_do_name WHERE key = 'text' AND name = ?"
    ((value,),) = query(folder, pattern, named, session)
    (milliseconds,) = struct.unpack("<d", value.partition(b'"\x07expiresN')[2][:8])
    alarms = "SELECT scheduled_time FROM _cf_ALARM WHERE actor_name = ?"
    assert [due / 1e6 <= milliseconds for (due,) in query(folder, pattern, alarms, session)] == [True]
    return float(milliseconds) / 1000


def stored_expiry(name: str, endpoint: Endpoint, session: str, store: Store) -> float:
    """Find out from the store itself when the value of a session expires, in seconds since 1970."""
    scratch = endpoint.log.parent
    state = scratch / "state"

    def milliseconds(pattern: str, sql: str, value: str | bytes) -> float:
        ((found,),) = query(state, pattern, sql, value)
        return float(found) / 1000

    finders: dict[str, Callable[[], float]] = {
        "workerd": lambda: expiry_in_object(state, session),
        "deno": lambda: milliseconds(
            "location_data/*/kv.sqlite3",
            "SELECT expiration_ms FROM kv WHERE instr(k, ?)",
            session.encode(),
        ),
        "bun": lambda: milliseconds(
            "sessions.sqlite", "SELECT expires FROM entries WHERE session = ?", session
        ),
        "vercel-node": lambda: expiry_in_redis(store.port, session),
        "vercel-edge": lambda: expiry_in_redis(
            int(re.findall(r"port=(\d+)", (scratch / "redis.log").read_text())[0]), session
        ),
    }
    return finders[name]()


@pytest.mark.parametrize("name", TARGETS)
def test_a_value_is_stored_with_the_time_to_live_of_the_manifest(
    name: str, endpoints: dict[str, Endpoint], store: Store
) -> None:
    """The store itself knows when to forget it, and every write starts the time anew."""
    endpoint = endpoints[name]
    session = handle(call(endpoint, "keep", text="first"))
    for text in ("second", "third"):
        before = time.time()
        assert call(endpoint, "keep", session_id=session, text=text).text == text
        expiry = stored_expiry(name, endpoint, session, store)
        assert before + TTL_SECONDS - 1 <= expiry <= time.time() + TTL_SECONDS
        time.sleep(1.1)


def test_a_session_under_the_names_of_the_marketplace(endpoints: dict[str, Endpoint], store: Store) -> None:
    """The function finds its store under KV_REST_API_* where UPSTASH_* are not set."""
    endpoint = endpoints["vercel-node"]
    session = handle(call(endpoint, "keep", text="kept"))
    assert call(endpoint, "keep", session_id=session).text == "kept"
    connection = Redis(store.port)
    (field,) = connection.run([[b"HGET", f"session:{session}".encode(), b"text"]])
    assert isinstance(field, bytes)
    assert field.endswith(b' "kept"')
    connection.close()


def test_a_store_that_goes_down(endpoints: dict[str, Endpoint], store: Store) -> None:
    """Session tools say so, the others go on, and all is well when it is back."""
    endpoint = endpoints["vercel-node"]
    session = handle(call(endpoint, "keep", text="kept"))
    store.stop()
    try:
        assert "The session store cannot be reached." in error(endpoint, "keep", session_id=session)
        assert call(endpoint, "convert").result["structuredContent"] == {"fahrenheit": 32}
        contract.assert_healthy(asked(endpoint))
    finally:
        store.start()
    # The local REST service finds out that a connection to Redis is lost by using it.
    answers = (call(endpoint, "keep", session_id=session, text="again").text for _ in range(10))
    assert "again" in answers


def test_readyz_names_the_variables_of_a_missing_store(projects: dict[str, Path]) -> None:
    """Without a store the function is not ready, names what is missing, and runs the other tools."""
    environment = dict.fromkeys([*UPSTASH, *MARKETPLACE, "API_TOKEN"], "") | {"OTHER_TOKEN": "set"}
    variables = [" or ".join(pair) for pair in zip(UPSTASH, MARKETPLACE, strict=True)]
    with serving(projects["node"], "vercel", environment=environment) as endpoint:
        contract.assert_healthy(asked(endpoint))
        contract.assert_ready(asked(endpoint), missing=["API_TOKEN", *variables])
        assert variables[0] in error(endpoint, "keep")
        assert call(endpoint, "convert").result["structuredContent"] == {"fahrenheit": 32}
