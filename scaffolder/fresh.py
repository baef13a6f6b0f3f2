"""Recognise a project that regeneration would not change, without reading its manifest.

This runs before anything else is imported, and imports next to nothing. What is known is kept in the user's
cache, and says nothing that another machine could not find out by rendering.
"""

from __future__ import annotations

import hashlib
import os

from scaffolder.bundle import LOCATION
from scaffolder.cache import cache_location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# By name, for importing the modules that own them would take longer than all of this.
MANIFEST, BASELINE, PENDING = "mcp.yaml", ".mcp-scaffold/baseline.json", ".mcp-scaffold/pending"


def is_fresh(project: str | os.PathLike[str]) -> bool:
    """Tell whether everything that a regeneration depends on is as it was when one had nothing to do."""
    folder = os.fspath(project)
    try:
        with open(_note(folder), encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - no pathlib here
            digest, *pending = file.read().split("\0")
    except (OSError, ValueError):
        return False
    return not os.path.lexists(f"{folder}/{PENDING}") and digest == _digest(folder, pending)


def remember(project: str | os.PathLike[str], pending: Iterable[str]) -> None:
    """Note that a regeneration would have nothing to do now; `pending` files have a say in that."""
    folder = os.fspath(project)
    paths, note = sorted(pending), _note(folder)
    draft = f"{note}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(note), exist_ok=True)  # noqa: PTH103, PTH120 - likewise
        with open(draft, "w", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - likewise
            file.write("\0".join([_digest(folder, paths), *paths]))
        os.replace(draft, note)  # noqa: PTH105 - likewise
    except OSError:
        return  # A cache that cannot be written is no reason to fail.


def _note(folder: str) -> str:
    name = hashlib.sha256(os.path.realpath(folder).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{cache_location('projects')}/{name[:32]}"


def _digest(folder: str, pending: Iterable[str]) -> str:
    sha = hashlib.sha256()
    files = [(LOCATION, path) for path in _templates()]
    files += [(folder, path) for path in (MANIFEST, BASELINE, *pending)]
    for root, path in files:
        try:
            with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123 - likewise
                content = file.read()
        except OSError as error:
            content = type(error).__name__.encode()
        sha.update(f"{path}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        sha.update(content)
    return sha.hexdigest()


def _templates() -> Iterator[str]:
    """List all that the program generates from, its version among it."""
    yield "copier.yml"
    for folder, folders, names in os.walk(f"{LOCATION}/templates"):
        folders.sort()
        for name in sorted(names):
            yield os.path.relpath(f"{folder}/{name}", LOCATION)
