"""Start programs in process groups of their own, keep what they print, and leave none behind."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

# How long a program may take to end by itself after SIGTERM.
GRACE_SECONDS = 5.0

# What a log quotes: enough for a stack trace, little enough for a terminal.
TAIL_BYTES = 16_384


class TimedOutError(Exception):
    """A program that was stopped because it took too long."""


class ClosedError(Exception):
    """A program was to be started while everything is being stopped."""


class Processes:
    """The programs under way. None of them, nor of their children, outlives the `with` block."""

    def __init__(self) -> None:
        """Begin with no program."""
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop every program, and start no more."""
        self.close()

    def close(self) -> None:
        """Stop every program, and start no more; threads that wait for one go on at once."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            _signal(process.pid, signal.SIGTERM)
        for process in running:
            self.stop(process)

    def start(
        self, command: Sequence[str], *, directory: Path, environment: Mapping[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Start a program whose output goes to the end of `log`, with nothing to read from."""
        with self._lock, log.open("ab") as output:
            if self._closed:
                raise ClosedError
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A group of its own, so that what it starts is stopped with it.
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def run(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        seconds: float,
    ) -> int:
        """Run a program to its end and return its exit status."""
        process = self.start(command, directory=directory, environment=environment, log=log)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimedOutError(f"`{' '.join(command)}` was stopped after {seconds:.0f} s") from None
        finally:
            self.stop(process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End a program and all that it started: SIGTERM, then SIGKILL after a grace time."""
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        # Children that outlive their parent get a moment to follow it.
        deadline = time.monotonic() + GRACE_SECONDS / 10
        while _signal(process.pid, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        with self._lock:
            self._running.discard(process)


def tail(log: Path) -> str:
    """Return the end of a log, from the start of a line."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return text if size <= TAIL_BYTES else text.partition("\n")[2]


def _signal(group: int, number: int) -> bool:
    """Signal a process group; false when none of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
