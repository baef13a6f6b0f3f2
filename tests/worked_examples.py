"""Takes the worked examples out of the page about state, as a reader copies them into a project."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from scaffolder.render import Tree, render

PAGE = "docs/state.md"

# The least that has a session, so that there is a page.
_ANY = {"name": "any", "inputSchema": {"type": "object"}, "state": "session"}

_ENTRIES = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# A file's name stands alone above its content.
_FILES = re.compile(r"^`([\w./]+)`\n\n```ts\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def page(targets: Sequence[str], **changes: Any) -> str:
    """Return the page of a project."""
    return render({"name": "notes", "targets": list(targets), "tools": [_ANY], **changes})[PAGE].decode()


def entries(text: str) -> list[dict[str, Any]]:
    """Return what each example adds to `mcp.yaml`."""
    return [yaml.safe_load(block) for block in _ENTRIES.findall(text)]


def files(text: str) -> dict[str, str]:
    """Return the files that are shown, by path."""
    return dict(_FILES.findall(text))


def manifest(targets: Sequence[str], **changes: Any) -> dict[str, Any]:
    """Declare a server of all that its own page shows."""
    shown = entries(page(targets, **changes))
    return {
        "name": "notes",
        "targets": list(targets),
        "secrets": {name: text for one in shown for name, text in one.get("secrets", {}).items()},
        "vars": {name: text for one in shown for name, text in one.get("vars", {}).items()},
        "tools": [tool for one in shown for tool in one["tools"]],
        **changes,
    }


def project(declared: Mapping[str, Any]) -> Tree:
    """Return the project of `manifest` with the files of its page, but for the one about principals."""
    tree = render(declared)
    for path, source in files(tree[PAGE].decode()).items():
        if path != "src/principal.ts":
            tree[path] = source.encode()
    return tree
