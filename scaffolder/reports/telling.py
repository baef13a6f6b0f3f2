"""Tell of a regeneration: what happened to each file, where a person has to decide, and the diff."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from scaffolder.baseline import MANIFEST
from scaffolder.plan import KEYED, REMARKS, Change, Verb

# What a verb is called before it has happened.
PLANNED: Mapping[Verb, str] = {
    Verb.CREATED: "create",
    Verb.UPDATED: "update",
    Verb.MERGED: "merge",
    Verb.RENAMED: "rename",
    Verb.DELETED: "delete",
    Verb.KEPT: "keep",
}

MOST_NAMED = 5
"""How many files are named where there can be many."""

WIDEST = 200
"""Longer texts of a conflict are cut: the files have the whole of them."""


def listing(changes: Sequence[Change], *, planned: bool) -> str:
    """List the changes, a line each."""
    changes = [change for change in changes if change.verb is not Verb.ABSENT]
    words = [PLANNED.get(change.verb, change.verb) if planned else change.verb for change in changes]
    width = max(map(len, words), default=0)
    return "\n".join(
        f"{word:{width}}  {f'{change.source} -> ' if change.source else ''}{change.path}"
        + (f" ({change.note})" if change.note else "")
        for word, change in zip(words, changes, strict=True)
    )


def absent(changes: Sequence[Change]) -> str | None:
    """Say which files a person has deleted; None for none."""
    paths = [change.path for change in changes if change.verb is Verb.ABSENT]
    if not paths:
        return None
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    named = ", ".join(paths[:MOST_NAMED]) + more
    files = "1 file was" if len(paths) == 1 else f"{len(paths)} files were"
    stays = "stays" if len(paths) == 1 else "stay"
    return f"{files} deleted, and {stays} so until `regenerate --restore FILE`: {named}"


def overtaken(path: str) -> str:
    """Say what became of a file that somebody changed while it was to be written."""
    if path == MANIFEST:
        return f"{path} was changed meanwhile and is as you left it: repeat what was to change it"
    return f"{path} was changed meanwhile and is as you left it: the next `regenerate` merges it"


def stranger(version: str) -> str:
    """Say what to make of a project that another version made with plain Copier."""
    return (
        f"mcp-scaffold {version} made this project, and left no baseline: what differs counts as yours\n"
        f"  = help: to have that told apart, run `regenerate` of mcp-scaffold {version} on it first"
    )


def troubles(changes: Sequence[Change]) -> Iterator[str]:
    """Say what a person has to decide, a paragraph each."""
    return chain.from_iterable(map(_troubles, changes))


def _troubles(change: Change) -> Iterator[str]:
    for conflict in change.conflicts:
        yield (
            f"{change.path}: you and the generator changed {conflict.place}\n"
            f"    yours:     {_side(conflict.mine)}\n"
            f"    generated: {_side(conflict.theirs)}"
        )
    if change.beside and change.conflicts and change.verb is Verb.CONFLICT and change.path.endswith(KEYED):
        yield (
            f"{change.path} has your side there, and all else from both; {change.beside} has the generated\n"
            "    side there: take over what you want of it, and delete it"
        )
    elif change.beside:
        yield (
            f"{change.path} is as you left it, and {change.beside} holds the generated side:\n"
            "    take over what you want of it, and delete it"
        )
    elif change.verb is Verb.CONFLICT:
        yield f"{change.path} {change.note}: it was left alone; mend that, and run `regenerate` again"


def _side(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    short = text if len(text) <= WIDEST else f"{text[:WIDEST]}…"
    return short.rstrip("\n").replace("\n", "\n               ")


def diff(changes: Sequence[Change]) -> Iterator[str]:
    """Print the changes as a unified diff, line by line without their ends."""
    for change in changes:
        old, new = _lines(change.before), _lines(change.after)
        before = "/dev/null" if change.before is None else f"a/{change.source or change.path}"
        after = "/dev/null" if change.after is None else f"b/{change.path}"
        if change.source:
            # Only with this do programs that apply a diff move the file.
            alike = difflib.SequenceMatcher(None, old, new, autojunk=False).ratio()
            yield f"diff --git a/{change.source} b/{change.path}"
            yield f"similarity index {alike:.0%}"
            yield f"rename from {change.source}"
            yield f"rename to {change.path}"
        if change.verb not in REMARKS:
            yield from _unified(old, new, before, after)


def _unified(old: list[str], new: list[str], before: str, after: str) -> Iterator[str]:
    for line in difflib.unified_diff(old, new, before, after):
        if line.endswith("\n"):
            yield line[:-1]
        else:
            yield line
            yield "\\ No newline at end of file"


def _lines(content: bytes | None) -> list[str]:
    lines = (content or b"").decode(errors="replace").split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def as_json(change: Change) -> dict[str, Any]:
    """Give the form that `--json` prints."""
    return {
        "verb": str(change.verb),
        "path": change.path,
        "source": change.source,
        "note": change.note,
        "beside": change.beside,
        "conflicts": [
            {"place": conflict.place, "mine": conflict.mine, "theirs": conflict.theirs}
            for conflict in change.conflicts
        ],
    }
