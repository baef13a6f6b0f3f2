"""Find the tools that were renamed: those that say so, and those that are the same under another name."""

from collections.abc import Mapping, Sequence
from typing import Any

Tool = Mapping[str, Any]


def renamed_tools(before: Sequence[Tool], after: Sequence[Tool]) -> dict[str, str]:
    """Map the old names of renamed tools to the new ones.

    A tool that is new is a renamed one if its `renamed_from` says so, or that of a tool that gets its old
    name back; or if exactly one tool that is gone is like it, and it is the only one like that.
    """
    old = {tool["name"]: tool for tool in before}
    new = {tool["name"]: tool for tool in after}
    gone = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    said = {new[name].get("renamed_from"): name for name in added}
    said |= {name: old[name]["renamed_from"] for name in gone if old[name].get("renamed_from") in added}
    renames: dict[str, str] = {}
    for name in gone:
        target = said.get(name)
        if target and target not in renames.values():
            renames[name] = target
    left = [name for name in gone if name not in renames]
    free = [name for name in added if name not in renames.values()]
    alike = [(one, other) for one in left for other in free if _alike(old[one], new[other])]
    return renames | {
        one: other for one, other in alike if sum(one in pair or other in pair for pair in alike) == 1
    }


def _alike(one: Tool, other: Tool) -> bool:
    """Tell whether two tools say the same about themselves: in words, or in what they take."""
    words, schema = one.get("description", "").strip(), one["inputSchema"]
    described = bool(words) and words == other.get("description", "").strip()
    return described or (bool(schema.get("properties")) and schema == other["inputSchema"])
