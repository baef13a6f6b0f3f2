"""The worked examples of docs/state.md compile as they are printed, and do what the page says of them."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest
import worked_examples as examples
from e2e import contract, servers
from e2e.contract import MODERN, send
from formatting import complaints
from toolchain import Toolchain

from scaffolder.render import Tree
from scaffolder.serving import Endpoint, serving

pytestmark = pytest.mark.slow

RUNTIMES = ["bun", "deno"]
ALL = ["cloudflare", "deno", "vercel", "bun"]
CONSISTENCIES: Mapping[str, Mapping[str, Any]] = {
    "strong": {},
    "eventual": {"session": {"consistency": "eventual"}},
}

# Long enough to call twice, short enough to wait for.
HASTY_SECONDS = 2


@dataclass(slots=True)
class Outside:
    """The site and the ledger that the examples talk to."""

    url: str = ""
    posts: dict[str, str] = field(default_factory=dict)
    """What was published last, by path."""
    booked: dict[str, Any] = field(default_factory=dict)
    """What was booked, by idempotency key: once each."""
    received: list[str] = field(default_factory=list)
    """The key of every request to book."""
    faults: list[str] = field(default_factory=list)
    """What goes wrong with the next requests to book: they are `refused`, or the answer is `lost`."""
    lock: Lock = field(default_factory=Lock)

    def book(self, key: str, payments: Any) -> tuple[int, str]:
        """Answer a request to book, as a ledger does that knows its keys."""
        with self.lock:
            self.received.append(key)
            fault = self.faults.pop(0) if self.faults else None
            if fault == "refused":
                return 422, "Account b is closed."
            assert self.booked.setdefault(key, payments) == payments
            receipt = f"R-{[*self.booked].index(key) + 1}"
            return (503, "") if fault == "lost" else (200, receipt)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answered."""

    text: str
    session: str | None
    """The handle that the result names."""
    structured: dict[str, Any]
    failed: bool


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the examples, and what is around it."""

    endpoint: contract.Endpoint
    outside: Outside

    def call(self, name: str, session: str | None = None, **arguments: Any) -> Answer:
        """Call a tool, as a client of revision 2026-07-28 does."""
        prefix = "io.modelcontextprotocol"
        sent = {**arguments, **({"session_id": session} if session else {})}
        params = {
            "name": name,
            "arguments": sent,
            "_meta": {
                f"{prefix}/protocolVersion": MODERN,
                f"{prefix}/clientInfo": {"name": "examples", "version": "1.0.0"},
                f"{prefix}/clientCapabilities": {},
            },
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": name}
        answer = send(self.endpoint, 200, name, headers=headers, content=json.dumps(body).encode())
        result = answer.json()["result"]
        text = "\n".join(block["text"] for block in result["content"])
        structured = result.get("structuredContent", {})
        announced = contract.HANDLE.search(text)
        handle = announced[1] if announced else structured.get("session_id")
        return Answer(text, handle, structured, result.get("isError", False))

    def done(self, name: str, session: str | None = None, **arguments: Any) -> Answer:
        """Call a tool that has to succeed."""
        answer = self.call(name, session, **arguments)
        assert not answer.failed, f"{name}: {answer.text}"
        return answer

    def refused(self, name: str, session: str | None = None, **arguments: Any) -> str:
        """Call a tool that has to fail, and return what it says."""
        answer = self.call(name, session, **arguments)
        assert answer.failed, f"{name}: {answer.text}"
        return answer.text

    def begin(self, *accounts: str) -> str:
        """Begin a transfer with a payment to each account, and return its session."""
        session = self.done("begin_transfer").session
        assert session
        for account in accounts:
            self.done("add_transfer", session, reference=account, to=account, cents=100)
        return session


@contextmanager
def outside() -> Iterator[Outside]:
    """Run the site and the ledger."""
    system = Outside()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            system.posts[self.path] = self._read().decode()
            self._answer(200, "")

        def do_POST(self) -> None:
            assert self.headers["authorization"] == "Bearer the-token"
            self._answer(*system.book(self.headers["idempotency-key"], json.loads(self._read())))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _read(self) -> bytes:
            return self.rfile.read(int(self.headers["content-length"]))

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        system.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield system
        server.shutdown()
        thread.join()


@contextmanager
def serving_each(folder: Path, tree: Tree, toolchain: Toolchain) -> Iterator[dict[str, Server]]:
    """Serve a project on each runtime, with an outside of its own."""
    project = place(folder, tree, toolchain)
    with servers.using(toolchain), ExitStack() as stack:

        def start(target: str) -> Server:
            system = stack.enter_context(outside())
            environment = {
                "SITE_URL": system.url,
                "LEDGER_URL": system.url,
                "LEDGER_TOKEN": "the-token",
            }
            served: Endpoint = stack.enter_context(serving(project, target, environment=environment))
            return Server(contract.Endpoint(target, served.url, served.headers), system)

        yield {target: start(target) for target in RUNTIMES}


def place(folder: Path, tree: Tree, toolchain: Toolchain) -> Path:
    """Write a project beside its packages."""
    for path, content in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "node_modules").symlink_to(toolchain.node_modules)
    return folder


def hasty(tree: Tree) -> Tree:
    """Let everything expire in seconds."""

    def replaced(path: str, before: str) -> bytes:
        name = before.partition(" = ")[0].encode()
        assert before.encode() in tree[path]
        return tree[path].replace(before.encode(), name + b" = " + str(HASTY_SECONDS).encode())

    return {
        **tree,
        "src/generated/config.ts": replaced("src/generated/config.ts", "sessionTtlSeconds = 1800"),
        "src/transfers.ts": replaced("src/transfers.ts", "OPEN_SECONDS = 600"),
    }


@pytest.fixture(scope="module")
def strong(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Serve the examples for strong stores."""
    tree = examples.project(examples.manifest(RUNTIMES))
    with serving_each(tmp_path_factory.mktemp("strong"), tree, toolchain) as served:
        yield served


