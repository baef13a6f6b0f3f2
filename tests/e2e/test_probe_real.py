"""The probe tells the truth about servers on their real runtimes: ours, wrong ones, and those of others."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from e2e import servers
from e2e.entries import ENTRIES
from toolchain import Toolchain, foreign_packages, python_client

from scaffolder.monitoring.declared import of_monitor
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import Probed, probe, probe_all
from scaffolder.monitoring.terms import of_url
from scaffolder.monitoring.verdict import State
from scaffolder.probe import Era, get
from scaffolder.redis_rest import free_port
from scaffolder.render import render
from scaffolder.serving import Endpoint, serving

pytestmark = pytest.mark.slow

TARGETS = list(servers.TARGETS)

PRODUCTION = servers.notes(["cloudflare", "deno", "vercel", "bun"], version="1.0.0")

[LOOKUP, *OTHERS] = servers.TOOLS
RETYPED = {
    **LOOKUP,
    "inputSchema": {"type": "object", "properties": {"id": {"type": "number"}}, "required": ["id"]},
}

# A handler that needs the secret.
HANDLERS = {
    "lookup_user": """import type { Tool } from "../generated/contract.ts";

export default (({ id }, { env }) => {
  return `User ${id}, by a token of ${env.USERS_API_TOKEN.length}`;
}) satisfies Tool<"lookup_user">;
"""
}
CALL = ("lookup_user", {"id": "1"})

# What is at production's address, instead of production.
WRONG: Mapping[str, Mapping[str, Any]] = {
    "changed": {"tools": [RETYPED, *OTHERS]},
    "staging": {"name": "notes-staging"},
}

# Where the store of a target that has none of its own is, by either name.
STORE = ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_URL", "KV_REST_API_TOKEN")


def expectation(endpoint: Endpoint, folder: Path) -> Expectation:
    """Expect production at an endpoint: what its monitor.json says, however slow this machine is."""
    tree = render(PRODUCTION)
    document = json.loads(tree["monitor/monitor.json"])
    document["targets"][endpoint.target] |= {"url": endpoint.url, "timeout_ms": 30_000, "down_ms": 60_000}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "monitor.json").write_text(json.dumps(document))
    (folder / "tools.json").write_bytes(tree["monitor/tools.json"])
    [found] = of_monitor(folder / "monitor.json", [endpoint.target])
    return replace(found, headers=endpoint.headers)


def probed(
    endpoints: Mapping[str, Endpoint], folder: Path, call: tuple[str, Mapping[str, Any]] | None = None
) -> dict[str, Probed]:
    """Probe all runtimes, one at a time, and make sure that each says that it is alive."""
    for endpoint in endpoints.values():
        alive = get(f"{endpoint.origin}/healthz", endpoint.headers, timeout=30)
        assert alive is not None
        assert alive[0] == HTTPStatus.OK
    wanted = [
        replace(expectation(endpoint, folder / name), call=call) for name, endpoint in endpoints.items()
    ]
    return dict(zip(endpoints, probe_all(wanted, jobs=1), strict=True))


@pytest.fixture(scope="module")
def projects(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Make the projects of production, for all five runtimes."""
    with servers.using(toolchain):
        yield servers.generate_pair(tmp_path_factory.mktemp("production"), PRODUCTION, toolchain, HANDLERS)


@pytest.fixture(scope="module")
def production(
    projects: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Endpoint], dict[str, Probed]]]:
    """Serve production on all five runtimes, and probe it."""
    with servers.serving_all(projects) as endpoints:
        yield endpoints, probed(endpoints, tmp_path_factory.mktemp("expected"), CALL)


@pytest.fixture(scope="module")
def unready(projects: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Probed]:
    """Probe production where its secret is missing, and where nothing leads to the store."""
    environment = {"USERS_API_TOKEN": "", **dict.fromkeys(STORE, "")}
    with servers.serving_all(projects, dict.fromkeys(TARGETS, environment)) as endpoints:
        return probed(endpoints, tmp_path_factory.mktemp("expected"), CALL)


