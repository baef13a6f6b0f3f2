"""Where the program keeps what it can make again."""

from __future__ import annotations

import os

# Only for annotations, as in `bundle`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def cache_location(name: str) -> str:
    """Return a folder of the user's cache (XDG Base Directory), which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    root = base if base.startswith("/") else os.path.expanduser("~/.cache")  # noqa: PTH111 - as in `bundle`
    return f"{root}/mcp-scaffold/{name}"


def cache_folder(name: str) -> Path:
    """Return that folder as a path."""
    from pathlib import Path  # noqa: PLC0415 - as in `bundle`

    return Path(cache_location(name))