@pytest.fixture(scope="module")
def eventual(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Serve the examples for eventual stores."""
    tree = examples.project(examples.manifest(RUNTIMES, **CONSISTENCIES["eventual"]))
    with serving_each(tmp_path_factory.mktemp("eventual"), tree, toolchain) as served:
        yield served


@pytest.fixture(scope="module")
def expiring(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Serve the examples with little time."""
    tree = hasty(examples.project(examples.manifest(RUNTIMES)))
    with serving_each(tmp_path_factory.mktemp("expiring"), tree, toolchain) as served:
        yield served


@pytest.fixture(params=RUNTIMES)
def server(request: pytest.FixtureRequest, strong: dict[str, Server]) -> Server:
    """Give the examples for strong stores on each runtime, with nothing wrong outside."""
    found = strong[request.param]
    found.outside.faults.clear()
    found.outside.received.clear()
    found.outside.booked.clear()
    return found


def compile_project(project: Path, toolchain: Toolchain) -> "subprocess.CompletedProcess[str]":
    """Check the types: of what all targets share, or of one target's."""
    command = [str(toolchain.bin("tsc")), "-p", str(project)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=toolchain.env)


@pytest.mark.parametrize("consistency", CONSISTENCIES)
def test_the_examples_compile(consistency: str, toolchain: Toolchain, tmp_path: Path) -> None:
    """As printed, with all that a project checks, and laid out as its formatter does it."""
    declared = examples.manifest(ALL, **CONSISTENCIES[consistency])
    tree = examples.project(declared)
    # The client of the toolchain brings `jose`, which the page says to install.
    principal = examples.files(tree[examples.PAGE].decode())["src/principal.ts"]
    folder = place(tmp_path, {**tree, "src/principal.ts": principal.encode()}, toolchain)
    done = compile_project(folder, toolchain)
    assert done.returncode == 0, done.stdout
    (folder / "node_modules").unlink()
    assert complaints(folder / "src", toolchain) == ""


def test_a_principal_is_named_in_an_entry(toolchain: Toolchain, tmp_path: Path) -> None:
    """The file of the page, its import and its line are all that it takes."""
    tree = examples.project(examples.manifest(["cloudflare"]))
    principal = examples.files(tree[examples.PAGE].decode())["src/principal.ts"]
    entry = tree["src/targets/cloudflare.ts"].decode()
    assert entry.count("createApp({\n") == 1
    entry = entry.replace("createApp({\n", "createApp({\n  principal,\n")
    tree["src/targets/cloudflare.ts"] = f'import {{ principal }} from "../principal.ts";\n{entry}'.encode()
    tree["src/principal.ts"] = principal.encode()
    folder = place(tmp_path, tree, toolchain)
    done = compile_project(folder / "tsconfig.cloudflare.json", toolchain)
    assert done.returncode == 0, done.stdout


def test_wrangler_takes_the_entry_that_deletes_the_class(toolchain: Toolchain, tmp_path: Path) -> None:
    """What the deploy page says to add when another store takes over is a configuration that builds."""
    tree = examples.project(examples.manifest(["cloudflare"], **CONSISTENCIES["eventual"]))
    (entry,) = re.findall(r"```jsonc\n(.*?)```", tree["deploy/cloudflare.md"].decode(), re.DOTALL)
    config = tree["wrangler.jsonc"].decode().replace("{", "{\n" + entry.rstrip() + ",", 1)
    folder = place(tmp_path, {**tree, "wrangler.jsonc": config.encode()}, toolchain)
    command = [str(toolchain.bin("wrangler")), "deploy", "--dry-run", "--outdir", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=toolchain.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_update_does_not_compile_against_an_eventual_store(toolchain: Toolchain, tmp_path: Path) -> None:
    """Code that needs it is not built for a store that cannot give it, and the error names it."""
    declared = examples.manifest(ALL, target_options={"cloudflare": {"session": {"store": "workers-kv"}}})
    strong = examples.files(examples.page(ALL))
    tree = examples.project(declared)
    for path in ("src/drafts.ts", "src/tools/create_draft.ts"):
        tree[path] = strong[path].encode()
    folder = place(tmp_path, tree, toolchain)
    done = compile_project(folder, toolchain)
    assert done.returncode != 0
    error = "error TS2339: Property 'update' does not exist on type 'Session'."
    assert [line for line in done.stdout.splitlines() if "create_draft.ts" in line and error in line], (
        done.stdout
    )


def test_a_draft_is_made_in_several_steps(server: Server) -> None:
    """It is created, edited and published, and every result names the session in text and in structure."""
    draft = server.done("create_draft", title="Trip")
    session = draft.session
    assert draft.structured == {"version": 1, "text": "# Trip", "session_id": session}
    steps: list[tuple[str, str, str]] = [
        ("Day 1", "Walk.", "append"),
        ("Day 2", "Rest.", "append"),
        ("Day 1", "Swim.", "append"),
        ("Day 2", "Fly.", "replace"),
    ]
    for version, (heading, text, mode) in enumerate(steps, 1):
        draft = server.done("edit_draft", session, version=version, heading=heading, text=text, mode=mode)
        assert draft.structured["version"] == version + 1
        assert draft.session == session
        assert str(session) in draft.text
    whole = "# Trip\n\n## Day 1\n\nWalk.\n\nSwim.\n\n## Day 2\n\nFly."
    assert draft.structured["text"] == whole
    for _ in range(2):
        published = server.done("publish_draft", session, version=5)
        path = published.text.rpartition("/posts/")[2].rstrip(".")
        assert server.outside.posts[f"/posts/{path}"] == whole
        assert str(session) not in path


def test_edits_of_one_version_do_not_overwrite_each_other(server: Server) -> None:
    """One of them is made, and each of the others is shown what the draft is now."""
    session = server.done("create_draft", title="Trip").session

    def edit(number: int) -> Answer:
        text = f"By {number}."
        return server.call(
            "edit_draft", session, version=1, heading=f"Part {number}", text=text, mode="append"
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(edit, range(8)))
    made = [answer for answer in answers if not answer.failed]
    assert len(made) == 1
    now = made[0].structured["text"]
    for late in (answer for answer in answers if answer.failed):
        assert "is at version 2" in late.text
        assert now in late.text
    again = server.done("edit_draft", session, version=2, heading="More", text="Later.", mode="append")
    assert again.structured["text"] == f"{now}\n\n## More\n\nLater."


def test_a_session_has_one_draft(server: Server) -> None:
    """Another call to create one leaves the first alone; without a session it starts another."""
    first = server.done("create_draft", title="One")
    assert "start another session" in server.refused("create_draft", first.session, title="Two")
    assert server.done("create_draft", title="Two").session != first.session
    assert "is at version 1" in server.refused("publish_draft", first.session, version=2)
    assert server.done("publish_draft", first.session, version=1)


def test_a_transfer_is_booked_once(server: Server) -> None:
    """All of it, at the commit and not before; a second commit is told so."""
    session = server.begin("a", "b")
    assert not server.outside.received
    assert "R-1" in server.done("commit_transfer", session).text
    payments = [{"reference": name, "to": name, "cents": 100} for name in ("a", "b")]
    assert list(server.outside.booked.values()) == [payments]
    second = server.done("commit_transfer", session).text
    assert "committed before, as R-1" in second
    assert len(server.outside.received) == 1
    for name, arguments in (
        ("add_transfer", {"reference": "c", "to": "c", "cents": 1}),
        ("rollback_transfer", {}),
    ):
        assert "is committed, as R-1" in server.refused(name, session, **arguments)
    # A new one in the same session is another one.
    server.done("begin_transfer", session)
    server.done("add_transfer", session, reference="a", to="a", cents=1)
    assert "R-2" in server.done("commit_transfer", session).text


def test_parallel_calls_lose_and_double_nothing(server: Server) -> None:
    """What is staged at once is all there, and commits at once book once."""
    session = server.begin()

    def add(number: int) -> Answer:
        return server.call(
            "add_transfer", session, reference=f"p{number % 10}", to="a", cents=number % 10 + 1
        )

    with ThreadPoolExecutor(20) as pool:
        # Each twice, as a client does that has not seen the answer.
        assert not [answer.text for answer in pool.map(add, range(20)) if answer.failed]
        commits = list(pool.map(lambda _: server.call("commit_transfer", session), range(5)))
    assert not [answer.text for answer in commits if answer.failed]
    assert all("R-1" in answer.text for answer in commits)
    (payments,) = server.outside.booked.values()
    assert sorted(payment["cents"] for payment in payments) == list(range(1, 11))
    assert len(set(server.outside.received)) == 1


def test_a_reference_means_one_payment(server: Server) -> None:
    """Sent twice it is staged once; with other words it is refused, and what was staged stays."""
    session = server.begin("a")
    assert "Staged: 1." in server.done("add_transfer", session, reference="a", to="a", cents=100).text
    assert "under a" in server.refused("add_transfer", session, reference="a", to="a", cents=200)
    server.done("commit_transfer", session)
    assert list(server.outside.booked.values()) == [[{"reference": "a", "to": "a", "cents": 100}]]


def test_a_commit_whose_answer_is_lost_can_be_sent_again(server: Server) -> None:
    """Until its end is known nothing is changed, and then it is booked once."""
    session = server.begin("a")
    server.outside.faults.append("lost")
    assert "not known" in server.refused("commit_transfer", session)
    for name, arguments in (
        ("add_transfer", {"reference": "b", "to": "b", "cents": 1}),
        ("rollback_transfer", {}),
    ):
        assert "being committed" in server.refused(name, session, **arguments)
    assert "already" in server.refused("begin_transfer", session)
    assert "R-1" in server.done("commit_transfer", session).text
    assert len(server.outside.received) == 2
    assert len(server.outside.booked) == 1


def test_a_refused_transfer_is_open_again(server: Server) -> None:
    """It can be changed, and is sent under another key."""
    session = server.begin("a")
    server.outside.faults.append("refused")
    assert "Account b is closed." in server.refused("commit_transfer", session)
    assert not server.outside.booked
    server.done("add_transfer", session, reference="b", to="b", cents=1)
    assert "R-1" in server.done("commit_transfer", session).text
    assert len(set(server.outside.received)) == 2


def test_a_rollback_forgets(server: Server) -> None:
    """Nothing is sent, and there is nothing left to commit."""
    session = server.begin("a")
    server.done("rollback_transfer", session)
    for name in ("commit_transfer", "rollback_transfer"):
        assert "has no transfer" in server.refused(name, session)
    assert not server.outside.received
    server.done("begin_transfer", session)


@pytest.mark.parametrize("target", RUNTIMES)
def test_what_has_expired_is_gone(target: str, expiring: dict[str, Server]) -> None:
    """A transfer rolls itself back, a draft is missed, and the model is told where to start again."""
    server = expiring[target]
    session = server.begin("a")
    draft = server.done("create_draft", title="Trip").session
    time.sleep(HASTY_SECONDS + 0.5)
    assert "has no transfer" in server.refused("commit_transfer", session)
    assert not server.outside.received
    edit = {"version": 1, "heading": "Day 1", "text": "Walk.", "mode": "append"}
    assert "create_draft" in server.refused("edit_draft", draft, **edit)
    assert server.done("create_draft", draft, title="Again").session == draft


@pytest.mark.parametrize("target", RUNTIMES)
def test_versions_of_an_eventual_draft_all_stay(target: str, eventual: dict[str, Server]) -> None:
    """Edits of one version make as many, none is lost, and the one that is named is published."""
    server = eventual[target]
    first = server.done("create_draft", title="Trip")
    version = first.structured["version"]

    def edit(number: int) -> Answer:
        text = f"By {number}."
        return server.done(
            "edit_draft", first.session, version=version, heading="Day 1", text=text, mode="append"
        )

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(edit, range(4)))
    assert len({answer.structured["version"] for answer in answers} | {version}) == 5
    paths = set()
    for number, answer in enumerate(answers):
        text = f"# Trip\n\n## Day 1\n\nBy {number}."
        assert answer.structured["text"] == text
        published = server.done("publish_draft", first.session, version=answer.structured["version"])
        paths.add(published.text.rpartition("/posts/")[2].rstrip("."))
        assert [*server.outside.posts.values()][-1] == text
    assert len(paths) == 1
    stranger = server.done("create_draft", title="Other").session
    assert "is not there" in server.refused("publish_draft", stranger, version=version)
