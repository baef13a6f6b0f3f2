"""Stop when a signal asks for it: gracefully at the first, at once at the second."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def stopping(wake: Callable[[], None]) -> Iterator[Callable[[], int | None]]:
    """Yield what tells which signal has come; `wake` is called in its handler, and must not wait."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)
        wake()

    with _handled(note):
        yield lambda: came[0] if came else None


@contextmanager
def interruptible() -> Iterator[None]:
    """Make every signal that asks for an end an interruption, which cleans up after itself."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            # The second Ctrl-C of an impatient user would leave servers running.
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with _handled(interrupt):
        yield


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Handle the signals, but for those that whoever started this program has it ignore, as `nohup` does."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, former in before.items():
        if former is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