@pytest.fixture(scope="module", params=list(WRONG))
def wrong(
    request: pytest.FixtureRequest, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, Probed]]]:
    """Probe what is at production's address instead of it."""
    manifest = {**PRODUCTION, **WRONG[request.param]}
    with servers.using(toolchain):
        folders = servers.generate_pair(tmp_path_factory.mktemp(request.param), manifest, toolchain)
        with servers.serving_all(folders) as endpoints:
            yield request.param, probed(endpoints, tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("name", TARGETS)
def test_production_is_healthy(name: str, production: tuple[dict[str, Endpoint], dict[str, Probed]]) -> None:
    """Every layer is passed, in both eras, and the hashes are those of the manifest."""
    one = production[1][name]
    assert (one.verdict.state, one.verdict.exit_status) == (State.HEALTHY, 0), one.verdict.reason
    assert all(layer.ok for layer in one.examination.layers)
    assert one.examination.hashes.keys() == set(Era)
    for hashes in one.examination.hashes.values():
        assert hashes.tools == one.expectation.tools_hash
        assert hashes.definitions == one.expectation.definitions_hash


def test_one_manifest_has_one_hash(production: tuple[dict[str, Endpoint], dict[str, Probed]]) -> None:
    """Whatever the runtime and the era, what is listed hashes alike."""
    found = {hashes for one in production[1].values() for hashes in one.examination.hashes.values()}
    assert len(found) == 1


@pytest.mark.parametrize("name", TARGETS)
def test_a_tool_that_changed_and_staging_at_productions_address(
    name: str, wrong: tuple[str, dict[str, Probed]]
) -> None:
    """A deploy that answers HTTP 200 everywhere is drifted, and it is said how."""
    what, probes = wrong
    one = probes[name]
    assert (one.verdict.state, one.verdict.exit_status) == (State.DRIFTED, 1)
    reasons = {
        "changed": (
            "the contract of its tools differs: of the tool `lookup_user` "
            'expected is `$.inputSchema.properties.id.type` "string", the server has "number"'
        ),
        "staging": ("another server answers at this address: it calls itself notes-staging instead of notes"),
    }
    assert one.verdict.reason == reasons[what]
    assert {layer.ok for layer in one.examination.layers} == {True}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_missing_in_one_place(name: str, unready: dict[str, Probed]) -> None:
    """The server says that it is alive and lists its tools; the probe names what it lacks."""
    one = unready[name]
    assert (one.verdict.state, one.verdict.exit_status) == (State.DEGRADED, 1)
    assert one.verdict.findings[0].layer is Layer.READINESS
    assert one.verdict.reason.startswith("it answers and is not ready: USERS_API_TOKEN")
    called = next(layer for layer in one.examination.layers if layer.layer is Layer.CALL)
    assert (called.ok, called.detail) == (
        False,
        "`lookup_user` answers with an error: The secret USERS_API_TOKEN is not set.",
    )
    # Only there is the store somewhere else.
    lacks_store = servers.TARGETS[name][0] == "vercel"
    assert ("UPSTASH_REDIS_REST_URL or KV_REST_API_URL" in one.verdict.reason) == lacks_store


def test_a_store_that_is_gone(projects: dict[str, Path], tmp_path: Path) -> None:
    """All is set, and nobody answers where the store was: /healthz says 200, and the probe what fails."""
    gone = {STORE[0]: f"http://127.0.0.1:{free_port()}", STORE[1]: "a-token-of-a-store"}
    with serving(projects["node"], "vercel", environment=gone) as endpoint:
        one = probed({"vercel-node": endpoint}, tmp_path)["vercel-node"]
    assert (one.verdict.state, one.verdict.exit_status) == (State.DEGRADED, 1)
    assert one.verdict.findings[0].layer is Layer.READINESS
    assert one.verdict.reason.startswith("it answers and is not ready: the session store fails: ")
    assert "a-token-of-a-store" not in repr(one)


@pytest.mark.parametrize("legacy", ["sessions", "reject"])
def test_how_clients_of_2025_are_served(legacy: str, toolchain: Toolchain, tmp_path: Path) -> None:
    """A server that refuses them, or begins a session for each, is as healthy as its manifest says."""
    url = f"http://127.0.0.1:{free_port()}/mcp"
    manifest = {
        **PRODUCTION,
        "targets": ["bun"],
        "transport": {"legacy": legacy},
        "target_options": {"bun": {"url": url}},
    }
    with servers.using(toolchain):
        folder = servers.generate(tmp_path / "notes", manifest, toolchain, HANDLERS)
        with serving(folder, "bun") as endpoint:
            [expected] = of_monitor(folder / "monitor/monitor.json")
            expected = replace(expected, timeout_ms=30_000, down_ms=60_000)
            one = probe(replace(expected, url=endpoint.url, headers=endpoint.headers))
            strict = probe(replace(one.expectation, eras=(Era.MODERN, Era.LEGACY)))
    assert one.verdict.state is State.HEALTHY, one.verdict.reason
    assert one.examination.reports[Era.LEGACY].session == (legacy == "sessions")
    assert (Era.LEGACY in one.expectation.eras) == (legacy == "sessions")
    assert strict.verdict.state is (State.HEALTHY if legacy == "sessions" else State.DRIFTED)


def test_the_command_on_a_real_runtime(
    production: tuple[dict[str, Endpoint], dict[str, Probed]], tmp_path: Path
) -> None:
    """The whole program, with the call of a tool: it exits 0, and 1 once the server is gone."""
    endpoint = production[0]["bun"]
    expectation(endpoint, tmp_path)
    command = [
        sys.executable,
        "-m",
        "scaffolder",
        "probe",
        "--monitor",
        "monitor.json",
        "-t",
        "bun",
        "--json",
    ]
    call = ["--call", 'lookup_user={"id": "1"}']

    def run(*words: str) -> tuple[int, Any]:
        done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, json.loads(done.stdout)["targets"][0]

    code, one = run(*call)
    assert (code, one["state"]) == (0, "healthy"), one["reason"]
    assert {layer["layer"]: layer["ok"] for layer in one["layers"]}["call"]
    document = json.loads((tmp_path / "monitor.json").read_text())
    document["targets"]["bun"]["url"] = f"http://127.0.0.1:{free_port()}/mcp"
    (tmp_path / "monitor.json").write_text(json.dumps(document))
    code, one = run()
    assert (code, one["state"], one["findings"][0]["layer"]) == (1, "down", "tcp")


# What a user's own entry may put in front of the app. A test says how it behaves, in a header of a request.
GUARD = """
function guarded<Rest extends unknown[]>(
  app: (request: Request, ...rest: Rest) => Response | Promise<Response>,
) {
  let posture = "open";
  return (request: Request, ...rest: Rest) => {
    const { headers } = request;
    const next = headers.get("x-posture");
    if (next) return new Response((posture = next));
    if (posture === "platform") {
      if (headers.get("x-vercel-protection-bypass") === "the-bypass-secret") return app(request, ...rest);
      return new Response("<html>Authentication Required</html>", {
        status: 401,
        headers: { "content-type": "text/html", "set-cookie": "_vercel_sso_nonce=x; Path=/" },
      });
    }
    const legacy = posture === "half" && headers.get("mcp-protocol-version") !== "2026-07-28";
    const known = headers.get("authorization") === `Bearer the-${"real"}-token`;
    if (posture === "open" || legacy || known) return app(request, ...rest);
    const challenge = posture === "mute" ? {} : { "www-authenticate": 'Bearer realm="notes"' };
    return new Response("Unauthorized", { status: 401, headers: challenge });
  };
}
"""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A server that asks for a token, and the monitor.json of its project."""

    endpoint: Endpoint
    monitor: Path

    def take(self, posture: str) -> None:
        """Change how it treats those whom it does not know."""
        said = get(self.endpoint.url, {**self.endpoint.headers, "x-posture": posture}, timeout=30)
        assert said == (HTTPStatus.OK, posture)

    def probed(self, *words: str, **environment: str) -> tuple[int, Any]:
        """Run the command as a monitor does, with what its environment has."""
        done = subprocess.run(
            [*PROBE, "--monitor", str(self.monitor), "-t", self.endpoint.target, "--json", *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "the-real-token" not in done.stdout + done.stderr
        document = json.loads(done.stdout)
        return done.returncode, document["targets"][0]


PROBE = [sys.executable, "-m", "scaffolder", "probe"]
TOKEN = {"MONITOR_TOKEN": "the-real-token"}
BYPASS = {"VERCEL_AUTOMATION_BYPASS_SECRET": "the-bypass-secret"}


@pytest.fixture(scope="module", params=["bun", "deno", "vercel-node"])
def guard(
    request: pytest.FixtureRequest, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """Serve a project whose user has put a guard into its entry, and which says which token a monitor has."""
    target, _ = servers.TARGETS[request.param]
    manifest = {
        **PRODUCTION,
        "targets": [target],
        "target_options": {target: {"url": "https://notes.example.com/mcp"}},
        "monitor": {"bearer": "MONITOR_TOKEN"},
    }
    with servers.using(toolchain):
        folder = servers.generate(tmp_path_factory.mktemp("guarded") / "notes", manifest, toolchain, HANDLERS)
        entry = folder / ENTRIES[target]
        source, count = re.subn(
            r"createApp\(\{(.*?)\n( *)\}\)",
            r"guarded(createApp({\1\n\2}))",
            entry.read_text(),
            flags=re.DOTALL,
        )
        assert count == 1
        entry.write_text(source + GUARD)
        with serving(folder, target) as endpoint:
            monitor = folder / "monitor/monitor.json"
            document = json.loads(monitor.read_bytes())
            assert document["targets"][target]["auth"]
            document["targets"][target] |= {"url": endpoint.url, "timeout_ms": 30_000, "down_ms": 60_000}
            # What stands for the platform's own front is told apart by these, and not by a user's header.
            document["targets"][target]["credentials"] += [
                {"header": name, "prefix": "", "variable": f"FRONT_{index}"}
                for index, name in enumerate(endpoint.headers)
            ]
            monitor.write_text(json.dumps(document))
            with pytest.MonkeyPatch.context() as patch:
                for index, value in enumerate(endpoint.headers.values()):
                    patch.setenv(f"FRONT_{index}", value)
                for variable in (*TOKEN, *BYPASS):
                    patch.delenv(variable, raising=False)
                yield Guarded(endpoint, monitor)


def test_a_wall_in_front_of_a_server(guard: Guarded) -> None:
    """The right token opens it, a wrong one does not, and a forgotten one is named: CI does not pass."""
    guard.take("wall")
    code, one = guard.probed(**TOKEN)
    assert (code, one["state"], one["missing"]) == (
        0,
        "healthy",
        ["VERCEL_AUTOMATION_BYPASS_SECRET"] if guard.endpoint.target == "vercel" else [],
    ), one["reason"]
    auth = next(layer for layer in one["layers"] if layer["layer"] == "auth")
    assert (auth["ok"], auth["detail"]) == (True, '401, Bearer realm="notes"')
    code, one = guard.probed(MONITOR_TOKEN="a-wrong-token")
    assert (code, one["state"], one["reason"]) == (
        1,
        "auth-walled",
        (
            "it refuses the credentials of the probe, `authorization` from MONITOR_TOKEN "
            '(HTTP 401, challenge: Bearer realm="notes")'
        ),
    )
    code, one = guard.probed()
    assert (code, one["state"]) == (1, "auth-walled")
    assert one["reason"] == (
        'it asks for credentials (HTTP 401, challenge: Bearer realm="notes"), and MONITOR_TOKEN is not set, '
        "which the probe takes `authorization` from"
    )


def test_a_wall_that_is_gone(guard: Guarded) -> None:
    """Who is let in without a token is an accident, with and without a token in the probe's own hands."""
    guard.take("open")
    for environment in (TOKEN, {}):
        code, one = guard.probed(**environment)
        assert (code, one["state"]) == (1, "drifted")
        assert one["reason"].startswith("it lets in whoever asks, without any credentials")
        assert ("(MONITOR_TOKEN is not set" in one["reason"]) == (not environment)
    code, one = guard.probed("--no-auth", **TOKEN)
    assert (code, one["state"]) == (0, "healthy"), one["reason"]


def test_a_wall_around_one_era(guard: Guarded) -> None:
    """Clients of 2025 are let in by what was made for those of 2026: the era is named."""
    guard.take("half")
    code, one = guard.probed(**TOKEN)
    assert (code, one["state"], one["reason"]) == (
        1,
        "drifted",
        "it lets in whoever asks, without any credentials in the legacy era of the protocol",
    )


def test_a_wall_without_a_challenge(guard: Guarded) -> None:
    """A client that gets a bare 401 cannot find out how to log in."""
    guard.take("mute")
    code, one = guard.probed(**TOKEN)
    assert (code, one["state"]) == (1, "drifted")
    assert one["reason"] == (
        "its 401 has no challenge (WWW-Authenticate), so no client can find out how to log in"
    )


def test_the_wall_of_a_platform(guard: Guarded) -> None:
    """What is in front of a deployment has HTML and no challenge: it is not called the server's own."""
    guard.take("platform")
    code, one = guard.probed(**TOKEN, **BYPASS)
    if guard.endpoint.target != "vercel":
        # Nothing there stands in front, so it is the server that answers so.
        assert (code, one["state"]) == (1, "auth-walled")
        assert one["findings"][1]["state"] == "drifted"
        return
    # It is open to who has the bypass, and the server behind it has no wall of its own.
    assert (code, one["state"]) == (1, "drifted")
    assert one["reason"].startswith("it lets in whoever asks")
    wrong = {"VERCEL_AUTOMATION_BYPASS_SECRET": "an-old-bypass-secret"}
    code, one = guard.probed(**TOKEN, **wrong)
    assert (code, one["state"], len(one["findings"])) == (1, "auth-walled", 1)
    assert one["reason"].startswith("it refuses the credentials of the probe, ")
    assert "`x-vercel-protection-bypass` from VERCEL_AUTOMATION_BYPASS_SECRET" in one["reason"]
    assert one["reason"].endswith("(HTTP 401, without a challenge)")
    code, one = guard.probed(**TOKEN)
    assert (code, one["state"]) == (1, "auth-walled")
    assert one["reason"].endswith(
        "and VERCEL_AUTOMATION_BYPASS_SECRET is not set, which the probe takes "
        "`x-vercel-protection-bypass` from"
    )


def test_a_url_that_should_be_walled(guard: Guarded) -> None:
    """Of any server: the wall is what is expected, and no credentials are needed to see that it stands."""

    def probed(posture: str) -> tuple[int, Any]:
        guard.take(posture)
        sent = [
            word
            for index, name in enumerate(guard.endpoint.headers)
            for word in ("--header", f"{name}=FRONT_{index}")
        ]
        done = subprocess.run(
            [*PROBE, guard.endpoint.url, "--auth", "--json", *sent],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)["targets"][0]

    code, one = probed("wall")
    assert (code, one["state"]) == (0, "auth-walled")
    assert one["reason"].startswith("it asks for credentials, and the probe has none")
    assert probed("open")[1]["state"] == "drifted"
    code, one = probed("mute")
    assert (code, one["state"]) == (1, "drifted" if not guard.endpoint.headers else "auth-walled")


@contextmanager
def foreign(
    command: list[str], folder: Path, environment: Mapping[str, str], path: str = "/mcp"
) -> Iterator[str]:
    """Run a server of somebody else, wait until it listens, and stop it at the end."""
    port = free_port()
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60
            while get(f"http://127.0.0.1:{port}/") is None:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}{path}"
        finally:
            process.terminate()
            process.wait(timeout=30)


