"""Probe endpoints: examine each, and judge what it did."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scaffolder.monitoring.examination import Examination, examine
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.verdict import Verdict, judge

JOBS = 8


@dataclass(frozen=True, slots=True)
class Probed:
    """What was expected of an endpoint, what it did, and what to think of that."""

    expectation: Expectation
    examination: Examination
    verdict: Verdict


def probe(expectation: Expectation) -> Probed:
    """Probe one endpoint. Whatever a server does is a value, never an exception."""
    examination = examine(expectation)
    return Probed(expectation, examination, judge(examination, expectation))


def probe_all(
    expectations: Sequence[Expectation],
    *,
    jobs: int = JOBS,
    on_done: Callable[[Probed], None] = lambda _: None,
) -> tuple[Probed, ...]:
    """Probe several endpoints, `jobs` at a time.

    `on_done` is told of each as soon as it is done, in this thread; the result has the order of the
    expectations.
    """
    waiting: queue.SimpleQueue[tuple[int, Expectation]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Probed | BaseException]] = queue.SimpleQueue()
    for item in enumerate(expectations):
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                index, expectation = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, probe(expectation)))
            except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
                done.put((index, error))

    # No executor: the end of the program would wait for its threads, and they for servers that hang.
    for _ in range(min(jobs, len(expectations))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, Probed] = {}
    for _ in expectations:
        index, outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        results[index] = outcome
        on_done(outcome)
    return tuple(results[index] for index in range(len(expectations)))
