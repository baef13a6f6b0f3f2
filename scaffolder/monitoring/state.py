"""Where commands keep their state unless they are told: not in the project, which is committed."""

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO


def state_file(watched: str, command: str = "monitor", name: str | None = None) -> Path:
    """Return the file of what is watched (a path or a URL) in the user's state folder (XDG), made or not."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()
    name = re.sub(r"[^A-Za-z0-9]+", "-", name or watched).strip("-")[-40:].strip("-")
    mark = hashlib.sha256(watched.encode(errors="surrogateescape")).hexdigest()[:12]
    return root / "mcp-scaffold" / command / f"{name}-{mark}.json"


def private(file: Path) -> BinaryIO:
    """Open a file to write it anew, which no other user may read: it tells of the faults of servers."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    # One that a crash has left may be of another mode.
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "wb")
