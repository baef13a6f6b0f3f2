"""Regenerate a project whenever its manifest changes."""

import gc
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from watchfiles import Change as Event
from watchfiles import watch as watch_files

from scaffolder.baseline import MANIFEST
from scaffolder.diagnostics import UserError, from_system
from scaffolder.fresh import is_fresh
from scaffolder.journal import Outcome
from scaffolder.manifest import Invalid
from scaffolder.regenerate import Regenerated, regenerate

Result = Regenerated | Invalid | UserError | None

# Editors write a file in several steps; as soon as it has been quiet for this long, it is read.
QUIET_MS = 20
# No event tells of what happened before the watch began, nor of what happens on some network drives.
LOOK_MS = 500


def watch(
    project: Path,
    on_result: Callable[[Result], None],
    on_recovery: Callable[[Outcome], None] = lambda _: None,
) -> None:
    """Regenerate now and at every change, until interrupted; None is the result where nothing was to be done.

    An invalid manifest is a result like any other: the next change may mend it.
    """
    folder = project.resolve()

    def is_manifest(_: Event, path: str) -> bool:
        return Path(path) == folder / MANIFEST

    # The folder, since most editors put a new file in the old one's place.
    events = watch_files(
        folder,
        watch_filter=is_manifest,
        step=QUIET_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        recursive=False,
    )
    # Nothing has been seen of it yet, not even that it is not there.
    seen: bytes | str | None = None
    for _ in chain([None], events):
        content = _read(folder / MANIFEST)
        if content != seen:
            seen = content
            on_result(_run(project, on_recovery))
            settle()


def settle() -> None:
    """Have the collector, without which a process cannot go on for hours, pass over what stays anyway."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _read(file: Path) -> bytes | str:
    try:
        return file.read_bytes()
    except OSError as error:
        return str(error)


def _run(project: Path, on_recovery: Callable[[Outcome], None]) -> Result:
    try:
        return None if is_fresh(project) else regenerate(project, on_recovery=on_recovery)
    except UserError as error:
        return error
    except OSError as error:
        return from_system(error)
