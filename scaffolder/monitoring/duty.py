"""What a monitor has to watch, how often, and how patiently: as a project, a monitor.json or a URL says."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from scaffolder.baseline import MANIFEST
from scaffolder.diagnostics import UserError
from scaffolder.manifest import Loaded, load
from scaffolder.monitoring.alarms import HEALTHY, Rules
from scaffolder.monitoring.declared import MONITOR, TOOLS
from scaffolder.monitoring.expectation import Expectation, ExpectationError
from scaffolder.monitoring.probing import probe
from scaffolder.monitoring.terms import Terms, choose
from scaffolder.monitoring.watchkeeping import Sight, Watch
from scaffolder.render import outline
from scaffolder.workbench import InvalidProjectError

INTERVAL = 60.0
"""Seconds between two probes where nothing says otherwise."""

SHORTEST, LONGEST = 1.0, 7 * 24 * 3600.0
"""Seconds between two probes; a file that somebody has edited may say anything."""

QUIET = 1.0
"""Seconds for which files have to be left alone before they are followed."""

_State = list[tuple[int, int, int] | None]


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
        """Read, by target, how often it is to be probed and how many failures make an outage.

        Raises UserError (InvalidProjectError with all that is wrong with a manifest) and OSError.
        """
        if not self.files:
            return {}
        if self.monitor:
            content = self.monitor.read_bytes()
        else:
            loaded = load(self.files[0])
            if not isinstance(loaded, Loaded):
                raise InvalidProjectError(loaded)
            content = outline(loaded.raw)[MONITOR].content()
        try:
            return {name: dict(entry) for name, entry in json.loads(content)["targets"].items()}
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise ExpectationError(f"{self.subject} is not as `regenerate` writes it: {error}") from error

    def left(self) -> "Order | None":
        """Give the order without the targets that are gone or have no URL any more; None if none is left.

        Raises as `schedule` does.
        """
        known = self.schedule()
        wanted = tuple(name for name in self.targets or known if known.get(name, {}).get("url"))
        return replace(self, targets=wanted) if wanted else None


@dataclass(frozen=True, slots=True)
class Patience:
    """What the user asks for ahead of what the files say; None for what they say."""

    interval: float | None = None
    failures: int | None = None
    recoveries: int = Rules().recoveries


class Duty:
    """What is to be watched; it follows the files that say so.

    A planned release changes what is expected and is no drift, a target that is removed is no outage, and
    one that is added is watched from then on.
    """

    def __init__(
        self, order: Order, patience: Patience, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Read it a first time.

        Raises UserError (InvalidProjectError with all that is wrong with a manifest) where there is nothing
        to watch.
        """
        self._order = order
        self._patience = patience
        self._monotonic = monotonic
        self._state = _state(order.files)
        self._watches = self._of(order)
        # What they are by now, and since when, as long as they may be only half written.
        self._unsettled: tuple[_State, float] | None = None
        # What the files were when they made no sense, and why that is.
        self._senseless: tuple[_State, Exception] | None = None

    def watches(self) -> tuple[Watch, ...]:
        """Give what is to be watched by now: the same tuple until the files change, and are left alone.

        Half of a manifest may be a valid one without some targets, whose outages would be forgotten.
        Raises UserError and OSError where they make no sense: whoever is editing them is not done yet.
        """
        state = _state(self._order.files)
        if state == self._state:
            return self._watches
        now = self._monotonic()
        if self._unsettled is None or self._unsettled[0] != state:
            self._unsettled = state, now
        if now - self._unsettled[1] < QUIET:
            return self._watches
        if self._senseless is not None and self._senseless[0] == state:
            raise self._senseless[1]
        try:
            left = self._order.left()
            watches = self._of(left) if left else ()
        except InvalidProjectError as error:
            self._senseless = state, UserError(f"{self._order.files[0]}: {error}")
            raise self._senseless[1] from error
        except (UserError, OSError) as error:
            self._senseless = state, error
            raise
        self._state, self._watches, self._senseless = state, watches, None
        return watches

    def _of(self, order: Order) -> tuple[Watch, ...]:
        expectations, schedule = order.expectations(), order.schedule()
        return tuple(_watch(each, schedule.get(each.name, {}), self._patience) for each in expectations)


def look(expectation: Expectation) -> Sight:
    """Probe one endpoint; a state that is as it should be, such as an expected wall, is healthy here."""
    probed = probe(expectation)
    verdict = probed.verdict
    return Sight(
        str(verdict.state) if verdict.exit_status else HEALTHY,
        verdict.reason,
        probed.examination.latency_ms,
    )


def _watch(expectation: Expectation, entry: Mapping[str, Any], patience: Patience) -> Watch:
    try:
        interval = patience.interval or float(entry.get("interval_seconds", INTERVAL))
        failures = patience.failures or int(entry.get("failures", Rules().failures))
    except (ValueError, TypeError, OverflowError):
        interval = failures = 0
    if not SHORTEST <= interval <= LONGEST or failures < 1:
        raise ExpectationError(
            f"{expectation.name} has an `interval_seconds` or `failures` that nobody can watch by",
            help=["mcp-scaffold regenerate"],
        )
    return Watch(
        expectation.name,
        expectation.url,
        partial(look, expectation),
        interval,
        Rules(failures, patience.recoveries),
    )


def _state(files: Sequence[Path]) -> _State:
    """Tell one content of the files from another, without reading them."""

    def state(file: Path) -> tuple[int, int, int] | None:
        try:
            found = os.stat(file)  # noqa: PTH116 - it is not the path that is of interest
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    return [state(file) for file in files]
