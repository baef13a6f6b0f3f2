"""Where the program keeps what it can make again."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache (XDG Base Directory), which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "mcp-scaffold" / name
