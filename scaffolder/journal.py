"""Change a project's files all together: after a kill, the next command finishes the work or undoes it.

New contents are laid into a folder of the project first; then a journal says what is to be done with them,
and from that moment on it will be. Each file is replaced by a rename, so that nobody ever sees half of one.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffolder.baseline import digest
from scaffolder.diagnostics import UserError
from scaffolder.plan import Operation, Write

FOLDER = ".mcp-scaffold"
PENDING = f"{FOLDER}/pending"
JOURNAL = "journal.json"
BESIDE = ".mcp-new"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the operations: how many, and the files that changed meanwhile and were left alone."""

    operations: int
    kept: tuple[str, ...] = ()


@contextmanager
def locked(project: Path) -> Iterator[None]:
    """Keep other runs off a project.

    Raises UserError while another one is at work on it.
    """
    folder = project / FOLDER
    made = not folder.exists()
    if not made and not folder.resolve().is_relative_to(project.resolve()):
        raise UserError(f"{folder} leads out of the project", help=["replace the link by a folder"])
    folder.mkdir(exist_ok=True)
    # The folder itself is locked: a file would have to be left behind, or removed in a race.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"another run is at work on {project}", help=["wait until it has finished, and try again"]
        ) from None
    else:
        yield
    finally:
        os.close(handle)
        if made and not any(folder.iterdir()):
            folder.rmdir()


def commit(project: Path, operations: Sequence[Operation]) -> Outcome:
    """Carry operations out, all of them or none; the project has to be locked.

    Raises UserError where a folder cannot be written to, and OSError when the disk does not take the new
    contents; then nothing has changed.
    """
    if not operations:
        return Outcome(0)
    for folder in sorted({_nearest(project / operation.path) for operation in operations}):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"{folder} cannot be written to, so nothing was changed")
    pending = project / PENDING
    try:
        pending.mkdir()
        entries = [_stage(pending, str(index), operation) for index, operation in enumerate(operations)]
        draft = pending / f"{JOURNAL}.tmp"
        _write(draft, json.dumps(entries).encode())
        _sync(pending)
        draft.replace(pending / JOURNAL)
    except OSError:
        shutil.rmtree(pending, ignore_errors=True)
        raise
    _sync(pending)
    return _finish(project)


def recover(project: Path) -> Outcome | None:
    """Finish or undo the run that was interrupted; None where none was. The project has to be locked."""
    pending = project / PENDING
    if not pending.exists():
        return None
    if not (pending / JOURNAL).exists():
        shutil.rmtree(pending)
        return Outcome(0)
    return _finish(project)


def _nearest(path: Path) -> Path:
    """Find the folder that a file is in or will be made in."""
    return next(folder for folder in path.parents if folder.is_dir())


def _stage(pending: Path, name: str, operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": operation.path, "before": operation.before}
    if isinstance(operation, Write):
        staged = pending / name
        _write(staged, operation.content)
        if operation.mode is not None:
            staged.chmod(operation.mode)
        entry["staged"] = name
    return entry


def _finish(project: Path) -> Outcome:
    pending = project / PENDING
    entries = json.loads((pending / JOURNAL).read_bytes())
    kept = [entry["path"] for entry in entries if not _carry_out(project, entry)]
    (pending / JOURNAL).unlink()
    shutil.rmtree(pending)
    return Outcome(len(entries), tuple(kept))


def _carry_out(project: Path, entry: dict[str, Any]) -> bool:
    """Carry out one operation, unless it is done already; tell whether the file was as it should be."""
    path = project / entry["path"]
    found = _digest(path)
    if "staged" not in entry:
        if found == entry["before"]:
            path.unlink()
            _prune(project, path.parent)
        return found in (entry["before"], None)
    staged = project / PENDING / entry["staged"]
    if not staged.exists():
        return True
    if found == entry["before"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        _move(staged, path)
        return True
    # Somebody has changed the file since it was read.
    if found != _digest(staged):
        _move(staged, path.with_name(path.name + BESIDE))
        return False
    staged.unlink()
    return True


def _move(staged: Path, path: Path) -> None:
    try:
        staged.replace(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # A folder of the project can be on another file system: the rename has to happen there.
        near = path.with_name(f".{path.name}.mcp-tmp")
        shutil.copy2(staged, near)
        near.replace(path)
        staged.unlink()


def _prune(project: Path, folder: Path) -> None:
    """Remove folders that have become empty."""
    while folder != project:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _digest(path: Path) -> str | None:
    """Return the digest of a file; None where there is none, and no digest where it is something else."""
    try:
        return digest(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
