"""Find the tools that were renamed: those that say so, and those that are the same under another name."""

from collections.abc import Mapping, Sequence
from typing import Any

Tool = Mapping[str, Any]


def renamed_tools(before: Sequence[Tool], after: Sequence[Tool]) -> dict[str, str]:
    """Map the old names of renamed tools to the new ones.

    A tool is a renamed one if its `renamed_from` says so, or that of a tool that gets its old name back; or
    if it is new and exactly one tool that is gone is like it, and it is the only one like that.
    """
    old = {tool["name"]: tool for tool in before}
    new = {tool["name"]: tool for tool in after}
    gone = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    renames = _said(old, new)
    for name in gone:
        back = str(old[name].get("renamed_from"))
        if name not in renames and back in added and back not in renames.values():
            renames[name] = back
    left = [name for name in gone if name not in renames]
    free = [name for name in added if name not in renames.values()]
    alike = [(one, other) for one in left for other in free if _alike(old[one], new[other])]
    return renames | {
        one: other for one, other in alike if sum(one in pair or other in pair for pair in alike) == 1
    }


def _said(old: Mapping[str, Tool], new: Mapping[str, Tool]) -> dict[str, str]:
    """Find what `renamed_from` says that it did not say before: also that tools swap their names."""
    said = {
        name: source
        for name, tool in new.items()
        if (source := str(tool.get("renamed_from"))) in old.keys() - {name}
        and old.get(name, {}).get("renamed_from") != source
    }
    renames: dict[str, str] = {}
    for name, source in said.items():
        # A tool that is still there has its handler, unless it got another one's.
        if source not in renames and (source not in new or source in said):
            renames[source] = name
    return renames


def _alike(one: Tool, other: Tool) -> bool:
    """Tell whether two tools say the same about themselves: in words, or in what they take."""
    words, schema = str(one.get("description", "")).strip(), one.get("inputSchema", {})
    described = bool(words) and words == str(other.get("description", "")).strip()
    return described or (bool(schema.get("properties")) and schema == other.get("inputSchema"))
