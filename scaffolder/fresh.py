"""Recognise a project that regeneration would not change, without reading its manifest.

The standard library alone: this runs before anything else is imported. What is known is kept in the user's
cache, and says nothing that another machine could not find out by rendering.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from scaffolder.bundle import bundle
from scaffolder.cache import cache_folder

# By name, for importing the modules that own them would take longer than all of this.
MANIFEST, BASELINE, PENDING = "mcp.yaml", ".mcp-scaffold/baseline.json", ".mcp-scaffold/pending"


def is_fresh(project: Path) -> bool:
    """Tell whether everything that a regeneration depends on is as it was when one had nothing to do."""
    try:
        known = json.loads(_note(project).read_bytes())
        return not (project / PENDING).exists() and known["digest"] == _digest(project, known["pending"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def remember(project: Path, pending: Iterable[str]) -> None:
    """Note that a regeneration would have nothing to do now; `pending` files have a say in that."""
    paths = sorted(pending)
    note = _note(project)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"digest": _digest(project, paths), "pending": paths}))
        draft.replace(note)
    except OSError:
        return  # A cache that cannot be written is no reason to fail.


def _note(project: Path) -> Path:
    name = hashlib.sha256(os.path.realpath(project).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_folder("projects") / name[:32]


def _digest(project: Path, pending: Iterable[str]) -> str:
    sha = hashlib.sha256()
    templates = bundle()
    for path in _names(templates):
        _add(sha, templates, path)
    for path in (MANIFEST, BASELINE, *pending):
        _add(sha, project, path)
    return sha.hexdigest()


def _add(sha: "hashlib._Hash", folder: Path, path: str) -> None:
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        content = type(error).__name__.encode()
    sha.update(f"{path}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
    sha.update(content)


def _names(templates: Path) -> list[str]:
    """List all that the program generates from, its version among it."""
    found = [Path(folder, name) for folder, _, names in os.walk(templates / "templates") for name in names]
    return ["copier.yml", *sorted(str(path.relative_to(templates)) for path in found)]
