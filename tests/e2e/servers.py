"""The projects and servers under test: the same five runtimes for every file here."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from scaffolder.render import render
from scaffolder.serving import serving
from scaffolder.writing import create

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from toolchain import Toolchain

    from scaffolder.serving import Endpoint

EDGE: Mapping[str, Any] = {"vercel": {"runtime": "edge"}}

# Each runtime's target, and the options that choose it.
TARGETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "workerd": ("cloudflare", {}),
    "deno": ("deno", {}),
    "bun": ("bun", {}),
    "vercel-node": ("vercel", {}),
    "vercel-edge": ("vercel", EDGE),
}

# What the clients of `contract.SCENARIO` call, and a schema that is hard to carry.
TOOLS: Sequence[dict[str, Any]] = (
    {
        "name": "lookup_user",
        "description": "Look up a user by ID.",
        "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        "annotations": {"readOnlyHint": True},
        "secrets": ["USERS_API_TOKEN"],
        "max_seconds": 5,
    },
    {
        "name": "add_to_draft",
        "description": "Append text to the current draft.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "state": "session",
    },
    {
        # What Python and ECMAScript print or sort differently.
        "name": "odd-numbers.and-keys",
        "description": 'Numbers, and keys: "quoted", 😀, \u2028.',
        "inputSchema": {
            "type": "object",
            "properties": {
                "numbers": {
                    "enum": [1.0, 1e-7, 1e21, -0.0, 0.1, 2**53 - 1, 1e16, 123456789012345680000.0, 5e-324]
                },
                "\ue000": {"type": "string"},
                "😀": {"type": "string"},
                "10": {"type": "string"},
                "9": {"type": "string"},
            },
            "additionalProperties": False,
        },
    },
)


def notes(targets: Sequence[str], **changes: Any) -> dict[str, Any]:
    """Declare a server of TOOLS."""
    return {
        "name": "notes",
        "targets": list(targets),
        "secrets": {"USERS_API_TOKEN": "Token for the users API."},
        "vars": {"LOG_LEVEL": "info"},
        "tools": list(TOOLS),
        **changes,
    }


@contextmanager
def using(toolchain: Toolchain) -> Iterator[None]:
    """Let `serving` find the real runtimes of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in toolchain.env.items():
            patch.setenv(name, value)
        patch.setenv("MCP_SCAFFOLD_TOOLCHAIN", str(toolchain.node_modules.parent))
        yield


def generate(
    folder: Path,
    manifest: Mapping[str, Any],
    toolchain: Toolchain,
    handlers: Mapping[str, str] | None = None,
) -> Path:
    """Write a project with its packages, and with handlers (by file in src/tools) that do what is tested."""
    tree = render(manifest)
    for file, source in (handlers or {}).items():
        path = f"src/tools/{file}.ts"
        assert path in tree
        tree[path] = source.encode()
    create(folder, tree)
    # Hard links, not a symbolic one: Vercel traces the files of a function into it.
    shutil.copytree(toolchain.node_modules, folder / "node_modules", symlinks=True, copy_function=os.link)
    return folder


def generate_pair(
    folder: Path,
    manifest: Mapping[str, Any],
    toolchain: Toolchain,
    handlers: Mapping[str, str] | None = None,
) -> dict[str, Path]:
    """Write two projects, which differ in the runtime on Vercel: together they have all five runtimes."""
    edge = {**manifest, "targets": ["vercel"], "target_options": EDGE}
    return {
        "node": generate(folder / "node", manifest, toolchain, handlers),
        "edge": generate(folder / "edge", edge, toolchain, handlers),
    }


@contextmanager
def serving_all(
    projects: Mapping[str, Path], environments: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[dict[str, Endpoint]]:
    """Serve the five runtimes of a pair of projects at once, each in its own environment."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:

        def start(name: str) -> Endpoint:
            target, options = TARGETS[name]
            environment = (environments or {}).get(name)
            project = projects["edge" if options else "node"]
            return stack.enter_context(serving(project, target, environment=environment))

        yield dict(zip(TARGETS, pool.map(start, TARGETS), strict=True))
