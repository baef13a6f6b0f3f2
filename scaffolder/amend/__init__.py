"""Edit a manifest as text: tools and targets come, go and are renamed; all else stays as it was written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml.error import YAMLError

from scaffolder.amend import splice
from scaffolder.amend.parts import parse
from scaffolder.amend.roundtrip import changer, redone, writer
from scaffolder.diagnostics import UserError
from scaffolder.manifest.findings import path as shown
from scaffolder.manifest.positions import read
from scaffolder.manifest.wording import closest, code, flow, listed
from scaffolder.merging.diff3 import overlay

BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class _Edit:
    """One entry that goes, or gets a value, or is appended."""

    path: splice.Path
    value: Any = None
    remove: bool = False


def new_tool(
    name: str,
    *,
    description: str | None = None,
    session: bool = False,
    secrets: Sequence[str] = (),
    max_seconds: float | None = None,
) -> dict[str, Any]:
    """Make a tool without arguments."""
    tool: dict[str, Any] = {"name": name}
    if description is not None:
        tool["description"] = description
    tool["inputSchema"] = {"type": "object"}
    if secrets:
        tool["secrets"] = list(secrets)
    if session:
        tool["state"] = "session"
    if max_seconds is not None:
        tool["max_seconds"] = int(max_seconds) if float(max_seconds).is_integer() else max_seconds
    return tool


def add_tool(text: str, tool: Mapping[str, Any]) -> str:
    """Append a tool."""
    names = _tools(text)
    _refuse_taken(str(tool["name"]), names, names)
    return _edited(text, [_Edit(("tools", len(names)), dict(tool))])


def remove_tool(text: str, name: str) -> str:
    """Remove a tool, with the comment right above it."""
    names = _tools(text)
    return _edited(text, [_Edit(("tools", _position("tool", name, names)), remove=True)])


def rename_tool(text: str, old: str, new: str) -> str:
    """Rename a tool, and note what it was called unless it gets its former name back."""
    names = _tools(text)
    index = _position("tool", old, names)
    _refuse_taken(new, names[:index] + names[index + 1 :], names)
    if new == old:
        return text
    tool, note = ("tools", index), ("tools", index, "renamed_from")
    back = _data(text)["tools"][index].get("renamed_from") == new
    return _edited(
        text, [_Edit((*tool, "name"), new), _Edit(note, remove=True) if back else _Edit(note, old)]
    )


def add_target(text: str, target: str) -> str:
    """Append a target."""
    targets = _list(text, "targets")
    if target in targets:
        raise UserError(f"{code(target)} is a target already", help=_known("targets", targets))
    return _edited(text, [_Edit(("targets", len(targets)), target)])


def remove_target(text: str, target: str) -> str:
    """Remove a target with its options and what was observed of it."""
    targets = _list(text, "targets")
    edits = [_Edit(("targets", _position("target", target, targets)), remove=True)]
    data = _data(text)
    said = [_alone(data, path) for path in (("target_options", target), ("monitor", "observed", target))]
    return _edited(text, [*edits, *(_Edit(path, remove=True) for path in said if path)])


def set_value(text: str, path: Sequence[str], value: Any) -> str:
    """Set the value that keys lead to; mappings that are missing on the way are made."""
    return _edited(text, list(_settings(_data(text), tuple(path), value)))


def _tools(text: str) -> list[str]:
    return [str(tool.get("name")) if isinstance(tool, dict) else "" for tool in _list(text, "tools")]


def _list(text: str, key: str) -> list[Any]:
    data = _data(text)
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise UserError(f"`{key}` is not a list", help=["`mcp-scaffold check` says what is wrong"])
    return found


def _position(what: str, name: str, names: list[str]) -> int:
    if name and name in names:  # what is no tool has no name
        return names.index(name)
    meant = closest(name, names)
    advice = [f"did you mean {code(meant)}?"] if meant else []
    raise UserError(f"there is no {what} {code(name)}", help=[*advice, *_known(f"{what}s", names)])


def _refuse_taken(name: str, others: Iterable[str], names: Iterable[str]) -> None:
    if taken := next((other for other in others if other.lower() == name.lower()), None):
        raise UserError(f"there is a tool {code(taken)} already", help=_known("tools", names))


def _known(what: str, names: Iterable[str]) -> list[str]:
    return [f"{what}: {listed(names) or 'none'}"]


def _alone(data: Any, path: tuple[str, ...]) -> splice.Path | None:
    """Find what to remove: an entry, or the mapping that would be empty without it, or nothing."""
    way = [data]
    for step in path:
        if not isinstance(way[-1], dict) or step not in way[-1]:
            return None
        way.append(way[-1][step])
    depth = len(path)
    while depth > 1 and len(way[depth - 1]) == 1:
        depth -= 1
    return path[:depth]


def _settings(data: Any, path: tuple[str, ...], value: Any) -> Iterator[_Edit]:
    """Break a setting down into edits, so that what stays the same is not written anew."""
    there = data
    for depth, step in enumerate(path):
        if not isinstance(there, dict) or step not in there:
            inner = value
            kept = depth + isinstance(there, dict)
            for missing in reversed(path[kept:]):
                inner = {missing: inner}
            if not isinstance(there, dict) and (there is not None or not depth):
                raise UserError(f"{code(shown(path[:depth])) if depth else 'the manifest'} is not a mapping")
            yield _Edit(path[:kept], inner)
            return
        there = there[step]
    if isinstance(there, dict) and isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _settings(data, (*path, key), inner)
        yield from (_Edit((*path, key), remove=True) for key in there if key not in value)
    elif repr(there) != repr(value):
        yield _Edit(path, value)


def _edited(text: str, edits: Iterable[_Edit]) -> str:
    """Make edits, one after the other; a byte order mark and CRLF come back as they were."""
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    body = text.removeprefix(mark)
    windows = "\r\n" in body and body.count("\r\n") == body.count("\n")
    if windows:
        body = body.replace("\r\n", "\n")
    for edit in edits:
        body = _applied(body, edit)
    return mark + (body.replace("\n", "\r\n") if windows else body)


def _applied(text: str, edit: _Edit) -> str:
    """Make an edit in the way that changes least, says what it should and leaves the other comments."""
    data = _data(text)
    wanted = _changed(data, edit)
    for way in (_spliced, _overlaid, _rewritten):
        try:
            result = way(text, edit, data)
            if (
                result is not None
                and repr(read("", result).data) == wanted
                and splice.spares(text, edit.path, result, remove=edit.remove)
            ):
                return result
        except (yaml.YAMLError, YAMLError, LookupError, TypeError, ValueError, RecursionError):
            continue
    raise UserError(
        f"{code(shown(edit.path))} cannot be edited without changing what else the manifest says",
        help=[
            "remove it by hand" if edit.remove else f"write it by hand: `{flow(_unshared(edit.value))}`",
            "then run `mcp-scaffold regenerate`",
        ],
    )


def _spliced(text: str, edit: _Edit, data: Any) -> str | None:
    style = writer(text, parse(text))
    if not edit.remove:
        return splice.put(text, edit.path, edit.value, style)
    for step in edit.path:
        data = data[step]
    return splice.cut(text, edit.path, data, style)


def _overlaid(text: str, edit: _Edit, _data: Any) -> str:
    change = changer(edit.path, edit.value, remove=edit.remove)
    before, after = redone(text, parse(text), change)
    return overlay(before.encode(), text.encode(), after.encode()).decode()


def _rewritten(text: str, edit: _Edit, _data: Any) -> str:
    change = changer(edit.path, edit.value, remove=edit.remove)
    return redone(text, parse(text), change)[1]


def _data(text: str) -> Any:
    try:
        return read("", text.removeprefix(BYTE_ORDER_MARK)).data
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UserError("the manifest cannot be read", help=["`mcp-scaffold check` says why"]) from None


def _changed(data: Any, edit: _Edit) -> str:
    """Say what the manifest is to say, so that 1, 1.0 and true differ."""
    tree = {"": _unshared(data)}
    changer(("", *edit.path), edit.value, remove=edit.remove)(tree)
    return repr(_unshared(tree[""]))


def _unshared(data: Any) -> Any:
    """Copy plain data, so that two aliases of one value can become different."""
    if isinstance(data, Mapping):
        return {key: _unshared(value) for key, value in data.items()}
    return [_unshared(value) for value in data] if isinstance(data, list | tuple) else data
