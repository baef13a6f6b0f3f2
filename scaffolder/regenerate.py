"""Bring a project up to date with its manifest, and keep every edit."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import TemplateError

from scaffolder.baseline import BASELINE, MANIFEST, SNAPSHOT, Baseline, digest, dump, first, load, remembered
from scaffolder.diagnostics import Diagnostic, UserError
from scaffolder.disk import Blocked, Disk, File
from scaffolder.fresh import remember
from scaffolder.journal import Outcome, commit, locked, recover
from scaffolder.manifest import Invalid, parse
from scaffolder.manifest import load as load_manifest
from scaffolder.manifest.faults import validate
from scaffolder.merge import reconcile
from scaffolder.plan import TROUBLE, Change, Operation, Verb, Write
from scaffolder.providers import versions
from scaffolder.render import Outline, outline, render, written_once
from scaffolder.rules import warnings

Amend = Callable[[str], str]
"""An edit of a manifest's text."""


@dataclass(frozen=True, slots=True)
class Regenerated:
    """What a regeneration did, or would do."""

    project: Path
    changes: tuple[Change, ...]
    targets: tuple[str, ...]
    written: bool
    """Whether files were written, and not only planned."""
    adopted: bool = False
    """Whether there was no baseline yet."""
    stranger: str | None = None
    """The other version of the templates that made a project without a baseline."""
    overtaken: tuple[str, ...] = ()
    """Files that somebody changed while this was going on, and that were left alone."""
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the project is, or was, not what its manifest says."""
        return any(change.verb is not Verb.KEPT for change in self.changes)

    @property
    def in_trouble(self) -> bool:
        """Whether a person has to look at something."""
        return bool(self.overtaken) or any(change.verb in TROUBLE for change in self.changes)


def regenerate(
    project: Path,
    *,
    write: bool = True,
    restore: Collection[str] = (),
    amend: Amend | None = None,
    on_recovery: Callable[[Outcome], None] = lambda _: None,
) -> Regenerated | Invalid:
    """Regenerate a project, or only plan to; `amend` edits its manifest on the way.

    `restore` names deleted files that are to come back. Raises UserError where another run is at work, or
    when the project was made by a newer version; OSError when the disk does not take the files.
    """
    file = project / MANIFEST
    if not file.is_file() and isinstance(missing := load_manifest(file), Invalid):
        return missing
    with locked(project):
        if recovered := recover(project):
            on_recovery(recovered)
        loaded, edit = load_manifest(file), None
        if amend and not isinstance(loaded, Invalid):
            before = file.read_bytes()
            after = amend(before.decode())
            loaded = parse(after.removeprefix("\ufeff"), str(file))
            edit = Change(Verb.UPDATED, MANIFEST, before=before, after=after.encode())
        if isinstance(loaded, Invalid):
            return loaded
        disk, generator = Disk(project), versions()["generator"]
        adopted = not disk.exists(BASELINE)
        baseline, stranger = _baseline(disk, generator)
        theirs = outline(loaded.raw)
        known = baseline.without(_deleted(restore, theirs, disk))
        plan = reconcile(known, theirs, disk, generator, cache(lambda: _previous(baseline)))
        operations = [*_amended(disk, edit), *plan.operations, *_kept(disk, plan.baseline)]
        overtaken = commit(project, operations).kept if write else ()
        written = write and bool(operations)
        done = Regenerated(
            project,
            (*([edit] if edit else []), *plan.changes),
            tuple(loaded.raw["targets"]),
            written,
            adopted,
            stranger,
            overtaken,
            warnings(loaded) if plan.changes else (),
        )
        if not done.in_trouble and (write or not operations):
            remember(project, plan.pending)
        return done


def _amended(disk: Disk, edit: Change | None) -> list[Operation]:
    """Write the manifest that was edited."""
    if not edit or edit.before is None or edit.after is None or edit.before == edit.after:
        return []
    mine = disk.look(MANIFEST)
    location, mode = (mine.location, mine.mode) if isinstance(mine, File) else (MANIFEST, None)
    return [Write(location, edit.after, digest(edit.before), mode)]


def _kept(disk: Disk, baseline: Baseline) -> list[Operation]:
    """Write the baseline, if it is another one."""
    content, mine = dump(baseline), disk.look(BASELINE)
    if isinstance(mine, File):
        return [Write(BASELINE, content, digest(mine.content), mine.mode)] if mine.content != content else []
    return [Write(BASELINE, content, None)]


def _baseline(disk: Disk, generator: str) -> tuple[Baseline, str | None]:
    """Read the baseline, or work it out from the snapshot that plain Copier has left."""
    mine = disk.look(BASELINE)
    if isinstance(mine, Blocked):
        raise UserError(f"`{BASELINE}` {mine.reason}")
    if isinstance(mine, File):
        baseline = load(mine.content)
        if _release(baseline.generator) > _release(generator):
            raise UserError(
                f"this project was made by mcp-scaffold {baseline.generator}, and this is {generator}",
                help=["install that version or a newer one"],
            )
        return baseline, None
    snapshot = disk.look(SNAPSHOT)
    if not isinstance(snapshot, File):
        return Baseline(generator), None
    try:
        made_by, manifest = remembered(snapshot.content)
    except ValueError:
        return Baseline(generator), None
    if made_by != generator:
        return Baseline(generator), made_by or "an unknown version"
    if validate(manifest)[0] is None:
        return Baseline(generator), None
    return first(generator, render(manifest), written_once), None


def _release(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _previous(baseline: Baseline) -> Outline:
    """Outline the project as it was generated last time; empty where that cannot be known."""
    try:
        return outline(remembered(baseline.files[SNAPSHOT])[1])
    except (KeyError, ValueError, TemplateError):
        return {}


def _deleted(paths: Collection[str], theirs: Outline, disk: Disk) -> Collection[str]:
    """Check that files are such as can come back.

    Raises UserError for one that is there, or that is not generated.
    """
    for path in paths:
        if path not in theirs:
            gone = [other for other in theirs if not disk.exists(other)]
            listed = ", ".join(f"`{other}`" for other in gone) or "none"
            raise UserError(f"`{path}` is not generated", help=[f"generated and not there: {listed}"])
        if disk.exists(path):
            raise UserError(f"`{path}` is there", help=["delete it to get it as it would be generated"])
    return paths
