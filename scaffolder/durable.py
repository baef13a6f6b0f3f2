"""What neither a crash nor another process may spoil: folders on the disk, and work that only one may do."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scaffolder.diagnostics import UserError


def sync(folder: Path) -> None:
    """Have the disk keep the names in a folder. Raises OSError where it does not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def alone(handle: int, refusal: str, advice: Sequence[str] = ()) -> Iterator[None]:
    """Keep other processes off an open file or folder, and close it in the end.

    Raises UserError with the refusal while another one has it.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(refusal, help=advice) from None
    else:
        yield
    finally:
        os.close(handle)
