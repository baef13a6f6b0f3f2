"""The servers of the contract on stores: each store on each runtime that has it, and ways to break them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e import servers

from scaffolder.probe import CallReport, Client
from scaffolder.processes import Processes
from scaffolder.providers import facts
from scaffolder.redis_rest import Redis, Status, free_port, rest_server
from scaffolder.render import render
from scaffolder.serving import Endpoint, serving
from scaffolder.toolchain import find_redis
from scaffolder.writing import create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import Popen

    from toolchain import Toolchain

    from scaffolder.redis_rest import Answer, Command

HANDLERS = Path(__file__).with_name("store_handlers")

# The same for all: a handle is good for servers of one name.
NAME = "stores"

TTL_SECONDS = 900

# The stores whose own limit would fill the memory of a test machine are tested with a lower one.
LOWERED_LIMITS = {"sqlite": 4 * 2**20, "redis": 4 * 2**20}

# What a server is told of who asks; nothing in front of these servers makes sure of it.
PRINCIPAL = "x-test-principal"

# Names the folder in which instances of wrangler find each other's Workers.
REGISTRY = "WRANGLER_REGISTRY_PATH"

STRING = {"type": "string"}
NUMBER = {"type": "number"}


def _tool(
    name: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "inputSchema": schema, "state": "session"}


KEY = {"key": STRING}
TTL = {"ttlSeconds": NUMBER}
GET = _tool("get", KEY)
SET = _tool("set", {**KEY, "value": {}}, TTL)
UPDATE = _tool("update", KEY, {"how": STRING, "by": NUMBER, **TTL})


def _hurried(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Make a tool that leaves its store half a second."""
    return {**tool, "name": f"hurried_{tool['name']}", "max_seconds": 1}


WEAK_TOOLS: Sequence[dict[str, Any]] = (
    GET,
    SET,
    _tool("delete", KEY),
    _tool("clear", {}),
    _tool("scatter", {"count": {"type": "integer"}}),
    _tool("fill", {**KEY, "bytes": {"type": "integer"}, "unit": STRING}, {"check": {"type": "boolean"}}),
    _hurried(GET),
    _hurried(SET),
    {"name": "ping", "inputSchema": {"type": "object"}},
    {"name": "fault", "inputSchema": {"type": "object", "properties": {"how": STRING}}},
)
TOOLS = (*WEAK_TOOLS, UPDATE, _hurried(UPDATE))

UPSTASH = {"session": {"store": "upstash"}}

# A project for each way to choose stores: `own` has every vendor's own.
MANIFESTS: Mapping[str, Mapping[str, Any]] = {
    "own": {"targets": ["cloudflare", "deno", "vercel", "bun"], "tools": TOOLS},
    "upstash": {
        "targets": ["cloudflare", "deno", "vercel", "bun"],
        "target_options": {
            "cloudflare": UPSTASH,
            "deno": UPSTASH,
            "vercel": {"runtime": "edge", **UPSTASH},
            "bun": UPSTASH,
        },
        "tools": TOOLS,
    },
    "redis": {"targets": ["bun"], "target_options": {"bun": {"session": {"store": "redis"}}}, "tools": TOOLS},
    "eventual": {
        "targets": ["cloudflare", "deno"],
        "session": {"consistency": "eventual"},
        "tools": WEAK_TOOLS,
    },
}


@dataclass(frozen=True, slots=True)
class Case:
    """A store on a runtime."""

    name: str
    store: str
    project: str
    target: str
    strong: bool = True
    other: str = ""
    """Who else uses the same store: another runtime, or without one a second instance of the same."""


CASES = (
    Case("durable-object", "durable-object", "own", "cloudflare"),
    Case("deno-kv", "deno-kv", "own", "deno"),
    Case("sqlite", "sqlite", "own", "bun"),
    Case("redis", "redis", "redis", "bun"),
    # A session in Upstash is the same from wherever it is read.
    Case("upstash-workerd", "upstash", "upstash", "cloudflare", other="upstash-deno"),
    Case("upstash-deno", "upstash", "upstash", "deno", other="upstash-node"),
    Case("upstash-node", "upstash", "own", "vercel", other="upstash-edge"),
    Case("upstash-edge", "upstash", "upstash", "vercel", other="upstash-bun"),
    Case("upstash-bun", "upstash", "upstash", "bun", other="upstash-workerd"),
    Case("workers-kv", "workers-kv", "eventual", "cloudflare", strong=False),
    Case("deno-kv-eventual", "deno-kv", "eventual", "deno", strong=False),
)


