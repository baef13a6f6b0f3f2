"""Runs the MCP clients: one process for each client and mode, which speaks to every endpoint in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.contract import SCENARIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.contract import Endpoint
    from toolchain import Toolchain

HERE = Path(__file__).parent

# Every client and mode that a generated server has to answer.
MATRIX = (
    ("v2", "legacy"),
    ("v2", "auto"),
    ("v2", "2026-07-28"),
    ("v1", "legacy"),
    ("python2", "legacy"),
    ("python2", "auto"),
    ("python2", "2026-07-28"),
)

_ENDPOINT_SECONDS = 30


def run(toolchain: Toolchain, client: str, mode: str, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """Return what the client saw at each endpoint, in their order."""
    specs = [
        {
            "url": endpoint.url,
            "headers": dict(endpoint.headers),
            "mode": mode,
            "timeout_ms": _ENDPOINT_SECONDS * 1000,
            "scenario": SCENARIO,
        }
        for endpoint in endpoints
    ]
    done = subprocess.run(
        _command(toolchain, client),
        input=json.dumps(specs),
        env={**toolchain.env, "TOOLCHAIN": str(toolchain.node_modules.parent)},
        capture_output=True,
        text=True,
        timeout=_ENDPOINT_SECONDS * (len(specs) + 1),
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"client {client} ({mode}) ended with {done.returncode}:\n{done.stderr}")
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        {"target": endpoint.target, "client": client, "mode": mode, **report}
        for endpoint, report in zip(endpoints, reports, strict=True)
    ]


def _command(toolchain: Toolchain, client: str) -> list[str]:
    if client.startswith("python"):
        return [sys.executable, str(HERE / f"{client}.py")]
    return [str(toolchain.node), str(HERE / f"{client}.mjs")]
