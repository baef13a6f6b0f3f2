"""Write projects. The only module that does."""

import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from scaffolder.render import Tree


@dataclass(frozen=True, slots=True)
class Occupied:
    """A destination that holds files already, and their names."""

    destination: Path
    entries: tuple[str, ...]


def create(destination: Path, tree: Tree, *, keep: Collection[str] = ()) -> Occupied | None:
    """Write a new project, whole or not at all.

    The destination may hold `.git` and the entries named in `keep`, which stay as they are;
    anything else in it is returned and nothing is written. Raises OSError when the disk does not
    take the files.
    """
    if found := occupied(destination, keep=keep):
        return found
    existed = destination.exists()
    parent = destination if existed else destination.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    # Beside the destination, so that a rename moves the finished files and copies nothing.
    staging = Path(tempfile.mkdtemp(prefix=".mcp-scaffold-", dir=parent))
    try:
        write(staging, tree)
        if existed:
            _move(staging, destination)
        else:
            # mkdtemp is private to its owner; a project has the permissions of any new folder.
            staging.chmod(0o777 & ~umask())
            staging.rename(destination)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return None


def _move(staging: Path, destination: Path) -> None:
    """Move what the destination has not yet, or nothing."""
    moved: list[str] = []
    try:
        for entry in list(staging.iterdir()):
            if not (destination / entry.name).exists():
                entry.rename(destination / entry.name)
                moved.append(entry.name)
    except BaseException:
        for name in moved:
            (destination / name).rename(staging / name)
        raise


def occupied(destination: Path, *, keep: Collection[str] = ()) -> Occupied | None:
    """Tell what stands in the way of a new project: everything but `.git` and what is to be kept."""
    found = {entry.name for entry in destination.iterdir()} if destination.is_dir() else set()
    others = found - {".git", *keep}
    return Occupied(destination, tuple(sorted(others))) if others else None


def write(root: Path, tree: Tree) -> None:
    """Write the files of a tree below an existing folder."""
    for folder in sorted({os.path.dirname(path) for path in tree}):  # noqa: PTH120 - ten times faster than Path
        os.makedirs(root / folder, exist_ok=True)  # noqa: PTH103 - likewise
    for path, content in tree.items():
        with open(f"{root}/{path}", "wb") as file:  # noqa: PTH123 - likewise
            file.write(content)


def umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