def project(folder: Path, name: str, toolchain: Toolchain) -> Path:
    """Write a project whose tools are the operations of a session, and whose store fails when told to."""
    manifest = {"name": NAME, "session": {}, **MANIFESTS[name]}
    manifest["session"] = {**manifest["session"], "ttl_seconds": TTL_SECONDS}
    manifest["tools"] = list(manifest["tools"])
    tree = render(manifest)
    for tool in manifest["tools"]:
        source = HANDLERS / f"{tool['name'].removeprefix('hurried_')}.ts"
        text = source.read_text().replace(f'Tool<"{source.stem}">', f'Tool<"{tool["name"]}">')
        tree[f"src/tools/{tool['name']}.ts"] = text.encode()
    tree["src/faulty.ts"] = (HANDLERS / "faulty.ts").read_bytes()
    if "src/generated/stores/durable_object.ts" in tree:
        tree["src/broken_object.ts"] = (HANDLERS / "broken_object.ts").read_bytes()
    for path in tree:
        if path.startswith("src/targets/"):
            tree[path] = _entry(tree[path].decode(), "../faulty.ts").encode()
        elif path == "api/mcp.ts":
            tree[path] = _entry(tree[path].decode(), "../src/faulty.ts").encode()
        elif path == "src/generated/stores/limits.ts":
            tree[path] = _limits(tree[path].decode()).encode()
    create(folder, tree)
    # Hard links, not a symbolic one: Vercel traces the files of a function into it.
    shutil.copytree(toolchain.node_modules, folder / "node_modules", symlinks=True, copy_function=os.link)
    return folder


