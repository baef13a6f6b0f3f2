"""Each target answers real clients on its real runtime, with its real store."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from e2e import contract
from e2e.clients.run import MATRIX, run
from toolchain import Toolchain

from scaffolder.merge import create
from scaffolder.probe import probe
from scaffolder.render import render
from scaffolder.serving import serving

pytestmark = pytest.mark.slow

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

TARGETS = {
    "workerd": ("cloudflare", {}),
    "deno": ("deno", {}),
    "bun": ("bun", {}),
    "vercel-node": ("vercel", {}),
    "vercel-edge": ("vercel", {"vercel": {"runtime": "edge"}}),
}


def manifest(targets: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Declare the server under test."""
    return {
        "name": "notes",
        "targets": list(targets),
        "target_options": dict(options),
        "secrets": {"USERS_API_TOKEN": "Token for the users API."},
        "vars": {"LOG_LEVEL": "info"},
        "tools": list(TOOLS),
    }


@pytest.fixture(scope="module")
def projects(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Make two projects, which differ in the runtime on Vercel, with their packages installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in toolchain.env.items():
            patch.setenv(name, value)
        patch.setenv("MCP_SCAFFOLD_TOOLCHAIN", str(toolchain.node_modules.parent))
        made = {}
        for name, targets, options in (
            ("node", ["cloudflare", "deno", "vercel", "bun"], {}),
            ("edge", ["vercel"], {"vercel": {"runtime": "edge"}}),
        ):
            made[name] = tmp_path_factory.mktemp("projects") / name
            create(made[name], render(manifest(targets, options)))
            # Hard links, not a symbolic one: Vercel traces the files of a function into it.
            shutil.copytree(
                toolchain.node_modules, made[name] / "node_modules", symlinks=True, copy_function=os.link
            )
        yield made


@pytest.fixture(scope="module")
def endpoints(projects: dict[str, Path]) -> Iterator[dict[str, contract.Endpoint]]:
    """Serve all five at once."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:

        def start(name: str) -> contract.Endpoint:
            target, options = TARGETS[name]
            served = stack.enter_context(serving(projects["edge" if options else "node"], target))
            return contract.Endpoint(name, served.url, served.headers)

        yield dict(zip(TARGETS, pool.map(start, TARGETS), strict=True))


@pytest.mark.parametrize(("client", "mode"), MATRIX, ids=lambda part: part)
def test_a_client_gets_what_the_manifest_declares(
    client: str, mode: str, endpoints: dict[str, contract.Endpoint], toolchain: Toolchain
) -> None:
    """It lists the tools, calls them, keeps a draft across requests and two sessions apart."""
    for report in run(toolchain, client, mode, list(endpoints.values())):
        contract.assert_contract(report, TOOLS)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("check", contract.HTTP_CHECKS, ids=lambda check: check.__name__)
def test_http(check: Any, name: str, endpoints: dict[str, contract.Endpoint]) -> None:
    """Guards, health and errors are the same on every runtime."""
    if check is contract.assert_large_stream_refused and name == "vercel-node":
        # Vercel's launcher refuses a chunked body by itself, ahead of the function.
        return
    check(endpoints[name])


@pytest.mark.parametrize("name", TARGETS)
def test_the_hashes_of_the_manifest_are_those_of_the_server(
    name: str, endpoints: dict[str, contract.Endpoint]
) -> None:
    """monitor.json expects what `tools/list` gives, in both eras, on every runtime."""
    import json  # noqa: PLC0415

    from scaffolder.hashing import definitions_hash, tools_hash  # noqa: PLC0415

    expected = json.loads(render(manifest(["bun"], {}))["monitor/monitor.json"])
    report = probe(endpoints[name].url, endpoints[name].headers)
    for era in (report.legacy, report.modern):
        assert tools_hash(era.tools) == expected["tools_hash"]
        assert definitions_hash(era.tools) == expected["definitions_hash"]


@pytest.mark.parametrize("name", ["deno", "bun", "workerd"])
def test_readyz_names_a_missing_secret(name: str, projects: dict[str, Path]) -> None:
    """A server without its secret is alive and not ready, and says why."""
    target, _ = TARGETS[name]
    with serving(projects["node"], target, environment={"USERS_API_TOKEN": ""}) as served:
        endpoint = contract.Endpoint(name, served.url, served.headers)
        contract.assert_healthy(endpoint)
        contract.assert_ready(endpoint, missing=["USERS_API_TOKEN"])
