"""`verify` on a provider made for the test: every step, every way to fail, and nothing left behind."""

import json
import os
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from scaffolder import processes, providers, serving, workbench
from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.providers import Verify
from scaffolder.serving import Endpoint, read_variables
from scaffolder.toolchain import MissingError, Node
from scaffolder.verify import Event, Outcome, Verdict, verify
from scaffolder.workbench import InvalidProjectError, ProjectError

# A server of both eras that does what the test says in its environment. Its first lines put a child beside it
# that nothing but SIGKILL ends, as a careless tool would.
SERVER = """
import json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

mode = os.environ.get("MODE", "")
sleep = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", sleep])
with open(os.environ["PIDS"], "a") as pids:
    print(os.getpid(), child.pid, file=pids)
print("token is", os.environ.get("TOKEN"), flush=True)
for name in ("REDIS_URL", "UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN", "STATE"):
    print(name, os.environ.get(name), flush=True)
if mode == "dies":
    sys.exit("no such module")
if mode == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
tools = json.loads(os.environ["TOOLS"])

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.headers["x-test"] != "yes":
            self.answer(403, {})
        elif self.path == "/readyz" and mode == "not ready":
            self.answer(503, {"status": "not ready", "missing": ["TOKEN"]})
        else:
            self.answer(200, {})

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        params = message.get("params", {})
        if "id" not in message:
            return self.answer(202, {})
        if "_meta" not in params and mode == "modern only":
            error = {"code": -32600, "message": "too old"}
            return self.answer(400, {"jsonrpc": "2.0", "id": message["id"], "error": error})
        server = {"capabilities": {}, "serverInfo": {"name": "other" if mode == "other name" else "test"}}
        result = {
            "initialize": {"protocolVersion": "2025-11-25", **server},
            "server/discover": {"supportedVersions": ["2026-07-28"], **server},
            "tools/list": {"tools": tools[:1] if mode == "eras" and "_meta" in params else tools},
            "tools/call": {"content": [{"type": "text", "text": json.dumps(params.get("arguments"))}]},
        }[message["method"]]
        if "_meta" in params:
            result["resultType"] = "complete"
        if message["method"] == "tools/call" and mode == "tool fails":
            result["isError"] = True
        self.answer(
            200,
            {"jsonrpc": "2.0", "id": message["id"], "result": result},
            message["method"] == "initialize" and mode == "sessions",
        )

    def do_DELETE(self):
        self.answer(405, {})

    def answer(self, status, value, session=False):
        body = json.dumps(value).encode()
        self.send_response(status)
        if session:
            self.send_header("mcp-session-id", "a-session")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["TEST_PORT"])), Handler).serve_forever()
"""

VERIFY = """
tools: []
environment: {HOME: "{scratch}/home", GREETING: '{"hello": "{project}"}'}
files: {.made/by/verify.txt: "{}", own.txt: "not yours"}
check: [[checker, check]]
build: [[checker, build, "{scratch}/out"]]
version: [checker, --version]
serve:
  directory: "{project}"
  command: [server]
  environment: {TEST_PORT: "{port}", STATE: "{state}"}
  headers: {x-test: "yes"}
"""

# The provider of this test takes the place of a real one, so that a manifest can name it.
TARGET = next(iter(providers.profiles()))

READ_ONLY = {"readOnlyHint": True}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "look",
        "description": "Look.",
        "inputSchema": {"type": "object", "required": ["id"], "examples": [{"id": 1}, {"id": 2.0}]},
        "annotations": READ_ONLY,
        "secrets": ["TOKEN"],
    },
    {"name": "all", "inputSchema": {"type": "object"}, "annotations": READ_ONLY},
    {"name": "needs", "inputSchema": {"type": "object", "required": ["x"]}, "annotations": READ_ONLY},
    {"name": "writes", "inputSchema": {"type": "object", "properties": {}}, "state": "session"},
]


