"""Regenerate a project whenever its manifest changes."""

import gc
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change as Event
from watchfiles import watch as watch_files

from scaffolder.baseline import MANIFEST
from scaffolder.diagnostics import UserError
from scaffolder.fresh import is_fresh
from scaffolder.manifest import Invalid
from scaffolder.regenerate import Regenerated, regenerate

Result = Regenerated | Invalid | UserError | None

# Editors write a file in several steps; as soon as it has been quiet for this long, it is read.
QUIET_MS = 20


def watch(project: Path, on_result: Callable[[Result], None]) -> None:
    """Regenerate now and at every change, until interrupted; None is the result where nothing was to be done.

    An invalid manifest is a result like any other: the next change may mend it.
    """
    folder = project.resolve()
    # The program does without the collector, which a process that goes on for hours cannot.
    gc.enable()

    def is_manifest(_: Event, path: str) -> bool:
        return Path(path) == folder / MANIFEST

    on_result(_run(project))
    # The folder, since most editors put a new file in the old one's place.
    for _ in watch_files(folder, watch_filter=is_manifest, step=QUIET_MS, recursive=False):
        on_result(_run(project))


def _run(project: Path) -> Result:
    if is_fresh(project):
        return None
    try:
        return regenerate(project)
    except UserError as error:
        return error
