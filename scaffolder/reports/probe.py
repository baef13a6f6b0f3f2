"""Report on `probe`: for people, as JSON, as JSON Lines, and as Prometheus reads it."""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from scaffolder.baseline import MANIFEST
from scaffolder.console import (
    FINE,
    FOUND,
    STYLES,
    emit,
    escaped,
    indented,
    result,
    say,
    styled,
    table,
)
from scaffolder.diagnostics import UserError
from scaffolder.monitoring.advice import advice
from scaffolder.monitoring.drift import Drift
from scaffolder.monitoring.expectation import Choice
from scaffolder.monitoring.layers import Layer, LayerResult, printable
from scaffolder.monitoring.probing import Probed
from scaffolder.monitoring.prometheus import exposition
from scaffolder.monitoring.verdict import Finding, State

SCHEMA = "mcp-scaffold/probe-target@1"
"""Of one line of JSON Lines."""

MOST_LINES = 20
"""Of the differences of a server; JSON has all of them."""

FAIL = "FAIL"

LONG = 60
"""Characters of a detail that are not worth being read twice."""

COLOURS: Mapping[State, str] = {
    State.DOWN: "1;31",
    State.WALLED: "1;35",
    State.DRIFTED: "1;33",
    State.DEGRADED: "33",
    State.HEALTHY: "1;32",
}


class Form(StrEnum):
    """How a report is printed."""

    TEXT = "text"
    JSON = "json"
    LINES = "jsonl"
    PROMETHEUS = "prometheus"


def form(*, json: bool, jsonl: bool, prometheus: bool) -> Form:
    """Choose a form by the options of the command.

    Raises UserError for several at once.
    """
    asked = [
        each
        for each, wanted in ((Form.JSON, json), (Form.LINES, jsonl), (Form.PROMETHEUS, prometheus))
        if wanted
    ]
    if len(asked) > 1:
        raise UserError(f"{' and '.join(f'--{each}' for each in asked)} exclude each other")
    return asked[0] if asked else Form.TEXT


class Telling:
    """Tells what a probe of several endpoints comes to: each as soon as its turn has come, and then all."""

    def __init__(self, choice: Choice, chosen: Form) -> None:
        """Know of none yet."""
        self._choice = choice
        self._form = chosen
        self._known: dict[str, Probed] = {}
        self._printed = 0

    def told(self, one: Probed) -> None:
        """Take in what one has come to."""
        self._known[one.expectation.name] = one
        if self._form is Form.LINES:
            result(escaped(json.dumps({"schema": SCHEMA, **as_json(one)}, ensure_ascii=False)))
            sys.stdout.flush()
        elif self._form is Form.TEXT:
            # Whoever reads on finds them in the order of the table; a program reads each as it comes.
            for each in self._choice.expectations[self._printed :]:
                if each.name not in self._known:
                    break
                self._print(self._known[each.name])

    def ended(self) -> int:
        """Say what all have come to, where that was not said yet; return the exit code."""
        probes = self._probes
        code = FOUND if any(one.verdict.exit_status for one in probes) else FINE
        self._summary(ok=code == FINE)
        if self._form is Form.TEXT:
            _next(probes)
            if unprobed := self._choice.unprobed:
                options = " and ".join(f"`target_options.{target}.url`" for target in unprobed)
                say(f"\nNot probed, without a URL: {', '.join(unprobed)}")
                say(f"  = help: set {options} in {MANIFEST}, and regenerate")
        return code

    def interrupted(self) -> None:
        """Say what is known so far."""
        if not self._known:
            return
        waiting = [each.name for each in self._choice.expectations if each.name not in self._known]
        if self._form is Form.TEXT:
            for one in self._probes[self._printed :]:
                self._print(one)
        self._summary(ok=False, interrupted=waiting)
        if self._form is Form.TEXT and waiting:
            say(f"\nNot known: {', '.join(waiting)}")
        sys.stdout.flush()

    @property
    def _probes(self) -> list[Probed]:
        return [self._known[each.name] for each in self._choice.expectations if each.name in self._known]

    def _print(self, one: Probed) -> None:
        result("\n".join([*([""] if self._printed else []), *_block(one)]))
        sys.stdout.flush()
        self._printed += 1

    def _summary(self, *, ok: bool, **more: object) -> None:
        probes = self._probes
        if self._form is Form.JSON:
            targets = [as_json(one) for one in probes]
            emit("probe", ok=ok, targets=targets, unprobed=list(self._choice.unprobed), **more)
        elif self._form is Form.PROMETHEUS:
            result(exposition(probes).rstrip("\n"))
        elif self._form is Form.TEXT and len(probes) > 1:
            result(f"\n{_table(probes)}")


def unread(*, as_json: bool) -> None:
    """Say that a project was not looked at, for its manifest does not say what to expect."""
    if not as_json:
        say(f"Nothing was probed: what is expected stands in {MANIFEST}.")


def _next(probes: Sequence[Probed]) -> None:
    """Say what to do about each."""
    for one in probes:
        lines = [printable(line) for line in advice(one)]
        if lines:
            sys.stdout.flush()
            say(f"\n{one.expectation.name}:" if len(probes) > 1 else "")
        for line in lines:
            say(f"  = help: {line}")


