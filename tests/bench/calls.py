"""Times a call of a generated server with 1, 10, 100 and 1000 tools, side by side in one run.

Run by hand: python tests/bench/calls.py [--calls N] [TOOLS ...]
The server runs in the process of Bun that measures it: no network, the cost of a request alone.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.generate import SIZES, manifest
from toolchain import Toolchain, prepare

from scaffolder.render import render
from scaffolder.writing import create


def measure(tools: int, calls: int, scratch: Path, toolchain: Toolchain) -> dict[str, float]:
    """Return the microseconds of a call, by era."""
    project = scratch / str(tools)
    create(project, render({**manifest(max(tools, 2)), "targets": ["bun"]}))
    (project / "node_modules").symlink_to(toolchain.node_modules)
    shutil.copy(Path(__file__).with_suffix(".ts"), project / "bench.ts")
    done = subprocess.run(
        [str(toolchain.bun), "bench.ts", str(calls)],
        cwd=project,
        env=toolchain.env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure each size and print a row for it, with the ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", nargs="*", type=int, default=SIZES)
    parser.add_argument("--calls", type=int, default=300)
    arguments = parser.parse_args()
    print(
        f"{'tools':>6} {'legacy':>9} {'ratio':>6} {'modern':>9} {'ratio':>6}   (medians, microseconds a call)"
    )
    with tempfile.TemporaryDirectory() as folder:
        toolchain = prepare(Path(folder))
        first: dict[str, float] = {}
        for tools in arguments.tools:
            found = measure(tools, arguments.calls, Path(folder), toolchain)
            first = first or found
            cells = " ".join(f"{found[era]:>9.0f} {found[era] / first[era]:>5.2f}x" for era in found)
            print(f"{tools:>8} {cells}", flush=True)


if __name__ == "__main__":
    main()
