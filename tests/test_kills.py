"""A run that is killed at any of its writes: the next command leaves nothing half done."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from projects import again, files, make, notes, write_manifest

from scaffolder.baseline import BASELINE
from scaffolder.journal import locked, recover

pytestmark = pytest.mark.slow

# Runs a regeneration in a child for every write of it, and kills it there. Python tells of every file that is
# opened, renamed, removed or made, so that none has to be named.
KILLER = """
import json, os, sys
from pathlib import Path
from scaffolder import journal
from scaffolder.regenerate import regenerate

WRITES = {"os.rename", "os.mkdir", "os.chmod", "os.truncate"}
REMOVALS = {"os.remove", "os.rmdir"}  # Often named from their folder on.

def regenerate_until(point, project):
    seen = 0

    def count():
        nonlocal seen
        seen += 1
        if seen == point:
            os._exit(9)

    def watch(event, details):
        inside = details and str(details[0]).startswith(str(project))
        opened = event == "open" and details[2] & (os.O_WRONLY | os.O_RDWR)
        if event in REMOVALS or (inside and (event in WRITES or opened)):
            count()

    sys.addaudithook(watch)
    sync = os.fsync

    # What is written but not yet safe counts as well, and so does half a file.
    def fsync(handle):
        count()
        sync(handle)

    os.fsync = fsync
    regenerate(project)
    return seen

for line in sys.stdin:
    point, project = json.loads(line)
    child = os.fork()
    if not child:
        regenerate_until(point, Path(project))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Killer:
    """A process that runs regenerations and kills them."""

    def __init__(self) -> None:
        """Start it, with everything imported once."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", KILLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill(self, project: Path, point: int) -> bool:
        """Regenerate until a write, counted from one; tell whether there was that one."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([point, str(project)]) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        assert code in (0, 9)
        return code == 9


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """Make a project in which files are due to be created, updated, merged, renamed and deleted."""
    manifest = notes()
    project = make(tmp_path / "before", manifest)
    handler = project / "src/tools/lookup_user.ts"
    handler.write_text(handler.read_text().replace("/** Look", "/** Mine: look"))
    wrangler = project / "wrangler.jsonc"
    wrangler.write_text(wrangler.read_text().replace('"main"', '// Mine.\n  "main"'))
    config = project / "src/generated/config.ts"
    config.write_text(config.read_text() + "\n// Mine.\n")
    package = project / "package.json"
    package.write_text(package.read_text().replace("wrangler dev", "wrangler dev --mine"))
    manifest["targets"] = ["cloudflare", "vercel"]
    manifest["session"] = {"ttl_seconds": 60}
    manifest["tools"][0]["name"] = "find_user"
    manifest["tools"].append({"name": "ping", "inputSchema": {"type": "object"}})
    write_manifest(project, manifest)
    return project


@pytest.mark.parametrize("edited", [None, "wrangler.jsonc", "deno.json", "src/tools/find_user.ts"])
def test_a_killed_run_is_finished_or_undone(edited: str | None, before: Path, tmp_path: Path) -> None:
    """At each of its writes; and a file that is edited in between keeps that edit."""
    old = files(before)
    whole = shutil.copytree(before, tmp_path / "whole")
    verbs = {str(change.verb) for change in again(whole).changes}
    assert verbs == {"created", "updated", "merged", "renamed", "deleted"}
    new = files(whole)
    killer, seen = Killer(), set()
    point = 0
    project = tmp_path / "project"
    while True:
        point += 1
        shutil.copytree(before, project)
        if not killer.kill(project, point):
            break
        if edited:
            (project / edited).parent.mkdir(parents=True, exist_ok=True)
            (project / edited).write_text("edited in between\n")
        with locked(project):
            recover(project)
        left = files(project)
        aside: set[str] = set()
        if edited:
            assert left[edited] == b"edited in between\n", point
            # The baseline says of that file what it said before.
            aside = {path for path in left if path.startswith(edited)} | {BASELINE}
        left, *states = (
            {path: state[path] for path in state if path not in aside} for state in (left, old, new)
        )
        assert left in states, point
        seen.add(states.index(left))
        # And from there on all goes its usual way; the baseline depends on when the edit was seen.
        again(project)
        assert not again(project).differs
        left = files(project)
        rest = {path: content for path, content in states[1].items() if path != BASELINE}
        assert {path: left.get(path) for path in rest} == rest, point
        shutil.rmtree(project)
    assert seen == {0, 1}
    assert point > len(verbs) * 4