def as_json(one: Probed) -> dict[str, Any]:
    """Give a probe the form that `--json` and `--jsonl` print."""
    expectation, examination, verdict = one.expectation, one.examination, one.verdict
    main = examination.main
    hashes = examination.hashes.get(main.era) if main else None
    document: dict[str, Any] = _sound(
        {
            "target": expectation.name,
            "url": expectation.url,
            "at": datetime.fromtimestamp(examination.at, UTC).isoformat(timespec="milliseconds"),
            "state": str(verdict.state),
            "reason": verdict.reason,
            "exit_status": verdict.exit_status,
            "latency_ms": examination.latency_ms,
            "timeout_ms": expectation.timeout_ms,
            "down_ms": expectation.down_ms,
            "server": dict(main.server) if main else None,
            "tools": len(main.tools) if main else None,
            "tools_hash": hashes and hashes.tools,
            "definitions_hash": hashes and hashes.definitions,
            "expected": {
                "server": expectation.server,
                "version": expectation.version,
                "eras": list(map(str, expectation.eras)),
                "tools_hash": expectation.tools_hash,
                "definitions_hash": expectation.definitions_hash,
                "auth": expectation.auth,
            },
            "missing": [each.variable for each in expectation.missing],
            "layers": [_layer_as_json(layer) for layer in examination.layers],
            "findings": [_finding_as_json(finding) for finding in verdict.findings],
            "drift": _drift_as_json(verdict.drift),
            "help": [printable(line) for line in advice(one)],
        }
    )
    return document


def _layer_as_json(layer: LayerResult) -> dict[str, Any]:
    return {
        "layer": str(layer.layer),
        "ok": layer.ok,
        "ms": layer.ms,
        "detail": layer.detail,
        "facts": dict(layer.facts),
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "state": str(finding.state),
        "layer": str(finding.layer),
        "era": finding.era and str(finding.era),
        "sentence": printable(finding.sentence),
    }


def _drift_as_json(drift: Drift) -> dict[str, Any]:
    changed = [
        {
            "tool": change.tool,
            "kind": str(change.kind),
            "path": change.path,
            "before": change.before,
            "after": change.after,
            "contract": change.contract,
        }
        for change in drift.changed
    ]
    return {
        "added": drift.added,
        "removed": drift.removed,
        "repeated": drift.repeated,
        "changed": changed,
    }


def _sound(value: Any) -> Any:
    """Make of what a server said JSON that every output takes: no half of a surrogate pair, no infinity."""
    if isinstance(value, dict):
        return {_sound(key): _sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        # As ECMAScript prints it.
        return None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _block(one: Probed) -> Iterator[str]:
    """Say what became of one endpoint: the verdict, the layers, and how the tools differ."""
    verdict = one.verdict
    state = styled(str(verdict.state), COLOURS[verdict.state], sys.stdout)
    yield f"{styled(one.expectation.name, STYLES['message'], sys.stdout)}  {one.expectation.url}"
    yield f"{state}: {verdict.reason}"
    rows = [
        (
            _mark(one, layer),
            str(layer.layer),
            "" if layer.ms is None else f"{layer.ms:.0f} ms",
            _detail(one, layer),
        )
        for layer in one.examination.layers
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for mark, layer_name, ms, detail in rows:
        cells = f"{mark:<{widths[0]}}  {layer_name:<{widths[1]}}  {ms:>{widths[2]}}  {detail}".rstrip()
        yield indented(cells if mark != FAIL else styled(cells, STYLES["mark"], sys.stdout))
    # One that was found in both eras is the same for who reads.
    also = dict.fromkeys((finding.state, printable(finding.sentence)) for finding in verdict.findings)
    yield from (f"also {state}: {sentence}" for state, sentence in islice(also, 1, None))
    lines = verdict.drift.lines(one.expectation.says)
    yield from (f"drift: {printable(line)}" for line in islice(lines, MOST_LINES))
    if more := sum(1 for _ in lines):
        yield f"drift: and {more} more, which `--json` has"


def _mark(one: Probed, layer: LayerResult) -> str:
    if _unneeded(one, layer):
        return "-"
    return "ok" if layer.ok and not one.verdict.blames(layer) else FAIL


def _unneeded(one: Probed, layer: LayerResult) -> bool:
    """Tell an era that is not there, and that nobody has said should be."""
    return (
        layer.layer is Layer.PROTOCOL
        and not layer.ok
        and layer.facts.get("era") not in one.expectation.eras
        and not one.verdict.blames(layer)
    )


def _detail(one: Probed, layer: LayerResult) -> str:
    """Say what was found at a layer, and in which era where the others were better."""
    detail = layer.detail
    if _unneeded(one, layer):
        return f"not needed: {detail}"
    if not layer.ok and len(detail) > LONG and layer.detail in one.verdict.reason:
        return "as said above"
    if not layer.ok or not one.verdict.blames(layer):
        return detail
    if layer.layer is Layer.HASHES:
        detail = f"tools {layer.facts['tools_hash']}, definitions {layer.facts['definitions_hash']}"
    if layer.layer is Layer.PROTOCOL:
        return detail
    main = one.examination.main
    eras = [
        finding.era
        for finding in one.verdict.findings
        if finding.layer is layer.layer and finding.era is not None
    ]
    if layer.layer is Layer.HASHES:
        others = [era for era in eras if main is not None and era is not main.era]
        return f"{detail}; others in the {others[0]} era" if others else detail
    return f"{detail}, but fails in the {' and the '.join(dict.fromkeys(eras))} era" if eras else detail


def _table(probes: Sequence[Probed]) -> str:
    header = ("target", "state", "latency", "tools", "reason")
    rows = [
        (
            one.expectation.name,
            str(one.verdict.state),
            "" if one.examination.latency_ms is None else f"{one.examination.latency_ms:.0f} ms",
            "" if one.examination.main is None else str(len(one.examination.main.tools)),
            one.verdict.reason,
        )
        for one in probes
    ]
    return table(header, rows)
