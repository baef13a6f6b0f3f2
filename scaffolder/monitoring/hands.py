"""Do tasks in threads, so many at a time, and hand back what each came to."""

import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do."""

    lane: str
    """Tasks of one lane never wait for those of another."""
    key: Hashable
    """What it is about, for whoever reads its end."""
    call: Callable[[], object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """A task that has ended."""

    task: Task
    result: object
    """What it returned, or the exception that it raised."""


class Hands(Protocol):
    """Who does the tasks."""

    def start(self, task: Task) -> None:
        """Do a task as soon as its lane is free; it comes back from `wait`."""

    def wait(self, seconds: float | None) -> Done | None:
        """Wait until a task is done or something else happens, so many seconds at most, or without end."""

    def dismiss(self) -> int:
        """Forget the tasks that nobody has begun with, and say how many they were."""


class Threads:
    """Hands that are threads. None of them keeps the process from ending."""

    def __init__(self, lanes: Mapping[str, int]) -> None:
        """Start as many threads for each lane as tasks may run in it at a time."""
        # A signal handler may put something into this kind of queue.
        self._done: SimpleQueue[Done | None] = SimpleQueue()
        self._lanes: dict[str, SimpleQueue[Task]] = {lane: SimpleQueue() for lane in lanes}
        for lane, number in lanes.items():
            for _ in range(number):
                threading.Thread(target=self._work, args=(self._lanes[lane],), daemon=True).start()

    def start(self, task: Task) -> None:
        """Put a task to the others of its lane."""
        self._lanes[task.lane].put(task)

    def wait(self, seconds: float | None) -> Done | None:
        """Wait until a task is done, or for `wake`."""
        try:
            return self._done.get(timeout=seconds)
        except Empty:
            return None

    def dismiss(self) -> int:
        """Forget the tasks that no thread has begun with, and say how many they were."""
        number = 0
        for tasks in self._lanes.values():
            with suppress(Empty):
                while True:
                    tasks.get_nowait()
                    number += 1
        return number

    def wake(self) -> None:
        """End a wait; may be called in a signal handler."""
        self._done.put(None)

    def _work(self, tasks: "SimpleQueue[Task]") -> None:
        while True:
            task = tasks.get()
            try:
                result = task.call()
            except Exception as error:  # noqa: BLE001 - whoever waits for the task decides what to make of it
                result = error
            self._done.put(Done(task, result))
