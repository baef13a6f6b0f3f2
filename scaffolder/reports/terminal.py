"""Find out what a stream can show, for reports that draw."""

import io
import os
import sys
from typing import TextIO


def is_drawable(stream: TextIO) -> bool:
    """Tell whether what was printed can be drawn over: not in a pipe, nor on a terminal that only types."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def has_all_characters(stream: TextIO) -> bool:
    """Tell whether there is a byte for each character, whatever the locale."""
    return "utf" in (stream.encoding or "").lower()


def be_lenient() -> None:
    """Replace what stdout has no byte for: what a server says is no reason to fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