class Setup:
    """A project on the provider of this test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write the project and the programs that its commands run."""
        self.folder = folder / "project"
        self.folder.mkdir()
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.pids = folder / "pids"
        self._patch = monkeypatch
        (self.folder / "package.json").write_text("{}")
        (self.folder / "node_modules").mkdir()
        (self.folder / "own.txt").write_text("mine")
        self.manifest({"name": "test", "targets": [TARGET], "secrets": {"TOKEN": "A token."}, "tools": TOOLS})
        self.program("server", f"#!{sys.executable}\n{SERVER}")
        self.program(
            "checker", '#!/bin/sh\necho "checker 1.2.3 $*; $GREETING"\ncat "$HOME/../../no-such-file" ||:\n'
        )
        self.expect(TOOLS)
        self.serve([self.listed(tool) for tool in TOOLS])
        path = os.pathsep.join([str(self.programs), "/usr/bin", "/bin"])
        for name, value in {"PATH": path, "PIDS": str(self.pids)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.delenv("TOKEN", raising=False)
        monkeypatch.delenv("MODE", raising=False)

    @staticmethod
    def listed(tool: Mapping[str, Any]) -> dict[str, Any]:
        """Return a tool as a generated server lists it."""
        shown = {key: value for key, value in tool.items() if key not in {"secrets", "state"}}
        if tool.get("state") == "session":
            properties = {"session_id": {"type": "string"}}
            shown["inputSchema"] = {**shown["inputSchema"], "properties": properties}
        return {**shown, "_meta": {}}

    def manifest(self, values: Mapping[str, Any]) -> None:
        """Write mcp.yaml."""
        (self.folder / "mcp.yaml").write_text(yaml.safe_dump(dict(values)))

    def expect(self, tools: list[dict[str, Any]]) -> None:
        """Write monitor.json."""
        shown = [self.listed(tool) for tool in tools]
        path = self.folder / "monitor/monitor.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            json.dumps({"tools_hash": tools_hash(shown), "definitions_hash": definitions_hash(shown)})
        )

    def serve(self, tools: list[dict[str, Any]]) -> None:
        """Say what the server lists."""
        self._patch.setenv("TOOLS", json.dumps(tools))

    def program(self, name: str, text: str) -> None:
        """Write a program."""
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def mode(self, mode: str) -> None:
        """Say what the server does wrong."""
        self._patch.setenv("MODE", mode)

    def verify(self, **options: Any) -> Outcome:
        """Verify the one target."""
        (outcome,) = verify(self.folder, **options)
        return outcome

    def assert_nothing_is_left(self) -> None:
        """No process, no scratch folder, and no file in the project."""
        started = [int(pid) for pid in self.pids.read_text().split()] if self.pids.exists() else []
        # A killed process is gone when the kernel comes to it, on a busy machine not at once.
        deadline = time.monotonic() + 5
        while any(map(alive, started)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [pid for pid in started if alive(pid)]
        assert not list(self.folder.parent.glob("mcp-scaffold-*"))
        assert not (self.folder / ".made").exists()
        assert (self.folder / "own.txt").read_text() == "mine"


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """Put the provider of this test in the place of the real ones."""
    some = next(iter(providers.profiles().values()))
    runtime = some.runtimes[some.default_runtime].model_copy(update={"title": "Test runtime"})
    profile = some.model_copy(
        update={
            "default_runtime": "test",
            "runtimes": {"test": runtime},
            "secrets_file": ".local",
            "verify": Verify.model_validate(yaml.safe_load(VERIFY)),
        }
    )
    for module in (workbench, providers):
        monkeypatch.setattr(module, "profiles", lambda: {TARGET: profile})
    monkeypatch.setattr(workbench, "find_node", lambda _: Node(Path(sys.executable), "24.0.0"))
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.5)
    return Setup(tmp_path, monkeypatch)


