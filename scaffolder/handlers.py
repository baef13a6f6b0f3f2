"""Carry the handlers of renamed tools over to their new names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaffolder.baseline import SNAPSHOT, digest, remembered
from scaffolder.disk import File
from scaffolder.draft import Draft, as_written
from scaffolder.plan import Change, Verb
from scaffolder.renames import renamed_tools
from scaffolder.render import Outline

FOLDER, SUFFIX = "src/tools/", ".ts"


@dataclass(frozen=True, slots=True)
class _Move:
    """One handler that changes its name."""

    old: str
    new: str
    source: str
    target: str
    mine: File
    there: File | None
    edited: bool


def carry_handlers(draft: Draft, theirs: Outline, tools: Sequence[Mapping[str, Any]]) -> set[str]:
    """Plan to move the handlers of renamed tools; gives the paths that they had.

    All of them move at once, for tools may swap their names. What a person has written is never written over.
    """
    moves = [move for move in _moves(draft, theirs, tools) if move.edited or move.there]
    taken = set()
    while blocked := _blocked(draft, moves):
        # Whoever was to move to the place of a handler that stays cannot move either.
        moves.remove(blocked)
        if blocked.source not in theirs:
            taken.add(blocked.source)
            note = f"{blocked.target} is there already: bring them together by hand"
            draft.changes.append(Change(Verb.KEPT, blocked.source, note))
    targets = {move.target for move in moves}
    for move in moves:
        stub = theirs[move.target].content()
        after = _renamed(move) if move.edited else stub
        change = Change(Verb.RENAMED, move.target, before=move.mine.content, after=after, source=move.source)
        draft.move(change, move.mine, move.there, precious=move.edited)
        draft.once[move.target] = digest(stub)
        if move.source not in targets:
            _vacate(draft, theirs, move)
        taken.add(move.source)
    return taken


def _vacate(draft: Draft, theirs: Outline, move: _Move) -> None:
    """Clear the place that a handler has left, or begin anew there for the tool that has the name now."""
    if move.source not in theirs:
        draft.delete(move.source, move.mine)
        return
    stub = theirs[move.source].content()
    draft.write(Change(Verb.CREATED, move.source, before=move.mine.content, after=stub), move.mine)
    draft.once[move.source] = digest(stub)
    draft.settled.add(move.source)


def _blocked(draft: Draft, moves: Sequence[_Move]) -> _Move | None:
    """Find a move to where a person has written something that stays there."""
    leaving = {move.source for move in moves}
    return next(
        (
            move
            for move in moves
            if move.there and move.target not in leaving and _edited(draft, move.target, move.there)
        ),
        None,
    )


def _moves(draft: Draft, theirs: Outline, tools: Sequence[Mapping[str, Any]]) -> list[_Move]:
    old, new = _by_name(draft.old.written_once), _by_name(theirs)
    found = []
    for name, other in _renames(draft, tools, new).items():
        source, target = old.get(name, f"{FOLDER}{name}{SUFFIX}"), new.get(other)
        mine = draft.disk.look(source)
        there = draft.disk.look(target) if target else None
        if target and isinstance(mine, File) and (there is None or isinstance(there, File)):
            found.append(_Move(name, other, source, target, mine, there, _edited(draft, source, mine)))
    return found


def _renames(draft: Draft, tools: Sequence[Mapping[str, Any]], new: Mapping[str, str]) -> dict[str, str]:
    """Find the renamed tools, and those whose old handler was left behind before anybody said so."""
    try:
        before = remembered(draft.old.files[SNAPSHOT])[1]["tools"]
    except (KeyError, ValueError):
        before = []
    renames = renamed_tools(before, tools)
    for tool in tools:
        source = tool.get("renamed_from")
        if source and source not in new and source not in renames and tool["name"] not in renames.values():
            renames[source] = tool["name"]
    return renames


def _edited(draft: Draft, path: str, mine: File) -> bool:
    return draft.old.written_once.get(path) != as_written(mine.content)


def _renamed(move: _Move) -> bytes:
    """Have a handler's type follow its name; all else in it is the user's."""
    pattern = rb"""\bTool<(\s*)(["'])%b\2(\s*,?\s*)>""" % re.escape(move.old.encode())
    name = move.new.encode()
    return re.sub(
        pattern,
        lambda match: b"Tool<" + match[1] + match[2] + name + match[2] + match[3] + b">",
        move.mine.content,
    )


def _by_name(paths: Iterable[str]) -> dict[str, str]:
    """Map the names of tools to the files of their handlers."""
    return {
        # The `$` is what `file` in names.jinja puts into a name that is no good for a file.
        path.removeprefix(FOLDER).removesuffix(SUFFIX).replace("$", ""): path
        for path in paths
        if path.startswith(FOLDER)
    }
