"""Change a project's files all together: after a kill, the next command finishes the work or undoes it.

New contents are laid into a folder of the project first; then a journal says what is to be done with them,
and from that moment on it will be. Each file is replaced by a rename, so that nobody ever sees half of one.
"""

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffolder.baseline import BASELINE, FOLDER, Baseline, digest, dump, load
from scaffolder.diagnostics import UserError
from scaffolder.disk import is_inside
from scaffolder.durable import alone, sync
from scaffolder.fresh import PENDING
from scaffolder.plan import Operation, Write

JOURNAL = "journal.json"


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
        with alone(
            handle, f"another run is at work on {project}", ["wait until it has finished, and try again"]
        ):
            yield
    finally:
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
        sync(pending)
        draft.replace(pending / JOURNAL)
    except OSError:
        shutil.rmtree(pending, ignore_errors=True)
        raise
    sync(pending)
    return _finish(project)


def recover(project: Path) -> Outcome | None:
    """Finish or undo the run that was interrupted; None where none was. The project has to be locked.

    Raises UserError where what is left of it makes no sense.
    """
    pending = project / PENDING
    if not os.path.lexists(pending):
        return None
    if pending.is_symlink() or not pending.is_dir():
        raise UserError(f"{pending} is no folder of this program", help=["delete it"])
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
        entry |= {"staged": name, "precious": operation.precious}
    return entry


def _finish(project: Path) -> Outcome:
    """Do what the journal says, from wherever it was left; what somebody has changed since is left alone."""
    pending = project / PENDING
    entries = _entries(project)
    kept: list[str] = []
    for entry in entries:
        if entry["path"] == BASELINE and kept:
            _unlearn(pending / entry["staged"], project / BASELINE, kept)
        if not _carry_out(project, entry):
            kept.append(entry["path"])
    (pending / JOURNAL).unlink()
    shutil.rmtree(pending)
    return Outcome(len(entries), tuple(kept))


def _entries(project: Path) -> list[dict[str, Any]]:
    """Read the journal, which may have come with a project from anywhere.

    Raises UserError for one that this program has not written.
    """
    root = os.path.realpath(project)
    try:
        entries: list[dict[str, Any]] = json.loads((project / PENDING / JOURNAL).read_bytes())
        for entry in entries:
            folder = os.path.realpath(os.path.dirname(f"{root}/{entry['path']}"))  # noqa: PTH120 - as in `disk`
            inside = is_inside(entry["path"]) and f"{folder}/".startswith(f"{root}/")
            if not inside or not str(entry.get("staged", "0")).isdigit() or "before" not in entry:
                raise ValueError(f"it names {entry['path']}")  # noqa: TRY301 - one way out for all of them
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{project / PENDING} is not what an interrupted run leaves: {error}",
            help=["delete that folder; then nothing of that run is done, and nothing of yours is touched"],
        ) from error
    return entries


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
    if not staged.exists() or found == _digest(staged):
        return True
    if found == entry["before"] or entry["path"] == BASELINE:
        path.parent.mkdir(parents=True, exist_ok=True)
        _move(staged, path)
        return True
    if entry["precious"]:
        _move(staged, _free(path))
    return False


def _unlearn(staged: Path, baseline: Path, kept: Collection[str]) -> None:
    """Have the baseline say what it said before of files that were left alone: the next run merges them."""
    try:
        old = load(baseline.read_bytes())
    except FileNotFoundError:
        old = Baseline("")
    if staged.exists():
        _write(staged, dump(load(staged.read_bytes()).as_before(old, kept)))


def _free(path: Path) -> Path:
    """Name a file beside another that is not there yet."""
    names = (path.with_name(f"{path.name}.mcp-kept{number}") for number in ("", *range(2, 1000)))
    return next(name for name in names if not os.path.lexists(name))


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
