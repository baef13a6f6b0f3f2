"""Changing several files at once, wherever it stops."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scaffolder.baseline import BASELINE, FOLDER, Baseline, digest, dump, load
from scaffolder.diagnostics import UserError
from scaffolder.fresh import PENDING
from scaffolder.journal import Outcome, commit, locked, recover
from scaffolder.plan import Delete, Operation, Write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder with files in it."""
    for path, content in {"a.txt": "a", "old/b.txt": "b", "c.txt": "c"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


OPERATIONS: list[Operation] = [
    Write("a.txt", b"A", digest(b"a")),
    Write("new/d.txt", b"D", None),
    Delete("old/b.txt", digest(b"b")),
]


def files(project: Path) -> dict[str, str]:
    """Read all files of a project."""
    found = [path for path in project.rglob("*") if path.is_file()]
    return {path.relative_to(project).as_posix(): path.read_text() for path in found}


def test_all_is_done(project: Path) -> None:
    """Folders come and go with their files, and nothing else is left behind."""
    with locked(project):
        assert commit(project, OPERATIONS) == Outcome(3)
    assert files(project) == {"a.txt": "A", "new/d.txt": "D", "c.txt": "c"}
    assert not (project / "old").exists()
    assert not (project / PENDING).exists()


def test_nothing_to_do_leaves_nothing(project: Path) -> None:
    """Not even the folder that is locked, if it was made for that."""
    before = files(project)
    with locked(project):
        commit(project, [])
        assert recover(project) is None
    assert files(project) == before
    assert not (project / FOLDER).exists()


def test_a_file_keeps_its_permissions(project: Path) -> None:
    """Its executable bit, and that it may only be read."""
    (project / "a.txt").chmod(0o755)
    (project / "c.txt").chmod(0o444)
    with locked(project):
        commit(
            project, [Write("a.txt", b"A", digest(b"a"), 0o755), Write("c.txt", b"C", digest(b"c"), 0o444)]
        )
    assert {name: (project / name).stat().st_mode & 0o777 for name in ("a.txt", "c.txt")} == {
        "a.txt": 0o755,
        "c.txt": 0o444,
    }
    assert (project / "c.txt").read_text() == "C"


def test_what_was_changed_meanwhile_is_kept(project: Path) -> None:
    """What was to be written to it is dropped; a file that was to be deleted stays."""
    (project / "a.txt").write_text("mine")
    (project / "old/b.txt").write_text("mine")
    with locked(project):
        assert commit(project, OPERATIONS) == Outcome(3, ("a.txt", "old/b.txt"))
    assert files(project) == {
        "a.txt": "mine",
        "new/d.txt": "D",
        "old/b.txt": "mine",
        "c.txt": "c",
    }


def test_two_runs_do_not_meet(project: Path) -> None:
    """The second one is told so, and may come again."""
    with locked(project):
        with pytest.raises(UserError, match="another run is at work on"), locked(project):
            pytest.fail("two runs hold the lock")
        script = "from pathlib import Path; from scaffolder.journal import locked\n"
        script += f"with locked(Path({str(project)!r})): pass"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "another run is at work" in done.stderr
    with locked(project):
        pass


def test_a_run_that_was_killed_holds_no_lock(project: Path) -> None:
    """The system lets go of it."""
    (project / FOLDER).mkdir()
    handle = os.open(project / FOLDER, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.close(handle)
    with locked(project):
        pass


@pytest.mark.parametrize("successes", range(4))
def test_a_disk_that_is_full_changes_nothing(
    successes: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it fills up; and what was begun is cleared away."""
    before = files(project)
    sync = os.fsync
    done: list[int] = []

    def fill(handle: int) -> None:
        if len(done) == successes:
            raise OSError(28, "No space left on device")
        done.append(handle)
        sync(handle)

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(OSError, match="No space left"), locked(project):
        commit(project, OPERATIONS)
    assert files(project) == before
    assert not (project / PENDING).exists()


def test_a_disk_that_is_really_full_changes_nothing(project: Path) -> None:
    """The system's own limit on the size of a file stands for one."""
    before = files(project)
    script = f"""
import resource
from pathlib import Path
from scaffolder.journal import commit, locked
from scaffolder.plan import Write
project = Path({str(project)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with locked(project):
    commit(project, [Write("new.txt", b"small", None), Write("large.txt", b"x" * 100_000, None)])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert files(project) == before


def test_a_folder_on_another_file_system_is_written_to(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename cannot cross over, so that the file is copied there first."""
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.parent.name == "pending" and target.name == "a.txt":
            raise OSError(18, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with locked(project):
        commit(project, OPERATIONS)
    assert files(project) == {"a.txt": "A", "new/d.txt": "D", "c.txt": "c"}


def test_a_folder_that_cannot_be_written_to_stops_the_run(project: Path) -> None:
    """Before anything has changed, and with the folder's name."""
    before = files(project)
    # Permissions are nothing to root, as whom containers like to run tests: the run becomes somebody else.
    script = """
import os
from pathlib import Path
from scaffolder.journal import commit, locked
from scaffolder.plan import Write
if os.geteuid() == 0:
    os.chown(".", 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
with locked(Path()):
    commit(Path(), [Write("e.txt", b"", None), Write("old/e.txt", b"", None)])
"""
    (project / "old").chmod(0o555)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    (project / "old").chmod(0o755)
    assert "old cannot be written to, so nothing was changed" in done.stderr
    assert files(project) == before


def test_what_was_left_alone_is_remembered_as_it_was(project: Path) -> None:
    """The next run has to merge it, and not to take it for merged."""
    old = Baseline("1", {"a.txt": b"a", "c.txt": b"c"})
    new = Baseline("1", {"a.txt": b"A", "c.txt": b"C"})
    (project / BASELINE).parent.mkdir()
    (project / BASELINE).write_bytes(dump(old))
    operations = [
        Write("a.txt", b"A", digest(b"a")),
        Write("c.txt", b"C", digest(b"c")),
        Write(BASELINE, dump(new), digest(dump(old))),
    ]
    (project / "a.txt").write_text("mine")
    with locked(project):
        assert commit(project, operations) == Outcome(3, ("a.txt",))
    assert load((project / BASELINE).read_bytes()).files == {"a.txt": b"a", "c.txt": b"C"}


def test_a_file_that_moves_is_never_lost(project: Path) -> None:
    """Where somebody has written to its new place meanwhile, it is laid beside that."""
    (project / "a.txt").write_text("mine")
    moved = Write("a.txt", b"b", digest(b"a"), precious=True)
    with locked(project):
        assert commit(project, [moved, Delete("old/b.txt", digest(b"b"))]).kept == ("a.txt",)
    assert files(project) == {"a.txt": "mine", "a.txt.mcp-kept": "b", "c.txt": "c"}


@pytest.mark.parametrize("path", ["../victim", "/tmp/victim", "link/victim", "a/../../victim"])
@pytest.mark.parametrize("staged", ["0", None])
def test_a_journal_from_elsewhere_does_nothing_outside(path: str, staged: str | None, tmp_path: Path) -> None:
    """A project may come from anybody, with a journal in it."""
    victim = tmp_path / "victim"
    victim.write_text("safe")
    project = tmp_path / "project"
    pending = project / PENDING
    pending.mkdir(parents=True)
    (project / "link").symlink_to("..")
    (pending / "0").write_text("evil")
    entry: dict[str, object] = {"path": path, "before": digest(b"safe")}
    entry |= {"staged": staged, "precious": False} if staged else {}
    (pending / "journal.json").write_text(json.dumps([entry]))
    with pytest.raises(UserError, match="is not what an interrupted run leaves"), locked(project):
        recover(project)
    assert victim.read_text() == "safe"


@pytest.mark.parametrize(
    "content", ["", "x", "null", "[1]", '[{"path": "a"}]', '[{"path": 1, "before": null}]']
)
def test_a_damaged_journal_is_an_error_with_a_way_out(content: str, project: Path) -> None:
    """The folder that is to be deleted is named."""
    (project / PENDING).mkdir(parents=True)
    (project / PENDING / "journal.json").write_text(content)
    with pytest.raises(UserError, match="pending") as caught, locked(project):
        recover(project)
    assert "delete that folder" in caught.value.help[0]
