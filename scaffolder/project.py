"""Make a new project: from a manifest, from the defaults, or from answers to Copier's questions."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scaffolder.baseline import BASELINE, MANIFEST, SNAPSHOT, dump, first, remembered
from scaffolder.bundle import bundle
from scaffolder.diagnostics import Diagnostic, UserError
from scaffolder.fresh import remember
from scaffolder.manifest import Invalid, load
from scaffolder.providers import versions
from scaffolder.render import Tree, render, written_once
from scaffolder.rules import warnings
from scaffolder.writing import Occupied, create, occupied, write


@dataclass(frozen=True, slots=True)
class Made:
    """A new project: where it is, what it holds, and what to think of in its manifest."""

    destination: Path
    files: int
    targets: tuple[str, ...]
    tools: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()


def generate(destination: Path, manifest: Path | None) -> Made | Invalid | Occupied:
    """Make a project from a manifest file, or without one from the defaults.

    The manifest becomes the project's, with its comments. Raises OSError when the disk does not
    take the files.
    """
    found: tuple[Diagnostic, ...] = ()
    if manifest is None:
        tree = render({})
    else:
        loaded = load(manifest)
        if isinstance(loaded, Invalid):
            return loaded
        found = warnings(loaded)
        # Not read again: a pipe gives what it holds once.
        text = loaded.document.text.encode()
        tree = {**render(loaded.raw, skip=frozenset({MANIFEST})), MANIFEST: text}
    # A manifest may wait in its project's folder already.
    keep = [manifest.name] if manifest and manifest.resolve().parent == destination.resolve() else []
    whole = {**tree, **_baseline(tree)}
    return create(destination, whole, keep=keep) or _made(destination, whole, found)


def ask(destination: Path) -> Made | Occupied:
    """Make a project from the user's answers, in Copier's own dialogue.

    Raises UserError where there is no terminal to ask on, or when Copier refuses an answer.
    """
    if found := occupied(destination):
        return found
    if not sys.stdin.isatty():
        raise UserError(
            "there is no terminal to ask on",
            help=["give the answers with `--manifest mcp.yaml`, or take the defaults with `--defaults`"],
        )
    from copier import run_copy  # noqa: PLC0415 - half a second, which only questions are worth
    from copier.errors import CopierError  # noqa: PLC0415

    with _template() as template:
        try:
            run_copy(str(template), destination, quiet=True, unsafe=False)
        except KeyboardInterrupt:
            # Copier's own carries all the answers, which nobody asked to see.
            raise KeyboardInterrupt from None
        except CopierError as error:
            raise UserError(str(error)) from error
    files = [path for path in destination.rglob("*") if path.is_file() and ".git" not in path.parts]
    tree = {path.relative_to(destination).as_posix(): path.read_bytes() for path in files}
    write(destination, _baseline(tree))
    return _made(destination, {**tree, **_baseline(tree)})


@contextmanager
def _template() -> Iterator[Path]:
    """Give Copier the templates; out of a checkout, of which it would render the last release."""
    root = bundle()
    if not (root / ".git").exists():
        yield root
        return
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(root / "copier.yml", copy)
        shutil.copytree(root / "templates", Path(copy) / "templates")
        yield Path(copy)


def _baseline(tree: Tree) -> Tree:
    """Note what was generated, for the regenerations to come."""
    return {BASELINE: dump(first(versions()["generator"], tree, written_once))}


def _made(destination: Path, tree: Tree, found: tuple[Diagnostic, ...] = ()) -> Made:
    state: dict[str, bytes | None] = {path: tree[path] for path in (MANIFEST, BASELINE)}
    remember(destination, state, present=tree)
    _, manifest = remembered(tree[SNAPSHOT])
    tools = tuple(tool["name"] for tool in manifest["tools"])
    return Made(destination, len(tree), tuple(manifest["targets"]), tools, found)
