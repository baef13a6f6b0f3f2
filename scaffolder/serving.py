"""Serve a target of a project on its real runtime, on this machine."""

import os
import re
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from subprocess import Popen

from scaffolder import probe
from scaffolder.processes import Processes, tail
from scaffolder.providers import StoreVerify, bound_store, keeps_sessions
from scaffolder.redis_rest import free_port, redis_server, rest_server
from scaffolder.toolchain import find_redis, install
from scaffolder.workbench import (
    ProjectError,
    StepError,
    Workbench,
    equip,
    find_project_node,
    open_project,
    workbench,
)

# What a secret is set to where nobody has set it: a server that reads it starts, and no vendor takes it.
PLACEHOLDER = "placeholder"

START_SECONDS = 60.0
POLL_SECONDS = 0.02

SHORTEST_SECRET = 6

QUOTED = re.compile(r"""(["'`])(.*?)\1""")
ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A target that answers."""

    target: str
    url: str
    """Of the MCP endpoint."""
    origin: str
    headers: Mapping[str, str]
    """What every request to it has to carry."""
    pid: int
    """The process, and the process group that everything it started is in."""
    log: Path
    """What it prints, while it runs."""
    start_ms: float
    """From the start of the process to its first answer."""
    placeholders: tuple[str, ...]
    """The secrets that nobody has set, and that have a placeholder for a value."""
    secret_values: tuple[str, ...] = field(default=(), repr=False)

    def printed(self) -> str:
        """Return the end of the log."""
        return self.redact(tail(self.log))

    def redact(self, text: str) -> str:
        """Take the values of secrets out of what the server said."""
        return _redact(text, self.secret_values)


@contextmanager
def serving(  # noqa: PLR0913 - each is a choice of its own
    folder: Path,
    target: str,
    *,
    environment: Mapping[str, str] | None = None,
    processes: Processes | None = None,
    state: Path | None = None,
    services: Mapping[str, str] | None = None,
) -> Iterator[Endpoint]:
    """Serve one target of a generated project, and stop it at the end of the `with` block.

    Installs what is missing, as `verify` does. `environment` goes to the server, ahead of the user's own.
    What it keeps on disk is in the folder `state`, if one is given, and there for the next that is
    started on it. `services` are the values of those that run already; without them its store's are
    started beside it, empty.
    """
    project = open_project(folder)
    if target not in project.targets:
        raise ProjectError(
            f"{target}: not among the project's targets, which are {', '.join(project.targets)}"
        )
    with ExitStack() as stack:
        processes = processes or stack.enter_context(Processes())
        node = find_project_node()
        install(project.folder, node, processes)
        toolbox = equip(project, target, node, processes)
        bench = stack.enter_context(workbench(project, target, toolbox, processes, state=state))
        if bench.serves_build:
            bench.build()
        yield stack.enter_context(serve(bench, environment or {}, services))


@contextmanager
def serve(
    bench: Workbench, environment: Mapping[str, str], services: Mapping[str, str] | None = None
) -> Iterator[Endpoint]:
    """Start what a target serves on a free port, wait until it answers, and stop it at the end."""
    profile = bench.profile.verify.serve
    store = _store(bench)
    log = bench.scratch / "serve.log"
    with ExitStack() as stack:
        if services is None:
            services = stack.enter_context(running(store.services, bench.scratch, bench.processes))
        port = free_port()
        values = {**services, "port": str(port)}
        known = _secrets(bench, environment)
        command = bench.command(profile.command, values)
        started = time.monotonic()
        process = bench.processes.start(
            command,
            directory=Path(bench.fill(profile.directory, values)),
            environment={
                **bench.environment(),
                **{name: value or PLACEHOLDER for name, value in known.items()},
                **{
                    name: bench.fill(text, values)
                    for name, text in {**store.environment, **profile.environment}.items()
                },
                **environment,
            },
            log=log,
        )
        stack.callback(bench.processes.stop, process)
        origin = f"http://127.0.0.1:{port}"
        secret_values = tuple(filter(None, known.values()))
        try:
            _await_answer(process, f"{origin}/healthz", profile.headers)
        except StepError as error:
            raise StepError(str(error), _redact(tail(log), secret_values)) from error
        yield Endpoint(
            target=bench.target,
            url=origin + bench.project.manifest.get("transport", {}).get("path", "/mcp"),
            origin=origin,
            headers=profile.headers,
            pid=process.pid,
            log=log,
            start_ms=(time.monotonic() - started) * 1000,
            placeholders=tuple(name for name, value in known.items() if not value),
            secret_values=secret_values,
        )


def _await_answer(process: Popen[bytes], url: str, headers: Mapping[str, str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        answer = probe.get(url, headers)
        if answer is not None and answer[0] == HTTPStatus.OK:
            return
        code = process.poll()
        if code is not None:
            raise StepError(f"the server ended with exit status {code} before it answered")
        if time.monotonic() > deadline:
            said = "nothing" if answer is None else f"HTTP {answer[0]}: {answer[1][:300]}"
            raise StepError(f"/healthz answered {said} for {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _secrets(bench: Workbench, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the declared secrets with the values that the environment or the local file gives them."""
    local = bench.project.folder / bench.profile.secrets_file
    sources = [environment, os.environ, read_variables(_text(local)) if local.is_file() else {}]
    declared = bench.project.manifest.get("secrets") or {}
    return {name: next(filter(None, (source.get(name) for source in sources)), "") for name in declared}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProjectError(f"{path} is not UTF-8", help=["save it as UTF-8 in your editor"]) from error


def read_variables(text: str) -> dict[str, str]:
    """Read the NAME=value lines of a local secrets file, as the vendors' tools do."""
    variables = {}
    for line in text.splitlines():
        match = ASSIGNMENT.fullmatch(line)
        if match is None:
            continue
        name, value = match.groups()
        quoted = QUOTED.match(value)
        variables[name] = quoted.group(2) if quoted else value.partition(" #")[0].strip()
    return variables


def _redact(text: str, secret_values: tuple[str, ...]) -> str:
    for value in secret_values:
        # A shorter one would black out half of the log, and is no secret.
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "[secret]")
    return text


SERVICES = frozenset({"redis", "redis-rest"})
"""What a store may need beside the server, by the name that providers.yml gives it."""


@contextmanager
def running(services: Collection[str], folder: Path, processes: Processes) -> Iterator[dict[str, str]]:
    """Run services, and yield what leads to them: `redis_url`, `redis_rest_url`, `redis_rest_token`.

    There is one Redis, new and empty, whichever way leads to it. `folder` takes its log.
    """
    unknown = set(services) - SERVICES
    if unknown:
        raise KeyError(*unknown)
    with ExitStack() as stack:
        values = {}
        if services:
            port = stack.enter_context(redis_server(find_redis(), folder, processes))
            values["redis_url"] = f"redis://127.0.0.1:{port}"
        if "redis-rest" in services:
            token = secrets.token_hex(16)
            url = stack.enter_context(rest_server(port, token))
            values |= {"redis_rest_url": url, "redis_rest_token": token}
        yield values


def _store(bench: Workbench) -> StoreVerify:
    """Say what the store of the target needs; without one it is nothing."""
    manifest = bench.project.manifest
    if not keeps_sessions(manifest):
        return StoreVerify(services=[], environment={})
    return bound_store(manifest, bench.target).store.verify