HERE = Path(__file__).parent / "foreign"

# What is known of each: the eras that it speaks, what it calls itself, and some of its tools.
BOTH = {Era.MODERN, Era.LEGACY}
NODE_SERVERS = {
    "server-everything": (
        ["node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp"],
        {Era.LEGACY},
        "mcp-servers/everything",
        {"echo", "get-sum"},
    ),
    "mcp-handler": (["handler.mjs"], BOTH, "mcp-typescript server on vercel", {"roll_dice"}),
    "mcp-use": (["use.mjs"], BOTH, "weather", {"get_weather"}),
}


def assert_truthful(url: str, eras: set[Era], name: str, tools: set[str]) -> None:
    """Check what the probe says of a server of which nothing is expected."""
    one = probe(replace(of_url(url), down_ms=60_000))
    assert (one.verdict.state, one.verdict.exit_status) == (State.HEALTHY, 0), one.verdict.reason
    assert one.examination.hashes.keys() == eras
    main = one.examination.main
    assert main is not None
    assert main.server["name"] == name
    assert tools <= {tool["name"] for tool in main.tools}
    # What it is now is what is expected of it from now on.
    hashes = one.examination.hashes[main.era]
    known = replace(one.expectation, tools=main.tools, tools_hash=hashes.tools, eras=tuple(eras))
    assert probe(known).verdict.state is State.HEALTHY
    assert probe(replace(known, tools_hash="sha256:other")).verdict.state is State.DRIFTED
    other = Era.LEGACY if eras == {Era.MODERN} else Era.MODERN
    wanted = probe(replace(known, eras=(other,))).verdict.state
    assert wanted is State.DRIFTED
    elsewhere = probe(replace(one.expectation, url=url.replace("/mcp", "/nothing-here"))).verdict
    assert elsewhere.state is State.DOWN or name == "mcp-typescript server on vercel"


@pytest.mark.parametrize("server", list(NODE_SERVERS))
def test_servers_of_others(server: str, toolchain: Toolchain, tmp_path: Path) -> None:
    """Each gets a truthful verdict, in the eras that it speaks."""
    words, eras, name, tools = NODE_SERVERS[server]
    for script in HERE.glob("*.mjs"):
        (tmp_path / script.name).write_bytes(script.read_bytes())
    (tmp_path / "node_modules").symlink_to(foreign_packages(toolchain.npm))
    command = [str(toolchain.node), "--import", "./loopback.mjs", *words]
    with foreign(command, tmp_path, toolchain.env) as url:
        assert_truthful(url, eras, name, tools)


@pytest.mark.parametrize("release", [1, 2])
def test_servers_of_the_python_sdk(release: int, tmp_path: Path) -> None:
    """Release 1, whose servers are called FastMCP, speaks the legacy era; release 2 speaks both."""
    environment = {**os.environ, **({"PYTHONPATH": str(python_client())} if release == 1 else {})}
    command = [sys.executable, str(HERE / "python_server.py")]
    with foreign(command, tmp_path, environment) as url:
        assert_truthful(url, {Era.LEGACY} if release == 1 else BOTH, "sums", {"add"})
