"""Times `mcp-scaffold new` beside `copier copy`, side by side in one run.

Run by hand: python tests/bench/generate.py [--runs N] [TOOLS ...]
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from scaffolder.bundle import bundle
from scaffolder.render import render

SIZES = (1, 10, 100, 1000)


def manifest(tools: int) -> dict[str, Any]:
    """Declare a server of a given size; every tenth tool keeps a session."""
    properties = {
        "id": {"type": "string", "description": "What to look up."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "fields": {"type": "array", "items": {"enum": ["name", "email", "created"]}},
    }
    return {
        "name": "bench",
        "targets": ["cloudflare", "deno", "vercel", "bun"],
        "tools": [
            {
                "name": f"lookup_{index}",
                "description": f"Look up entry {index}.",
                "inputSchema": {"type": "object", "properties": properties, "required": ["id"]},
                "state": "none" if index % 10 else "session",
            }
            for index in range(tools)
        ],
    }


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds that one run takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def measure(tools: int, runs: int, scratch: Path, template: Path) -> tuple[float, float, float]:
    """Return the medians of `new` cold, `copier copy` cold and rendering in a warm process, in ms."""
    raw = manifest(tools)
    file = scratch / f"{tools}.yaml"
    # Through JSON, or YAML would write what the tools share once and refer to it.
    file.write_text(yaml.safe_dump(json.loads(json.dumps(raw)), sort_keys=False))
    destination = scratch / "project"
    ours = [sys.executable, "-m", "scaffolder", "new", str(destination), "--manifest", str(file)]
    copier = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", "--data-file", str(file)]

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, capture_output=True)

    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    render(raw)
    run(ours)
    for _ in range(runs):
        shutil.rmtree(destination)
        times[0].append(timed(lambda: run(ours)))
        shutil.rmtree(destination)
        times[1].append(timed(lambda: run([*copier, str(template), str(destination)])))
        times[2].append(timed(lambda: render(raw)))
    shutil.rmtree(destination)
    return statistics.median(times[0]), statistics.median(times[1]), statistics.median(times[2])


def main() -> None:
    """Measure each size and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", nargs="*", type=int, default=SIZES)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print(
        f"{'tools':>6} {'new cold':>10} {'copier cold':>12} {'ratio':>7} {'in process':>11}   (medians, ms)"
    )
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        # Outside the checkout: Copier would clone a git repository first, which costs it more.
        template = scratch / "template"
        template.mkdir()
        shutil.copy(bundle() / "copier.yml", template)
        shutil.copytree(bundle() / "templates", template / "templates")
        for tools in arguments.tools:
            new, copier, warm = measure(tools, arguments.runs, scratch, template)
            print(f"{tools:>6} {new:>10.0f} {copier:>12.0f} {copier / new:>6.1f}x {warm:>11.1f}", flush=True)


if __name__ == "__main__":
    main()
