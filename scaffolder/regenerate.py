"""Bring a project up to date with its manifest, and keep every edit."""

import re
import shlex
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
from scaffolder.merge import Generated, reconcile
from scaffolder.plan import REMARKS, TROUBLE, Change, Operation, Verb, Write
from scaffolder.providers import versions
from scaffolder.render import Outline, outline, render, written_once
from scaffolder.rules import warnings

Amend = Callable[[str], str]
"""An edit of a manifest's text."""

# What git, and other version control, writes around the sides of a conflict.
_MARKERS = re.compile(rb"^<{7} (?s:.*?)^={7}\r?$(?s:.*?)^>{7} ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Regenerated:
    """What a regeneration did, or would do."""

    project: Path
    changes: tuple[Change, ...]
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
        return any(change.verb not in REMARKS for change in self.changes)

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

    `restore` names deleted files, or folders of them, that are to come back. Raises UserError where another
    run is at work, or when the project was made by a newer version; OSError when the disk does not take the
    files.
    """
    file = project / MANIFEST
    if not file.exists() and isinstance(missing := load_manifest(file), Invalid):
        return missing
    with locked(project):
        if recovered := recover(project):
            on_recovery(recovered)
        disk = Disk(project)
        manifest = _manifest(disk, through_links=amend is None)
        loaded, edit = load_manifest(file), None
        if amend and not isinstance(loaded, Invalid):
            after = amend(manifest.content.decode())
            # The places of what is wrong with it are not those of the file.
            loaded = parse(after.removeprefix("\ufeff"), f"{file} (as it would be)")
            edit = Change(Verb.UPDATED, MANIFEST, before=manifest.content, after=after.encode())
        if isinstance(loaded, Invalid):
            return loaded
        adopted = not disk.exists(BASELINE)
        theirs = outline(loaded.raw)
        _refuse_markers(disk, theirs)
        generator = versions()["generator"]
        baseline, stranger = _baseline(disk, generator)
        known = baseline.without(_deleted(restore, theirs, disk))
        generated = Generated(generator, loaded.raw["tools"], theirs)
        plan = reconcile(known, generated, disk, cache(lambda: _previous(baseline)))
        note = dump(plan.baseline)
        operations = [*_amended(manifest, edit), *plan.operations, *_noted(disk, note)]
        overtaken = commit(project, operations).kept if write else ()
        done = Regenerated(
            project,
            (*([edit] if edit else []), *plan.changes),
            write and bool(operations),
            adopted,
            stranger,
            overtaken,
            warnings(loaded) if any(change.verb not in REMARKS for change in plan.changes) else (),
        )
        if not done.in_trouble and (write or not operations):
            # Of what was read, and not of what may have been written since.
            text = edit.after if edit and edit.after is not None else manifest.content
            state = {MANIFEST: text, BASELINE: note, **plan.pending}
            if text.decode("utf-8-sig") == loaded.document.text:
                remember(project, state, present=theirs)
        return done


def _manifest(disk: Disk, *, through_links: bool) -> File:
    """Read the manifest's file; an edit must not go where a link leads out of the project."""
    found = disk.look(MANIFEST)
    if isinstance(found, File):
        return found
    file = Path(disk.root) / MANIFEST
    if through_links and file.is_file():
        return File(file.read_bytes(), 0o644, MANIFEST)
    reason = found.reason if found else "is not there"
    raise UserError(
        f"{file} {reason}", help=["edit the file that it stands for, and run `mcp-scaffold regenerate`"]
    )


def _refuse_markers(disk: Disk, theirs: Outline) -> None:
    """Stop at files in which version control has left a merge undone, for either side of them is good.

    Raises UserError with the commands that settle it.
    """
    marked = [
        path
        for path in (BASELINE, *(path for path in theirs if not written_once(path)))
        if isinstance(mine := disk.look(path), File)
        and b"<<<<<<< " in mine.content
        and _MARKERS.search(mine.content)
    ]
    if marked:
        raise UserError(
            f"a merge has left conflicts in {', '.join(f'`{path}`' for path in marked)}",
            help=[
                "take one side of each, whichever: their content is generated from the manifest",
                f"git checkout --ours {' '.join(map(shlex.quote, marked))}",
                "then run `mcp-scaffold regenerate`",
            ],
        )


def _amended(manifest: File, edit: Change | None) -> list[Operation]:
    """Write the manifest that was edited."""
    if not edit or edit.after is None or edit.before == edit.after:
        return []
    return [Write(manifest.location, edit.after, digest(manifest.content), manifest.mode)]


def _noted(disk: Disk, note: bytes) -> list[Operation]:
    """Write the baseline, if it is another one."""
    mine = disk.look(BASELINE)
    if isinstance(mine, File):
        return [Write(BASELINE, note, digest(mine.content), mine.mode)] if mine.content != note else []
    return [Write(BASELINE, note, None)]


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


def _deleted(wanted: Collection[str], theirs: Outline, disk: Disk) -> Collection[str]:
    """Find the files that are to come back: those that are named, and those in folders that are.

    Raises UserError for one that is there, or that is not generated.
    """
    absent = [path for path in theirs if not disk.exists(path)]
    found = []
    for name in (name.removeprefix("./").rstrip("/") for name in wanted):
        inside = [path for path in absent if path == name or path.startswith(f"{name}/")]
        if not inside and disk.exists(name):
            raise UserError(
                f"nothing of `{name}` is missing", help=["delete a file to get it as it would be generated"]
            )
        if not inside:
            listed = ", ".join(f"`{path}`" for path in absent) or "none"
            raise UserError(f"`{name}` is not generated", help=[f"generated and not there: {listed}"])
        found += inside
    return found
