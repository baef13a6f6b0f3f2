"""`calibrate` as a program: against a server that goes cold, and on a real runtime of this machine."""

import itertools
import json
import math
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime
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

# The one that starts in the least time, and a server that comes and goes.
FASTEST = list(profiles())[-1]
COMING = next(name for name, each in profiles().items() if not each.runtimes[each.default_runtime].stays)

MANIFEST = """\
name: notes # a name
targets: [TARGET]
target_options: { TARGET: { url: "URL" } }
# The tools.
tools:
  - { name: look, inputSchema: { type: object } }
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state of a test in its own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def command(*words: str, target: str = COMING) -> list[str]:
    """Give the command that runs the program."""
    return [sys.executable, "-m", "scaffolder", "calibrate", "--target", target, *words]


def run(project: Path, *words: str, target: str = COMING) -> subprocess.CompletedProcess[str]:
    """Run the program in a project."""
    return subprocess.run(
        command(*words, target=target),
        cwd=project,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def manifest(url: str, target: str = COMING) -> str:
    """Write the manifest of a server at a URL."""
    return MANIFEST.replace("TARGET", target).replace("URL", url)


class Cold:
    """A server whose first answer after an idle time takes as long as a distribution says."""

    def __init__(self, delays: Iterable[float], idle: float) -> None:
        """Take the delays one by one; `idle` is in seconds, as they are."""
        self._left = iter(delays)
        self._idle = idle
        # It has just been started for the first one.
        self._last = math.inf
        self.taken: list[float] = []
        """How long its cold answers really took, in milliseconds: a busy machine sleeps longer."""
        self.started = threading.Semaphore(0)

    def __call__(self, handler: Handler, message: dict[str, Any]) -> None:
        """Answer."""
        began = time.monotonic()
        if cold := began - self._last >= self._idle:
            self.started.release()
            time.sleep(next(self._left, 1.0))
        healthy(handler, message)
        self._last = time.monotonic()
        if cold:
            self.taken.append((self._last - began) * 1000)


def spread(low: float, high: float, number: int) -> list[float]:
    """Give values that stand evenly between two, in no order."""
    values = [low + (high - low) * (index + 0.5) / number for index in range(number)]
    random.Random(3).shuffle(values)
    return values


def test_a_server_that_goes_cold(tmp_path: Path) -> None:
    """The p95 is within 10 per cent of what was injected, and the regenerated threshold is twice that.

    What was injected is what the server took by its own clock, no less than it was told to: what a busy
    machine adds to it is no error of the measurement.
    """
    number = ENOUGH + 5
    delays = spread(0.5, 1.5, number)
    cold = Cold(delays, 0.8)
    with server(cold) as (url, _):
        text = manifest(url)
        create(tmp_path / "notes", {**render(yaml.safe_load(text)), "mcp.yaml": text.encode()})
        done = run(tmp_path / "notes", "--samples", str(number), "--cold-every", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["evidence"] == "spacing and shape"
    assert found["cold"]["count"] >= ENOUGH
    assert found["p95_ms"] >= 0.9 * percentile(delays, 0.95) * 1000
    assert found["p95_ms"] == pytest.approx(percentile(cold.taken, 0.95), rel=0.1)
    after = (tmp_path / "notes/mcp.yaml").read_text()
    assert all(line in after for line in text.splitlines())
    assert yaml.safe_load(after)["monitor"]["observed"][COMING]["p95_ms"] == found["p95_ms"]
    monitor = json.loads((tmp_path / "notes/monitor/monitor.json").read_text())["targets"][COMING]
    assert monitor["timeout_ms"] == math.ceil(found["p95_ms"] * 2 / 50) * 50 == found["timeout_ms"]["after"]


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """Whenever it is killed, what it has measured counts, and all runs together make one calibration."""
    number = ENOUGH
    cold = Cold(itertools.cycle(spread(0.3, 0.6, 2 * number)), 0.4)
    with server(cold) as (url, _):
        text = manifest(url)
        create(tmp_path / "notes", {**render(yaml.safe_load(text)), "mcp.yaml": text.encode()})
        words = ("--samples", str(number), "--cold-every", "0.5")
        for starts in (3, 7):
            with subprocess.Popen(command(*words), cwd=tmp_path / "notes", stderr=subprocess.PIPE) as process:
                # The first request of a run, which is not counted, may meet a cold server as well.
                for _ in range(starts):
                    assert cold.started.acquire(timeout=120)
                process.kill()
        (kept,) = Path(os.environ["XDG_STATE_HOME"]).glob("mcp-scaffold/calibrate/*.jsonl")
        before = kept.read_text().count('"rested": true')
        assert 0 < before < number
        again = run(tmp_path / "notes", *words, "--json")
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout)
    assert found["kept"]["samples"] > before
    assert datetime.fromisoformat(found["kept"]["since"]).tzinfo
    assert yaml.safe_load((tmp_path / "notes/mcp.yaml").read_text())["monitor"]["observed"][COMING]
    assert not kept.exists()


def test_on_this_machine(tmp_path: Path, toolchain: Toolchain) -> None:
    """Each cold sample is a fresh start of the real runtime; what that is not is said."""
    with using(toolchain):
        text = manifest("https://n.example/mcp", FASTEST)
        project = generate(tmp_path / "notes", yaml.safe_load(text), toolchain)
        before = (project / "mcp.yaml").read_bytes()
        done = run(project, "--local", "--samples", str(ENOUGH), "--json", target=FASTEST)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["cold"]["count"], found["warm"]["count"]) == (ENOUGH, 3 * ENOUGH)
        assert "no substitute for the cloud" in found["note"]
        assert found["cold"]["p50"] > found["warm"]["p50"]
        assert found["written"] is False
        assert (project / "mcp.yaml").read_bytes() == before
        few = run(project, "--local", "--samples", "2", "--write", target=FASTEST)
        assert few.returncode == 1
        assert "the table's value: 2 cold starts were seen; a 95th percentile takes 20." in few.stderr
        assert (project / "mcp.yaml").read_bytes() == before


def test_a_server_that_never_gets_cold(tmp_path: Path) -> None:
    """Where one process stays, idle times tell nothing: that is refused at once, with what does."""
    text = manifest("https://n.example/mcp", FASTEST)
    create(tmp_path / "notes", {**render(yaml.safe_load(text)), "mcp.yaml": text.encode()})
    done = run(tmp_path / "notes", target=FASTEST)
    assert done.returncode == 2
    assert f"one process serves {FASTEST} as long as it is up" in done.stderr
    assert f"mcp-scaffold calibrate --target {FASTEST} --local" in done.stderr
    assert (tmp_path / "notes/mcp.yaml").read_text() == text


def test_a_drawing_that_cannot_be_written(tmp_path: Path) -> None:
    """Refused before anything is asked or written."""
    with server(healthy) as (url, requests):
        text = manifest(url)
        create(tmp_path / "notes", {**render(yaml.safe_load(text)), "mcp.yaml": text.encode()})
        for place in ("nowhere/cold.svg", ".", "mcp.yaml/cold.svg"):
            done = run(tmp_path / "notes", "--svg", place)
            assert done.returncode == 2
            assert place.split("/")[0] in done.stderr
        assert not requests
    assert (tmp_path / "notes/mcp.yaml").read_text() == text


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
