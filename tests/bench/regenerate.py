"""Times `mcp-scaffold regenerate` beside `copier update`, side by side in one run.

Run by hand: python tests/bench/regenerate.py [--runs N] [TOOLS ...]
"""

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.generate import manifest, timed

from scaffolder.bundle import bundle
from scaffolder.fresh import is_fresh
from scaffolder.project import generate
from scaffolder.regenerate import regenerate
from scaffolder.watch import settle

SIZES = (10, 100, 1000)

# What `copier update` needs and a generated project does not carry.
ANSWERS = "{{ _copier_answers | to_nice_yaml(sort_keys=False) }}"


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a command, which has to succeed."""
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)


def program(name: str) -> str:
    """Find a program that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def commit(folder: Path) -> None:
    """Commit a folder, which Copier wants before it updates."""
    run("git", "add", "--all", cwd=folder)
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    run("git", *who, "commit", "--quiet", "--allow-empty", "--message", "bench", cwd=folder)


def repository(scratch: Path) -> Path:
    """Make a git repository of the templates, for Copier updates from nothing else."""
    template = scratch / "template"
    template.mkdir()
    questions = (bundle() / "copier.yml").read_text()
    # The templates refuse keys that are none of a manifest's, of which `copier update` adds some.
    (template / "copier.yml").write_text(questions.replace("{{ refuse_data(_copier_conf.data) }}", ""))
    shutil.copytree(bundle() / "templates", template / "templates")
    (template / "templates/project/{{ _copier_conf.answers_file }}.jinja").write_text(ANSWERS)
    run("git", "init", "--quiet", cwd=template)
    commit(template)
    run("git", "tag", "v1.0.0", cwd=template)
    return template


class Bench:
    """One server in two projects: ours, and one that Copier made."""

    def __init__(self, tools: int, scratch: Path, template: Path) -> None:
        """Make them."""
        # Through JSON, or YAML would write what the tools share once and refer to it.
        self.raw: dict[str, Any] = json.loads(json.dumps(manifest(tools)))
        self.numbers = itertools.count()
        self.ours, self.theirs = scratch / f"ours-{tools}", scratch / f"theirs-{tools}"
        self.data = scratch / "mcp.yaml"
        self.change()
        generate(self.ours, self.data)
        copy = ["copy", "--quiet", "--defaults", "--data-file", str(self.data)]
        run(*self.copier(*copy, str(template), str(self.theirs)))
        run("git", "init", "--quiet", cwd=self.theirs)
        commit(self.theirs)

    def copier(self, *words: str) -> list[str]:
        """Return a command line of Copier's."""
        return [program("copier"), *words]

    def change(self) -> None:
        """Change one tool."""
        self.raw["tools"][3]["description"] = f"Changed {next(self.numbers)} times."
        self.data.write_text(yaml.safe_dump(self.raw, sort_keys=False))
        if self.ours.exists():
            shutil.copy(self.data, self.ours / "mcp.yaml")

    def cold(self) -> None:
        """Regenerate in a process of its own."""
        run(program("mcp-scaffold"), "regenerate", str(self.ours))

    def update(self) -> None:
        """Update Copier's project to the same change."""
        words = ["update", "--quiet", "--defaults", "--data-file", str(self.data), "--vcs-ref=:current:"]
        run(*self.copier(*words, str(self.theirs)))

    def measure(self, runs: int) -> dict[str, float]:
        """Return the median of each, in milliseconds."""
        times: dict[str, list[float]] = {}

        def note(name: str, work: Callable[[], object]) -> None:
            times.setdefault(name, []).append(timed(work))

        for _ in range(runs):
            self.change()
            note("change", self.cold)
            note("update", self.update)
            commit(self.theirs)
            note("no-op", self.cold)
            note("start", lambda: run(*self.copier("--version")))
        for _ in range(runs + 1):
            self.change()
            note("change in process", lambda: regenerate(self.ours))
            settle()
            note("no-op in process", lambda: is_fresh(self.ours))
        # The first one in a process compiles the templates.
        times["change in process"].pop(0)
        return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure each size and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", nargs="*", type=int, default=SIZES)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print("medians, ms; a change is that of one tool's description\n")
    print(
        f"{'':>6} {'one-tool change, cold':>36} {'no-op, cold':>34} {'in process':>20}\n"
        f"{'tools':>6} {'regenerate':>12} {'copier update':>14} {'ratio':>8} "
        f"{'regenerate':>12} {'copier --version':>17} {'':>3} {'change':>10} {'no-op':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        template = repository(scratch)
        for tools in arguments.tools:
            found = Bench(tools, scratch, template).measure(arguments.runs)
            print(
                f"{tools:>6} {found['change']:>12.0f} {found['update']:>14.0f} "
                f"{found['update'] / found['change']:>7.1f}x {found['no-op']:>12.0f} "
                f"{found['start']:>10.0f} {found['start'] / found['no-op']:>6.1f}x "
                f"{found['change in process']:>14.1f} {found['no-op in process']:>9.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
