"""Make a new project: from a manifest, from the defaults, or from answers to Copier's questions."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scaffolder.bundle import bundle
from scaffolder.diagnostics import Diagnostic, UserError
from scaffolder.manifest import Invalid, load
from scaffolder.merge import Occupied, create, occupied
from scaffolder.render import Tree, render
from scaffolder.rules import warnings

MANIFEST = "mcp.yaml"
SNAPSHOT = ".mcp-scaffold/manifest.jsonl"


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
    return create(destination, tree, keep=keep) or _made(destination, tree, found)


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
    return _made(destination, {path.relative_to(destination).as_posix(): path.read_bytes() for path in files})


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


def _made(destination: Path, tree: Tree, found: tuple[Diagnostic, ...] = ()) -> Made:
    lines = [json.loads(line) for line in tree[SNAPSHOT].splitlines()]
    targets = next(line["targets"] for line in lines if "targets" in line)
    tools = tuple(line["tool"]["name"] for line in lines if "tool" in line)
    return Made(destination, len(tree), tuple(targets), tools, found)
