"""Write measured cold starts into a project's manifest, and say which threshold follows from it."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from scaffolder.amend import set_value
from scaffolder.baseline import MANIFEST
from scaffolder.diagnostics import UserError
from scaffolder.journal import Outcome
from scaffolder.manifest import Invalid, Loaded, load
from scaffolder.monitoring.calibration import Calibration
from scaffolder.monitoring.declared import MONITOR
from scaffolder.providers import profiles
from scaffolder.regenerate import Regenerated, regenerate
from scaffolder.render import outline
from scaffolder.workbench import InvalidProjectError


def observe(
    project: Path,
    target: str,
    found: Calibration,
    day: date,
    on_recovery: Callable[[Outcome], None] = lambda _: None,
) -> Regenerated:
    """Set `monitor.observed` of a target, with every comment where it was, and regenerate.

    The calibration has to have come to something. Raises InvalidProjectError for a manifest that is not
    valid, UserError where it cannot be edited, and OSError when the disk does not take the files.
    """
    value = _value(found, day)
    done = regenerate(
        project,
        amend=lambda text: set_value(text, ("monitor", "observed", target), value),
        on_recovery=on_recovery,
    )
    if isinstance(done, Invalid):
        raise InvalidProjectError(done)
    return done


def place(project: Path, target: str) -> str | None:
    """Return the URL that a manifest says a target is at; None where it says none.

    Raises InvalidProjectError for a manifest that is not valid, and UserError for a target that it has not.
    """
    url = _entry(project, target).get("url")
    return str(url) if url else None


def threshold(project: Path, target: str) -> tuple[int, Any]:
    """Return `timeout_ms` of a target as its manifest says it, and what that was calibrated with.

    Raises InvalidProjectError for a manifest that is not valid.
    """
    entry = _entry(project, target)
    return int(entry["timeout_ms"]), entry["calibration"]


def would_be(project: Path, target: str, found: Calibration, day: date) -> int:
    """Return the `timeout_ms` that writing a calibration would come to. Raises as `observe` does."""
    return int(_entry(project, target, _value(found, day))["timeout_ms"])


def demand_cold_starts(project: Path, target: str) -> None:
    """Raise UserError for a target that one process serves as long as it is up: no request is a cold start.

    Raises InvalidProjectError for a manifest that is not valid.
    """
    if profiles()[target].runtimes[_entry(project, target)["runtime"]].stays:
        raise UserError(
            f"one process serves {target} as long as it is up: only a restart is cold, and no idle time",
            help=[f"mcp-scaffold calibrate --target {target} --local"],
        )


def _value(found: Calibration, day: date) -> Mapping[str, Any]:
    p95_ms = found.p95_ms
    if p95_ms is None:
        raise ValueError(found.shortfall)
    p95_ms = int(p95_ms) if p95_ms.is_integer() else p95_ms
    return {"p95_ms": p95_ms, "samples": len(found.told.cold), "date": str(day)}


def _entry(project: Path, target: str, observed: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Return what monitor.json is to say of a target, or would say if something had been observed.

    Raises UserError where there is no such target.
    """
    loaded = load(project / MANIFEST)
    if not isinstance(loaded, Loaded):
        raise InvalidProjectError(loaded)
    raw = loaded.raw
    if observed is not None:
        monitor = raw.get("monitor") or {}
        raw = {
            **raw,
            "monitor": {**monitor, "observed": {**(monitor.get("observed") or {}), target: observed}},
        }
    targets: Mapping[str, Mapping[str, Any]] = json.loads(outline(raw)[MONITOR].content())["targets"]
    if target not in targets:
        raise UserError(f"{target}: not among the project's targets any more")
    return targets[target]