def second_worker(folder: Path, project: Path, toolchain: Toolchain) -> Path:
    """Write a Worker whose sessions are the objects of another: two on one state folder corrupt it."""
    shutil.copytree(project, folder, symlinks=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(toolchain.node_modules)
    path = folder / "wrangler.jsonc"
    source = path.read_text()
    source = source.replace(f'"name": "{NAME}"', f'"name": "{NAME}-second"')
    source = source.replace('"class_name":', f'"script_name": "{NAME}", "class_name":')
    source, count = re.subn(r'"exports": \{.*?\n  \},', "", source, flags=re.DOTALL)
    assert count == 1
    path.write_text(source)
    return folder


def _entry(source: str, faulty: str) -> str:
    """Let an entry's store be the faulty one, and a header name the principal."""
    wrapped, count = re.subn(
        r"openStore: \(\) => (.+),\n",
        r"openStore: async () => faulty(await \1),"
        rf'principal: (request) => request.headers.get("{PRINCIPAL}") ?? undefined,'
        "\n",
        source,
    )
    assert count == 1
    # A class of the same name that breaks when told to.
    wrapped = re.sub(
        r"export (\{ SessionObject \}) from .+;", 'export \\1 from "../broken_object.ts";', wrapped
    )
    return f'import {{ faulty }} from "{faulty}";\n{wrapped}'


def _limits(source: str) -> str:
    for store, most in LOWERED_LIMITS.items():
        source = re.sub(rf"({store}: {{[^}}]*valueBytes: )\d+", rf"\g<1>{most}", source)
    return source


@dataclass(slots=True)
class Server:
    """One instance of a server, which can be killed and started again on what it has kept."""

    folder: Path
    target: str
    environment: Mapping[str, str]
    state: Path
    services: Mapping[str, str]
    endpoint: Endpoint = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.endpoint = self._stack.enter_context(
            serving(
                self.folder,
                self.target,
                environment=self.environment,
                state=self.state,
                services=self.services,
            )
        )

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        os.killpg(self.endpoint.pid, signal.SIGKILL)
        self.stop()
        if self.target == "cloudflare":
            # wrangler takes the entry of another that was killed for one that is alive, and leaves it.
            Path(self.environment[REGISTRY], NAME).unlink(missing_ok=True)

    def stop(self) -> None:
        """End it."""
        self._stack.close()

    def call(self, tool: str, principal: str = "", timeout: float = 30, **arguments: Any) -> CallReport:
        """Call a tool, which has to come to a result."""
        headers = {**self.endpoint.headers, **({PRINCIPAL: principal} if principal else {})}
        with Client(self.endpoint.url, headers, timeout) as client:
            report = client.call(tool, arguments)
        assert report.failure is None, report.failure
        return report

    def session(self) -> Session:
        """Begin a session."""
        found = re.search(r"session_id: (\S+)", self.call("get", key="none").text)
        assert found is not None
        return Session(self, found[1])


# What a session does not hold; null is a value.
NOTHING = object()


@dataclass(frozen=True, slots=True)
class Update:
    """What an update made of what it found, and how often it tried."""

    value: Any
    before: Any
    attempts: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session as a client has it: a handle, and a server to pass it to."""

    server: Server
    id: str
    principal: str = ""

    def at(self, server: Server) -> Session:
        """Return the same session at another server."""
        return Session(server, self.id, self.principal)

    def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and return what it answers."""
        report = self._call(tool, arguments)
        assert not report.result.get("isError"), report.text
        return report.text

    def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool whose answer has to be an error, and return its text."""
        report = self._call(tool, arguments)
        assert report.result.get("isError") is True, report.text
        return report.text

    def get(self, key: str) -> Any:
        """Return a value, or NOTHING."""
        return json.loads(self.call("get", key=key)).get("value", NOTHING)

    def set(self, key: str, value: Any, **options: Any) -> None:
        """Keep a value."""
        self.call("set", key=key, value=value, **options)

    def update(self, key: str, **options: Any) -> Update:
        """Change a value."""
        answer = json.loads(self.call("update", key=key, **options))
        return Update(answer.get("value", NOTHING), answer.get("before", NOTHING), answer["attempts"])

    def _call(self, tool: str, arguments: Mapping[str, Any]) -> CallReport:
        return self.server.call(tool, self.principal, session_id=self.id, **arguments)


@dataclass(slots=True)
class RedisServer:
    """A Redis that a test can stop, freeze and reconfigure."""

    port: int
    folder: Path
    processes: Processes
    process: Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = self.processes.start(
            [str(find_redis()), *options, "--dir", str(self.folder)],
            directory=self.folder,
            environment={},
            log=self.folder / "redis.log",
        )
        wait_until(self._answers)

    def stop(self) -> None:
        """Stop it."""
        assert self.process is not None
        self.processes.stop(self.process)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Have it stopped, and then start it again."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hold its connections, and answer nothing until the end."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    @contextmanager
    def configured(self, name: str, value: str, usual: str) -> Iterator[None]:
        """Let a setting have another value than usual."""
        connection = Redis(self.port)
        try:
            assert connection.run([_config(name, value)]) == [Status("OK")]
            yield
        finally:
            connection.close()
            connection = Redis(self.port)
            # Only after a password was set is it asked for; otherwise that command fails, and nothing else.
            *_, done = connection.run([[b"AUTH", value.encode()], _config(name, usual)])
            connection.close()
            assert done == Status("OK")

    def disconnect(self, password: str) -> None:
        """Cut all connections off."""
        connection = Redis(self.port)
        kill: Command = [b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"]
        connection.run([[b"AUTH", password.encode()], kill])
        connection.close()

    def _answers(self) -> bool:
        try:
            Redis(self.port).close()
        except OSError:
            return False
        return True


def _config(name: str, value: str) -> Command:
    return [b"CONFIG", b"SET", name.encode(), value.encode()]


@dataclass(slots=True)
class Rest:
    """What stands in front of Redis, and can answer in its place."""

    refusal: Answer | None = None

    def between(self, _: Sequence[Command], answer: Callable[[], Answer]) -> Answer:
        """Answer a request."""
        return self.refusal or answer()

    @contextmanager
    def refusing(self, status: int, error: str) -> Iterator[None]:
        """Refuse all requests, as the vendor does."""
        self.refusal = (status, {"error": error})
        try:
            yield
        finally:
            self.refusal = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """All the servers, and what they keep their sessions in."""

    servers: Mapping[str, Sequence[Server]]
    redis: RedisServer
    redis_behind_rest: RedisServer
    rest: Rest

    def first(self, case: Case) -> Server:
        """Return the server of a case."""
        return self.servers[case.name][0]

    def second(self, case: Case) -> Server:
        """Return another one on the same store, where there is such a thing."""
        return self.servers[case.other or case.name][-1]


@contextmanager
def fleet(folder: Path, toolchain: Toolchain, cases: Sequence[Case] = CASES) -> Iterator[Fleet]:
    """Serve every case at once."""
    rest = Rest()
    with servers.using(toolchain), Processes() as processes, ExitStack() as stack:
        redis, behind_rest = (RedisServer(free_port(), folder, processes) for _ in range(2))
        redis.start()
        behind_rest.start()
        token = "0123456789abcdef"
        services = {
            "redis_url": f"redis://127.0.0.1:{redis.port}",
            "redis_rest_url": stack.enter_context(rest_server(behind_rest.port, token, rest.between)),
            "redis_rest_token": token,
        }
        projects = {
            name: project(folder / name, name, toolchain)
            for name in MANIFESTS
            if any(case.project == name for case in cases)
        }

        def server(case: Case, project_: Path, state: str) -> Server:
            environment = {REGISTRY: str(folder / "registry" / case.project)}
            made = Server(project_, case.target, environment, folder / "state" / state, services)
            stack.callback(made.stop)
            return made

        ready: dict[str, list[Server]] = {}
        for case in cases:
            own = projects[case.project]
            ready[case.name] = [server(case, own, case.name)]
            if case.store == "durable-object":
                second = second_worker(folder / "second", own, toolchain)
                ready[case.name].append(server(case, second, f"{case.name}-second"))
            elif case.strong and not case.other:
                ready[case.name].append(server(case, own, case.name))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Server.start, [one for several in ready.values() for one in several]))
        yield Fleet(ready, redis, behind_rest, rest)


def documented_limit(store: str) -> int:
    """Return the size of the largest value, as the generated code has it."""
    return LOWERED_LIMITS.get(store, facts().stores[store].value_bytes.value)


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what has to come about."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