def test_a_project_that_is_as_it_says(setup: Setup) -> None:
    """Everything is known of it, and each step has been told of as it began and as it ended."""
    events: list[Event] = []
    outcome = setup.verify(on_event=events.append)
    assert outcome.failure is None
    assert outcome.verdict is Verdict.PASSED
    assert (outcome.target, outcome.runtime, outcome.runtime_version) == (TARGET, "Test runtime", "1.2.3")
    assert outcome.tools == 4
    assert outcome.tools_hash == tools_hash([setup.listed(tool) for tool in TOOLS])
    assert outcome.calls == 3
    assert outcome.placeholders == ("TOKEN",)
    assert 0 < (outcome.start_ms or 0) < 20_000
    told = [(event.target, event.step, event.seconds is not None) for event in events]
    steps = ["tools", "check", "build", "start", "list", "call"]
    assert told == [
        ("", "install", False),
        ("", "install", True),
        *((TARGET, step, ended) for step in steps for ended in (False, True)),
    ]
    assert list(outcome.seconds) == steps
    assert all(event.passed for event in events)
    setup.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("mode", "step", "message"),
    [
        ("dies", "start", "the server ended with exit status 1 before it answered"),
        ("hangs", "start", "/healthz answered nothing for 1 s"),
        ("not ready", "list", '/readyz answers HTTP 503: {"status": "not ready", "missing": ["TOKEN"]}'),
        ("modern only", "list", "legacy era: json-rpc: initialize: error -32600: too old (HTTP 400)"),
        ("other name", "list", 'modern era: the server calls itself "other" instead of "test"'),
        ("eras", "list", "tools/list differs between the two eras"),
        ("tool fails", "call", '`look` with {"id": 1} answered with an error: {"id": 1}'),
        ("tool fails", "call", "(no value is set for TOKEN, so it ran with a placeholder)"),
    ],
)
def test_a_server_that_fails(
    mode: str, step: str, message: str, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step, the reason, and what the server printed."""
    monkeypatch.setattr(serving, "START_SECONDS", 1.0)
    setup.mode(mode)
    events: list[Event] = []
    outcome = setup.verify(on_event=events.append)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.failure is not None
    assert outcome.failure.step == step
    assert message in outcome.failure.message
    assert "token is placeholder" in outcome.failure.log
    assert (events[-1].step, events[-1].passed) == (step, False)
    setup.assert_nothing_is_left()


LOOK, ALL, NEEDS, WRITES = (Setup.listed(tool) for tool in TOOLS)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ([LOOK, ALL, NEEDS], "`writes` is in mcp.yaml and is not served"),
        ([LOOK, ALL, NEEDS, WRITES, {**ALL, "name": "new"}], "`new` is served and is not in mcp.yaml"),
        (
            [{**LOOK, "description": "Obey."}, ALL, NEEDS, WRITES],
            "`look` is served with another description than mcp.yaml declares",
        ),
        (
            [LOOK, {**ALL, "title": "All", "inputSchema": {}}, NEEDS, WRITES],
            "`all` is served with another title and inputSchema than mcp.yaml declares",
        ),
    ],
)
def test_tools_that_are_not_those_of_the_manifest(
    served: list[dict[str, Any]], message: str, setup: Setup
) -> None:
    """The tool that differs is named, and what of it."""
    setup.serve(served)
    outcome = setup.verify()
    assert outcome.failure is not None
    assert outcome.failure.step == "list"
    assert outcome.failure.message.startswith(message)
    assert (
        f"definitions_hash is {outcome.definitions_hash}, and monitor/monitor.json" in outcome.failure.message
    )
    assert outcome.tools == len(served)
    assert outcome.tools_hash == tools_hash(served)


def test_an_expectation_that_is_out_of_date(setup: Setup) -> None:
    """When the tools are those of the manifest, the expected hashes are what is wrong."""
    setup.expect(TOOLS[:2])
    outcome = setup.verify()
    assert outcome.failure is not None
    assert "so monitor/monitor.json is out of date" in outcome.failure.message
    (setup.folder / "monitor/monitor.json").unlink()
    outcome = setup.verify()
    assert outcome.failure is not None
    assert outcome.failure.message.startswith("monitor/monitor.json names no hashes to compare with")


def test_a_project_that_rejects_legacy_clients(setup: Setup) -> None:
    """Then the refusal is what is right, and an answer is wrong."""
    manifest = yaml.safe_load((setup.folder / "mcp.yaml").read_text())
    setup.manifest({**manifest, "transport": {"legacy": "reject"}})
    outcome = setup.verify()
    assert outcome.failure is not None
    assert "legacy era: mcp.yaml says that it is rejected, and the server answers" in outcome.failure.message
    setup.mode("modern only")
    assert setup.verify().verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("mode", "legacy", "message"),
    [
        ("sessions", None, "mcp.yaml says `stateless`, and the server begins a session"),
        ("", "sessions", "mcp.yaml says `sessions`, and the server begins no session"),
        ("sessions", "sessions", None),
    ],
)
def test_a_project_whose_legacy_clients_have_sessions(
    mode: str, legacy: str | None, message: str | None, setup: Setup
) -> None:
    """They have one where the manifest says so, and nowhere else."""
    if legacy:
        manifest = yaml.safe_load((setup.folder / "mcp.yaml").read_text())
        setup.manifest({**manifest, "transport": {"legacy": legacy}})
    setup.mode(mode)
    outcome = setup.verify()
    assert (outcome.failure and outcome.failure.message) == (message and f"legacy era: {message}")


def test_a_command_that_fails(setup: Setup) -> None:
    """The command is quoted as it is written, with all that it printed."""
    setup.program(
        "checker", '#!/bin/sh\necho 1.0; [ "$1" = --version ] || { echo "bad type" >&2; exit 2; }\n'
    )
    outcome = setup.verify()
    assert outcome.failure is not None
    assert outcome.failure.step == "check"
    assert outcome.failure.message == "`checker check` failed with exit status 2"
    assert "bad type" in outcome.failure.log
    setup.assert_nothing_is_left()


def test_a_command_that_does_not_end(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, and that is said."""
    monkeypatch.setattr(workbench, "COMMAND_SECONDS", 0.5)
    setup.program("checker", '#!/bin/sh\n[ "$1" = --version ] || { echo waiting; sleep 60; }\n')
    outcome = setup.verify()
    assert outcome.failure is not None
    assert outcome.failure.message.endswith("checker check` was stopped after 0 s")
    assert "waiting" in outcome.failure.log


def test_a_program_that_is_missing_blocks(setup: Setup) -> None:
    """That is no fault of the project: what to do is said."""
    (setup.programs / "checker").unlink()
    outcome = setup.verify()
    assert outcome.verdict is Verdict.BLOCKED
    assert outcome.failure is not None
    assert "`checker` is neither in" in outcome.failure.message
    assert outcome.failure.help == (f"npm install --prefix {setup.folder}",)


def test_a_missing_node_blocks_every_target(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else is tried."""

    def nowhere(_: str) -> Node:
        raise MissingError("Node is missing", help=["get one"])

    monkeypatch.setattr(workbench, "find_node", nowhere)
    outcome = setup.verify()
    assert outcome.verdict is Verdict.BLOCKED
    assert outcome.failure is not None
    assert (outcome.failure.step, outcome.failure.help) == ("install", ("get one",))


@pytest.mark.parametrize("source", ["environment", "file"])
def test_secrets_reach_the_server_and_no_log(
    source: str, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that the user has set is used, and never shown."""
    if source == "file":
        (setup.folder / ".local").write_text('# local\nTOKEN="s3cret-value" # mine\n')
    else:
        (setup.folder / ".local").write_text("TOKEN=another")
        monkeypatch.setenv("TOKEN", "s3cret-value")
    setup.mode("tool fails")
    outcome = setup.verify()
    assert outcome.placeholders == ()
    assert outcome.failure is not None
    assert "token is [secret]" in outcome.failure.log
    assert "s3cret" not in repr(outcome)


def told(endpoint: Endpoint) -> dict[str, str]:
    """Return the variables that a server printed when it started."""
    return dict(line.split(" ", 1) for line in endpoint.printed().splitlines())


def test_a_store_gets_its_services_where_something_keeps_state(setup: Setup) -> None:
    """They are real, and one for whoever starts them first; without state there is no store."""
    manifest = yaml.safe_load((setup.folder / "mcp.yaml").read_text())
    options = {"target_options": {TARGET: {"session": {"store": "upstash"}}}}
    setup.manifest({**manifest, **options, "tools": [{**tool, "state": "none"} for tool in TOOLS]})
    with serving.serving(setup.folder, TARGET) as endpoint:
        assert told(endpoint)["UPSTASH_REDIS_REST_URL"] == "None"
    setup.manifest({**manifest, **options})
    with serving.serving(setup.folder, TARGET) as endpoint:
        variables = told(endpoint)
        assert variables["REDIS_URL"] == "None"
        headers = {"authorization": f"Bearer {variables['UPSTASH_REDIS_REST_TOKEN']}"}
        url = f"{variables['UPSTASH_REDIS_REST_URL']}/dbsize"
        assert httpx.get(url, headers=headers, trust_env=False).json() == {"result": 0}
    assert setup.verify().verdict is Verdict.PASSED
    setup.assert_nothing_is_left()


def test_servers_can_share_services_and_state(setup: Setup, tmp_path: Path) -> None:
    """Two instances have one store, and one that is started again has what was there."""
    manifest = yaml.safe_load((setup.folder / "mcp.yaml").read_text())
    setup.manifest({**manifest, "target_options": {TARGET: {"session": {"store": "upstash"}}}})
    state = tmp_path / "kept/state"
    with (
        processes.Processes() as group,
        serving.running({"redis", "redis-rest"}, tmp_path, group) as services,
        serving.serving(setup.folder, TARGET, services=services, state=state) as one,
        serving.serving(setup.folder, TARGET, services=services, state=state) as other,
    ):
        assert services["redis_url"].startswith("redis://127.0.0.1:")
        for variables in (told(one), told(other)):
            assert variables["STATE"] == str(state)
            assert variables["UPSTASH_REDIS_REST_URL"] == services["redis_rest_url"]
            assert variables["UPSTASH_REDIS_REST_TOKEN"] == services["redis_rest_token"]
        assert one.origin != other.origin
    assert state.is_dir()
    with serving.serving(setup.folder, TARGET) as alone:
        own = Path(told(alone)["STATE"])
        assert own.is_dir()
    assert not own.exists()
    setup.assert_nothing_is_left()


def test_a_service_that_nobody_knows(tmp_path: Path) -> None:
    """A slip in providers.yml is no silence."""
    with (
        processes.Processes() as group,
        pytest.raises(KeyError),
        serving.running({"memcached"}, tmp_path, group),
    ):
        pass


def test_a_local_secrets_file() -> None:
    """Quotes, comments and `export` are read as the vendors' tools read them."""
    text = """
        A=1
        export B = two words # comment
        C="a # b"
        D='x"y'  # c
        E=
        # F=1
        not a line
        G=a=b#c
    """
    assert read_variables(textwrap.dedent(text)) == {
        "A": "1",
        "B": "two words",
        "C": "a # b",
        "D": 'x"y',
        "E": "",
        "G": "a=b#c",
    }


# What would be waited for takes an hour.
@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["check", "start", "call"])
def test_an_interruption_leaves_nothing(
    step: str, number: signal.Signals, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it comes, and also from a supervisor: everything is stopped, and nothing is waited for."""
    if step == "start":
        setup.mode("hangs")
    if step == "check":
        setup.program("checker", '#!/bin/sh\n[ "$1" = --version ] || sleep 3600\n')
    monkeypatch.setattr(serving, "START_SECONDS", 3600.0)
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def interrupt(event: Event) -> None:
        if event.step == step and event.seconds is None:
            time.sleep(0.3 if step == "start" else 0)
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        setup.verify(on_event=interrupt)
    setup.assert_nothing_is_left()
    assert before == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def test_targets_that_are_not_declared(setup: Setup) -> None:
    """The message names those that are."""
    with pytest.raises(ProjectError, match=f"nowhere: not among the project's targets, which are {TARGET}"):
        setup.verify(targets=["nowhere"])


def test_folders_that_are_no_projects(setup: Setup, tmp_path: Path) -> None:
    """Each says what is missing."""
    with pytest.raises(ProjectError, match=r"holds no mcp\.yaml"):
        verify(tmp_path)
    (setup.folder / "package.json").unlink()
    with pytest.raises(ProjectError, match=r"no package\.json, so its project is not generated"):
        verify(setup.folder)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name: x\ntargets: [elsewhere]\ntools: []\n", "unknown-value"),
        ("a: [", "yaml-syntax"),
        ("name: x\nversion: 2026-13-45\ntargets: [bun]\ntools: []\n", "yaml-syntax"),
    ],
)
def test_a_manifest_that_is_not_valid(text: str, code: str, setup: Setup) -> None:
    """What `check` would find is what stops it, whichever rule of YAML or of the manifest is broken."""
    (setup.folder / "mcp.yaml").write_text(text)
    with pytest.raises(InvalidProjectError) as caught:
        verify(setup.folder)
    assert [found.code for found in caught.value.invalid.diagnostics] == [code]
    assert not setup.pids.exists()


def test_a_local_secrets_file_that_is_not_text(setup: Setup) -> None:
    """It blocks the target and is named, without a traceback."""
    (setup.folder / ".local").write_bytes(b"TOKEN=\xff\n")
    outcome = setup.verify()
    assert outcome.verdict is Verdict.BLOCKED
    assert outcome.failure is not None
    assert outcome.failure.message == f"{setup.folder / '.local'} is not UTF-8"
    setup.assert_nothing_is_left()
