"""`calibrate` as a program: against a server that goes cold, and on a real runtime of this machine."""

import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.servers import generate, using
from fake_servers import Handler, healthy, server
from toolchain import Toolchain

from scaffolder.monitoring.calibration import ENOUGH, percentile
from scaffolder.providers import profiles
from scaffolder.render import render
from scaffolder.writing import create

pytestmark = pytest.mark.slow

# The one that starts in the least time.
FASTEST = list(profiles())[-1]

MANIFEST = """\
name: notes # a name
targets: [TARGET]
target_options: { TARGET: { url: "URL" } }
# The tools.
tools:
  - { name: look, inputSchema: { type: object } }
"""


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a project."""
    return subprocess.run(
        [sys.executable, "-m", "scaffolder", "calibrate", "--target", FASTEST, *words],
        cwd=project,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def manifest(url: str) -> str:
    """Write the manifest of a server at a URL."""
    return MANIFEST.replace("TARGET", FASTEST).replace("URL", url)


def test_a_server_that_goes_cold(tmp_path: Path) -> None:
    """What it finds is no less than what was injected, and the regenerated threshold is twice that."""
    number, idle = ENOUGH + 5, 0.8
    delays = [0.2 + 0.3 * (index + 0.5) / number for index in range(number)]
    random.Random(3).shuffle(delays)
    left = iter(delays)
    last = time.monotonic()

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= idle:
            time.sleep(next(left, 0.35))
        healthy(handler, message)
        last = time.monotonic()

    with server(answer) as (url, _):
        text = manifest(url)
        create(tmp_path / "notes", {**render(yaml.safe_load(text)), "mcp.yaml": text.encode()})
        done = run(tmp_path / "notes", "--samples", str(number), "--cold-every", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["evidence"] == "spacing and shape"
    assert found["cold"]["count"] >= ENOUGH
    assert found["p95_ms"] >= 0.9 * percentile(delays, 0.95) * 1000
    after = (tmp_path / "notes/mcp.yaml").read_text()
    assert all(line in after for line in text.splitlines())
    assert yaml.safe_load(after)["monitor"]["observed"][FASTEST]["p95_ms"] == found["p95_ms"]
    monitor = json.loads((tmp_path / "notes/monitor/monitor.json").read_text())["targets"][FASTEST]
    assert monitor["timeout_ms"] == math.ceil(found["p95_ms"] * 2 / 50) * 50 == found["timeout_ms"]["after"]


def test_on_this_machine(tmp_path: Path, toolchain: Toolchain) -> None:
    """Each cold sample is a fresh start of the real runtime; what that is not is said."""
    with using(toolchain):
        project = generate(tmp_path / "notes", yaml.safe_load(manifest("https://n.example/mcp")), toolchain)
        before = (project / "mcp.yaml").read_bytes()
        done = run(project, "--local", "--samples", str(ENOUGH), "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["cold"]["count"], found["warm"]["count"]) == (ENOUGH, 3 * ENOUGH)
        assert "no substitute for the cloud" in found["note"]
        assert found["cold"]["p50"] > found["warm"]["p50"]
        assert found["written"] is False
        assert (project / "mcp.yaml").read_bytes() == before
        few = run(project, "--local", "--samples", "2", "--write")
        assert few.returncode == 1
        assert "the table's value" in few.stderr
        assert (project / "mcp.yaml").read_bytes() == before


def test_a_target_that_is_none(tmp_path: Path) -> None:
    """Refused before anything is measured."""
    create(tmp_path / "notes", render(yaml.safe_load(manifest("https://n.example/mcp"))))
    for words in (["--local"], []):
        done = subprocess.run(
            [sys.executable, "-m", "scaffolder", "calibrate", "--target", "nowhere", *words],
            cwd=tmp_path / "notes",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "nowhere: not among" in done.stderr
