"""Prove a generated project on its real runtimes: check, build, serve, and ask it as a client would."""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import FrameType

from scaffolder.inspection import call_examples, inspect
from scaffolder.processes import Processes
from scaffolder.redis_rest import RedisError
from scaffolder.serving import Endpoint, serve
from scaffolder.toolchain import MissingError, Node, install
from scaffolder.workbench import (
    Project,
    ProjectError,
    StepError,
    equip,
    find_project_node,
    open_project,
    runtime_title,
    workbench,
)


class Verdict(StrEnum):
    """What became of a target."""

    PASSED = "passed"
    FAILED = "failed"
    """The project does not do what it should."""
    BLOCKED = "blocked"
    """It could not be tried: something is missing on this machine."""


@dataclass(frozen=True, slots=True)
class Event:
    """A step that starts (`seconds` is None) or has ended."""

    target: str
    """Empty for what is done for all targets together."""
    step: str
    seconds: float | None = None
    passed: bool = True


@dataclass(frozen=True, slots=True)
class StepFailure:
    """The step that failed, why, what its programs printed, and what to type next."""

    step: str
    message: str
    log: str = ""
    help: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `verify` found out about one target; None for what it did not come to."""

    target: str
    runtime: str
    verdict: Verdict = Verdict.PASSED
    runtime_version: str | None = None
    start_ms: float | None = None
    """From the start of the process to its first answer."""
    tools: int | None = None
    tools_hash: str | None = None
    definitions_hash: str | None = None
    calls: int = 0
    """Calls of read-only tools that were answered."""
    placeholders: tuple[str, ...] = ()
    """The secrets that had a placeholder for a value."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step took."""
    failure: StepFailure | None = None


Listener = Callable[[Event], None]


def verify(
    folder: Path,
    targets: Collection[str] | None = None,
    *,
    jobs: int = 1,
    on_event: Listener = lambda _: None,
) -> tuple[Outcome, ...]:
    """Verify a generated project on the targets that it declares, or on some of them.

    `on_event` is called from the threads that do the work, never by two at once. Whatever ends this
    function, nothing that it started is left running.
    """
    return verify_project(open_project(folder), targets, jobs=jobs, on_event=on_event)


def verify_project(
    project: Project,
    targets: Collection[str] | None = None,
    *,
    jobs: int = 1,
    on_event: Listener = lambda _: None,
) -> tuple[Outcome, ...]:
    """Do what `verify` does with a project that is open already."""
    chosen = _choose(project, targets)
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            on_event(event)

    with _interruptible(), Processes() as processes:
        steps = _Steps("", tell)
        try:
            with steps.step("install"):
                node = find_project_node()
                install(project.folder, node, processes)
        except MissingError as error:
            return tuple(
                _ended(Outcome(target, runtime_title(project, target)), steps, error) for target in chosen
            )
        ready = threading.Event()

        def attempt(target: str) -> Outcome:
            # An interruption while a thread is being started would lose sight of it: none works before.
            ready.wait()
            return _try(project, target, node, processes, _Steps(target, tell))

        with ThreadPoolExecutor(jobs) as pool:
            try:
                attempts = [pool.submit(attempt, target) for target in chosen]
                ready.set()
                return tuple(one.result() for one in attempts)
            except BaseException:
                # What the threads wait for ends now, and with it the threads.
                processes.close()
                ready.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


class _Steps:
    """The steps of one target: tells which is under way, and keeps how long each took."""

    def __init__(self, target: str, tell: Listener) -> None:
        self.current = ""
        self.seconds: dict[str, float] = {}
        self._target = target
        self._tell = tell

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.current = name
        self._tell(Event(self._target, name))
        started = time.monotonic()
        passed = False
        try:
            yield
            passed = True
        finally:
            self.seconds[name] = time.monotonic() - started
            self._tell(Event(self._target, name, self.seconds[name], passed))


def _choose(project: Project, targets: Collection[str] | None) -> tuple[str, ...]:
    unknown = [target for target in targets or () if target not in project.targets]
    if unknown:
        raise ProjectError(
            f"{', '.join(unknown)}: not among the project's targets, which are {', '.join(project.targets)}"
        )
    return tuple(target for target in project.targets if not targets or target in targets)


def _try(project: Project, target: str, node: Node, processes: Processes, steps: _Steps) -> Outcome:
    outcome = Outcome(target, runtime_title(project, target))
    try:
        for found in _findings(project, outcome, node, processes, steps):
            outcome = found
    except (StepError, MissingError, ProjectError, RedisError, OSError) as error:
        return _ended(outcome, steps, error)
    return replace(outcome, seconds=steps.seconds)


def _findings(
    project: Project, outcome: Outcome, node: Node, processes: Processes, steps: _Steps
) -> Iterator[Outcome]:
    """Take a target through the steps, and yield after each what is known by then."""
    target = outcome.target
    with steps.step("tools"):
        toolbox = equip(project, target, node, processes)
    with workbench(project, target, toolbox, processes) as bench:
        with steps.step("check"):
            outcome = replace(outcome, runtime_version=bench.version())
            yield outcome
            bench.check()
        with steps.step("build"):
            bench.build()
        with ExitStack() as stack:
            with steps.step("start"):
                endpoint = stack.enter_context(serve(bench, {}))
            outcome = replace(outcome, start_ms=endpoint.start_ms, placeholders=endpoint.placeholders)
            yield outcome
            with steps.step("list"):
                inspection = inspect(project, endpoint)
                outcome = replace(
                    outcome,
                    tools=len(inspection.tools),
                    tools_hash=inspection.tools_hash,
                    definitions_hash=inspection.definitions_hash,
                )
                yield outcome
                _raise_if(inspection.problems, endpoint)
            with steps.step("call"):
                called = list(call_examples(project, endpoint, inspection.tools))
                yield replace(outcome, calls=called.count(None))
                _raise_if([problem for problem in called if problem], endpoint)


def _raise_if(problems: Sequence[str], endpoint: Endpoint) -> None:
    if problems:
        raise StepError(endpoint.redact("\n".join(problems)), endpoint.printed())


def _ended(outcome: Outcome, steps: _Steps, error: Exception) -> Outcome:
    """Complete the outcome of a target that did not get through."""
    return replace(
        outcome,
        verdict=Verdict.FAILED if isinstance(error, StepError) else Verdict.BLOCKED,
        seconds=steps.seconds,
        failure=StepFailure(
            steps.current, str(error), getattr(error, "log", ""), tuple(getattr(error, "help", ()))
        ),
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make every signal that asks this program to end an interruption, which cleans up after itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            # The second Ctrl-C of an impatient user would leave servers running.
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
