"""What holds for every project, every edit and every change of a manifest."""

import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from projects import again, change, files, make

from scaffolder.merging.jsonc import parse
from scaffolder.plan import REMARKS, Verb
from scaffolder.regenerate import Regenerated
from scaffolder.render import render

pytestmark = pytest.mark.slow

# More of them by hand: MCP_SCAFFOLD_EXAMPLES=20000 pytest tests/test_regenerate_always.py
EXAMPLES = int(os.environ.get("MCP_SCAFFOLD_EXAMPLES", "500"))
# Shrinking a project takes minutes, which a run that only asks whether all is well need not spend.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]

TARGETS = ["cloudflare", "deno", "vercel", "bun"]


def tool(name: str, number: int, **more: Any) -> dict[str, Any]:
    """Declare a tool that is like no other."""
    properties = {f"argument_{number}": {"type": "string"}}
    schema = {"type": "object", "properties": properties}
    return {"name": name, "description": f"Tool number {number}.", "inputSchema": schema, **more}


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Declare a server; two of them differ in what regeneration has to deal with."""
    numbers = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
    tools = [
        # The same tool under either name is a renamed tool.
        tool(
            f"{draw(st.sampled_from(['get', 'fetch']))}_{number}",
            number,
            state=draw(st.sampled_from(["none", "session"])),
        )
        for number in numbers
    ]
    return {
        "name": draw(st.sampled_from(["alpha", "beta"])),
        "targets": draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True)),
        "session": {"ttl_seconds": draw(st.sampled_from([60, 1800]))},
        "secrets": dict.fromkeys(draw(st.lists(st.sampled_from(["ONE", "TWO"]), unique=True)), "A secret."),
        "vars": {"LEVEL": draw(st.sampled_from(["info", "debug"]))},
        "tools": tools,
    }


@dataclass
class Hand:
    """A user's hand: edits files, and remembers the lines that it wrote."""

    project: Path
    pick: Callable[[int], int]
    written: list[tuple[str, str]]
    deleted: set[str]
    numbers: Any

    def edit(self) -> None:
        """Do something to some file."""
        paths = sorted(path for path in files(self.project) if not path.startswith(".mcp-scaffold/"))
        path = paths[self.pick(len(paths))]
        if path == "mcp.yaml" or ".mcp-new" in path:
            return
        kinds = [self.insert, self.insert, self.insert, self.alter, self.drop, self.crlf, self.indent]
        kinds += [self.delete, self.add_file, self.executable]
        kinds[self.pick(len(kinds))](path)

    def mark(self) -> str:
        """Make up a word that stands nowhere else."""
        return f"mine-{next(self.numbers)}"

    def lines(self, path: str) -> list[str]:
        """Read a file, with the ends of its lines."""
        return (self.project / path).read_bytes().decode().splitlines(keepends=True)

    def save(self, path: str, lines: list[str]) -> None:
        """Write a file."""
        (self.project / path).write_bytes("".join(lines).encode())

    def insert(self, path: str) -> None:
        """Write a line; in JSON, a key where an object begins or an element where a list does."""
        lines, mark = self.lines(path), self.mark()
        if not path.endswith((".json", ".jsonc")):
            place = self.pick(len(lines) + 1)
            if place and not lines[place - 1].endswith("\n"):
                return
            lines.insert(place, f"// {mark}\n")
            self.written.append((path, f"// {mark}"))
        else:
            openings = [i for i, line in enumerate(lines) if line.rstrip().endswith(("{", "["))]
            if not openings:
                return
            place = openings[self.pick(len(openings))]
            line = f'"{mark}"' if lines[place].rstrip().endswith("[") else f'"{mark}": 1'
            last = re.match(r"\s*[}\]]", lines[place + 1])
            lines.insert(place + 1, f"{line}\n" if last else f"{line},\n")
            if path.endswith("jsonc") and self.pick(2):
                lines.insert(place + 1, f"// {mark}\n")
                self.written.append((path, f"// {mark}"))
            self.written.append((path, line))
        self.save(path, lines)

    def alter(self, path: str) -> None:
        """Change a line that is there, but none of one's own."""
        lines, mark = self.lines(path), self.mark()
        rows = [i for i, line in enumerate(lines) if "mine-" not in line]
        if path.endswith((".json", ".jsonc")):
            rows = [i for i in rows if re.search(r': ("[^"]*"|\d+),?$', lines[i].rstrip())]
        if not rows:
            return
        place = rows[self.pick(len(rows))]
        if path.endswith((".json", ".jsonc")):
            lines[place] = re.sub(r': ("[^"]*"|\d+)', f': "{mark}"', lines[place])
        else:
            ending = "\n" if lines[place].endswith("\n") else ""
            lines[place] = f"{lines[place].rstrip()} // {mark}{ending}"
        self.written.append((path, lines[place].strip().rstrip(",")))
        self.save(path, lines)

    def drop(self, path: str) -> None:
        """Delete a line, or a key with a plain value that is not the last one."""
        lines = self.lines(path)
        rows = [
            i
            for i, line in enumerate(lines)
            if "mine-" not in line
            and "Generated by" not in line
            and (not path.endswith((".json", ".jsonc")) or re.search(r': ("[^"]*"|\d+),$', line.rstrip()))
        ]
        if rows:
            del lines[rows[self.pick(len(rows))]]
            self.save(path, lines)

    def crlf(self, path: str) -> None:
        """Save a file as some editors do."""
        self.save(path, [f"{line.rstrip()}\r\n" for line in self.lines(path)])

    def indent(self, path: str) -> None:
        """Save a file with tabs."""

        def tabs(line: str) -> str:
            spaces = len(line) - len(line.lstrip(" "))
            return "\t" * (spaces // 2) + " " * (spaces % 2) + line[spaces:]

        self.save(path, [tabs(line) for line in self.lines(path)])

    def delete(self, path: str) -> None:
        """Delete a file, and what was written in it."""
        (self.project / path).unlink()
        self.deleted.add(path)
        self.written[:] = [(other, line) for other, line in self.written if other != path]

    def add_file(self, path: str) -> None:
        """Add a file beside another."""
        mark = self.mark()
        beside = str(Path(path).with_name(f"{mark}.txt"))
        (self.project / beside).write_text(mark)
        self.written.append((beside, mark))

    def executable(self, path: str) -> None:
        """Make a file executable."""
        (self.project / path).chmod(0o755)


def check_written(project: Path, hand: Hand, done: Regenerated) -> None:
    """Every line that was written is where it was written, or where its file has moved to."""
    moved = {change.source: change.path for change in done.changes if change.verb is Verb.RENAMED}
    hand.written[:] = [(moved.get(path, path), line) for path, line in hand.written]
    for path, line in hand.written:
        text = (project / path).read_bytes().decode()
        lines = [row.strip().rstrip(",") for row in text.splitlines()]
        named = {source and re.sub(r".*/|\.ts", "", source) for source in moved}
        # A handler's one line about its type follows the tool's name.
        assert line in lines or any(f'Tool<"{name}">' in line for name in named), (path, line)


def check_parses(project: Path) -> None:
    """Every JSON file can be read."""
    for path, content in files(project).items():
        if path in {"package.json", "vercel.json", "monitor/monitor.json"}:
            json.loads(content)
        elif path.endswith((".json", ".jsonc")):
            parse(content)


def check_settled(project: Path) -> None:
    """Run once more, which changes nothing."""
    before = files(project)
    assert all(change.verb in {*REMARKS, Verb.UNRESOLVED} for change in again(project).changes)
    assert files(project) == before


def laid_out(anyhow: bool, content: bytes | None) -> Any:  # noqa: FBT001
    """Return a file, or its lines without their layout."""
    return [line.strip() for line in content.splitlines()] if anyhow and content else content


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(manifests(), manifests(), st.data())
def test_no_edit_is_lost(one: dict[str, Any], other: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is edited and whatever changes; a second run has nothing to do, and the way back is one."""
    with tempfile.TemporaryDirectory() as folder:
        project = make(Path(folder) / "project", one)
        hand = Hand(project, lambda size: data.draw(st.integers(0, size - 1)), [], set(), count())
        for _ in range(data.draw(st.integers(0, 5))):
            hand.edit()
        check_settled(project)
        before = files(project)
        modes = {path: (project / path).stat().st_mode for path in before}
        done = change(project, other)
        check_written(project, hand, done)
        check_parses(project)
        check_settled(project)
        assert all(
            (project / path).stat().st_mode == mode
            for path, mode in modes.items()
            if (project / path).exists()
        )
        # What is declared anew is generated anew, also where it was deleted before it was no longer declared.
        # A file that was only reformatted counts as untouched, and comes back in the generator's layout.
        gone = set(render(one)) - set(render(other))
        back = change(project, one)
        check_written(project, hand, back)
        check_settled(project)
        after = files(project)
        for path in sorted({*before, *after} - (hand.deleted & gone)):
            if not path.startswith((".mcp-scaffold/", "mcp.yaml")):
                assert laid_out(path in gone, after.get(path)) == laid_out(path in gone, before.get(path)), (
                    path
                )
        for _ in range(data.draw(st.integers(0, 2))):
            hand.edit()
        check_written(project, hand, change(project, other))
        check_settled(project)


@st.composite
def renamings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Declare tools that may say anything about what they were called."""
    names = draw(st.lists(st.sampled_from("abcde"), max_size=4, unique=True))
    tools = []
    for name in names:
        declared = tool(name, draw(st.integers(0, 2)))
        if draw(st.booleans()):
            declared["renamed_from"] = draw(st.sampled_from("abcde"))
        tools.append(declared)
    return tools


@settings(max_examples=EXAMPLES // 4, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(st.lists(renamings(), min_size=2, max_size=4), st.data())
def test_no_handler_is_lost(changes: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    """However tools swap, shift, take and give back their names, and say so or not."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = {"name": "alpha", "targets": ["deno"], "tools": changes[0]}
        project = make(Path(folder) / "project", manifest)
        written: list[str] = []
        for tools in changes[1:]:
            for handler in sorted((project / "src/tools").glob("*.ts")):
                if data.draw(st.booleans()):
                    written.append(f"// mine-{len(written)}")
                    handler.write_text(f"{handler.read_text()}{written[-1]}\n")
            change(project, {**manifest, "tools": tools})
            check_settled(project)
            found = b"".join(content for path, content in files(project).items() if path.startswith("src/"))
            assert all(found.count(f"{line}\n".encode()) == 1 for line in written)
            for name in (one["name"] for one in tools):
                assert (project / f"src/tools/{name}.ts").exists()
