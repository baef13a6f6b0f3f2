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
    from collections.abc import Iterable, Iterator, Mapping

# By name, for importing the module that owns it would take longer than all of this.
PENDING = ".mcp-scaffold/pending"


def is_fresh(project: str | os.PathLike[str]) -> bool:
    """Tell whether everything that a regeneration depends on is as it was when one had nothing to do."""
    folder = os.fspath(project)
    try:
        with open(_note(folder), encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - no pathlib here
            digest, read, present = (part.split("\0") for part in file.read().split("\0\0"))
    except (OSError, ValueError):
        return False
    if os.path.lexists(f"{folder}/{PENDING}") or not all(
        os.path.lexists(f"{folder}/{path}") for path in present
    ):
        return False
    return digest == [_digest({path: _content(f"{folder}/{path}") for path in read})]


def remember(
    project: str | os.PathLike[str], state: Mapping[str, bytes | None], *, present: Iterable[str]
) -> None:
    """Note that a regeneration would have nothing to do in a state of some files: their content, or None.

    Of the files that are `present` it matters that they are there, and not what they hold.
    """
    folder = os.fspath(project)
    note = _note(folder)
    draft = f"{note}.{os.getpid()}"
    there = [path for path in present if state.get(path, b"") is not None]
    try:
        os.makedirs(os.path.dirname(note), exist_ok=True)  # noqa: PTH103, PTH120 - likewise
        with open(draft, "w", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - likewise
            file.write("\0\0".join([_digest(state), "\0".join(state), "\0".join(there)]))
        os.replace(draft, note)  # noqa: PTH105 - likewise
    except OSError:
        return  # A cache that cannot be written is no reason to fail.


def _note(folder: str) -> str:
    name = hashlib.sha256(os.path.realpath(folder).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{cache_location('projects')}/{name[:32]}"


def _digest(state: Mapping[str, bytes | None]) -> str:
    sha = hashlib.sha256()
    templates = ((path, _content(f"{LOCATION}/{path}")) for path in _templates())
    for path, content in [*templates, *state.items()]:
        length = "absent" if content is None else len(content)
        sha.update(f"{path}\0{length}\0".encode("utf-8", "surrogateescape"))
        sha.update(content or b"")
    return sha.hexdigest()


def _content(file: str) -> bytes | None:
    """Read a file; None for what is none, or cannot be read."""
    try:
        if os.path.isfile(file):  # noqa: PTH113 - likewise; reading a pipe would wait for somebody to write
            with open(file, "rb") as opened:  # noqa: PTH123 - likewise
                return opened.read()
    except OSError:
        pass
    return None


def _templates() -> Iterator[str]:
    """List all that the program generates from, its version among it."""
    yield "copier.yml"
    for folder, folders, names in os.walk(f"{LOCATION}/templates"):
        folders.sort()
        for name in sorted(names):
            yield os.path.relpath(f"{folder}/{name}", LOCATION)
