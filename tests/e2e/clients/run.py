"""Runs the MCP clients: one process for each client and mode, which speaks to every endpoint in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.contract import SCENARIO
from toolchain import python_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from e2e.contract import Endpoint
    from toolchain import Toolchain

HERE = Path(__file__).parent
TESTS = HERE.parent.parent

# Every client and mode that a generated server has to answer.
MATRIX = (
    ("v2", "legacy"),
    ("v2", "auto"),
    ("v2", "2026-07-28"),
    ("v1", "legacy"),
    ("python1", "legacy"),
    ("python2", "legacy"),
    ("python2", "auto"),
    ("python2", "2026-07-28"),
)

_ENDPOINT_SECONDS = 30


def run(
    toolchain: Toolchain,
    client: str,
    mode: str,
    endpoints: Sequence[Endpoint],
    *,
    legacy: str = "stateless",
) -> list[dict[str, Any]]:
    """Return what the client saw at each endpoint, in their order; `legacy` is what their manifest says."""
    session_by = "header" if (legacy, mode) == ("sessions", "legacy") else "handle"
    specs = [
        {
            "url": endpoint.url,
            "headers": dict(endpoint.headers),
            "mode": mode,
            "session_by": session_by,
            "timeout_ms": _ENDPOINT_SECONDS * 1000,
            "scenario": SCENARIO,
        }
        for endpoint in endpoints
    ]
    command, environment = _command(toolchain, client)
    done = subprocess.run(
        command,
        input=json.dumps(specs),
        env={**toolchain.env, **environment},
        capture_output=True,
        text=True,
        timeout=_ENDPOINT_SECONDS * (len(specs) + 1),
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"client {client} ({mode}) ended with {done.returncode}:\n{done.stderr}")
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        {"target": endpoint.target, "client": client, "mode": mode, "session_by": session_by, **report}
        for endpoint, report in zip(endpoints, reports, strict=True)
    ]


def _command(toolchain: Toolchain, client: str) -> tuple[list[str], Mapping[str, str]]:
    if client == "python1":
        # Without the site-packages, which hold release 2 under the same name.
        path = os.pathsep.join([str(python_client()), str(TESTS)])
        return [sys.executable, "-S", str(HERE / "python1.py")], {"PYTHONPATH": path}
    if client == "python2":
        return [sys.executable, str(HERE / "python2.py")], {"PYTHONPATH": str(TESTS)}
    node_modules = {"TOOLCHAIN": str(toolchain.node_modules.parent)}
    return [str(toolchain.node), str(HERE / f"{client}.mjs")], node_modules
