"""What a monitor has to watch, how often, and how patiently: as a project, a monitor.json or a URL says."""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffolder.baseline import MANIFEST
from scaffolder.diagnostics import UserError
from scaffolder.manifest import Loaded, load
from scaffolder.monitoring.alarms import HEALTHY, Rules
from scaffolder.monitoring.expectation import MONITOR, TOOLS, Expectation, Terms, choose
from scaffolder.monitoring.probing import probe
from scaffolder.monitoring.watchkeeping import Sight, Watch
from scaffolder.render import outline

INTERVAL = 60.0
"""Seconds between two probes where nothing says otherwise."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the arguments of a command ask to be watched."""

    where: str | None = None
    """A URL, or a project's folder; None for the one that the user is in."""
    targets: tuple[str, ...] = ()
    monitor: Path | None = None
    """A monitor.json, instead of a project."""
    terms: Terms = field(default_factory=Terms)

    @property
    def files(self) -> tuple[Path, ...]:
        """What the expectations are read from; nothing for a URL."""
        if self.monitor:
            return self.monitor, self.monitor.with_name(TOOLS)
        folder = Path(self.where or ".")
        return (folder / MANIFEST,) if self.targets or folder.is_dir() else ()

    @property
    def subject(self) -> str:
        """What is watched, whatever folder the user is in."""
        return str(self.files[0].resolve()) if self.files else str(self.where)

    def expectations(self) -> tuple[Expectation, ...]:
        """Read what is expected now. Raises UserError where that cannot be known."""
        return choose(self.where or ".", self.targets, self.monitor, self.terms)

    def schedule(self) -> Mapping[str, Any]:
        """Read, by target, how often it is to be probed and how many failures make an outage."""
        if self.monitor:
            document = json.loads(self.monitor.read_bytes())
        elif self.files and isinstance(loaded := load(self.files[0]), Loaded):
            document = json.loads(outline(loaded.raw)[MONITOR].content())
        else:
            return {}
        targets: Mapping[str, Any] = document["targets"]
        return targets


@dataclass(frozen=True, slots=True)
class Patience:
    """What the user asks for ahead of what the files say; None for what they say."""

    interval: float | None = None
    failures: int | None = None
    recoveries: int = Rules().recoveries


class Expected:
    """Expectations that follow their files: a planned release changes what is expected, and is no drift."""

    def __init__(self, order: Order) -> None:
        """Read them a first time. Raises UserError where they cannot be known."""
        self._order = order
        self._lock = threading.Lock()
        self._state = _state(order.files)
        self._known = {each.name: each for each in order.expectations()}

    @property
    def now(self) -> Mapping[str, Expectation]:
        """What is expected by now, by name; as long as the files make no sense, what was before."""
        with self._lock:
            state = _state(self._order.files)
            if state != self._state:
                try:
                    self._known |= {each.name: each for each in self._order.expectations()}
                    self._state = state
                except (UserError, OSError):
                    # Whoever is editing them is not done yet.
                    pass
            return self._known


def watches(order: Order, patience: Patience) -> tuple[Watch, ...]:
    """Give the watches that are asked for.

    Raises UserError (InvalidProjectError with all that is wrong with a manifest) where there is nothing to
    watch.
    """
    expected = Expected(order)
    schedule = order.schedule()
    return tuple(
        _watch(expectation, schedule.get(name, {}), patience, expected)
        for name, expectation in expected.now.items()
    )


def look(expectation: Expectation) -> Sight:
    """Probe one endpoint; a state that is as it should be, such as an expected wall, is healthy here."""
    probed = probe(expectation)
    verdict = probed.verdict
    return Sight(
        str(verdict.state) if verdict.exit_status else HEALTHY,
        verdict.reason,
        probed.examination.latency_ms,
    )


def _watch(
    expectation: Expectation, entry: Mapping[str, Any], patience: Patience, expected: Expected
) -> Watch:
    name = expectation.name
    return Watch(
        name,
        expectation.url,
        _looking(expected, name),
        patience.interval or float(entry.get("interval_seconds", INTERVAL)),
        Rules(patience.failures or int(entry.get("failures", Rules().failures)), patience.recoveries),
    )


def _looking(expected: Expected, name: str) -> Callable[[], Sight]:
    return lambda: look(expected.now[name])


def _state(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    """Tell one content of the files from another, without reading them."""

    def state(file: Path) -> tuple[int, int, int] | None:
        try:
            found = os.stat(file)  # noqa: PTH116 - it is not the path that is of interest
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    return [state(file) for file in files]
