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
from scaffolder.console import FINE, FOUND, STYLES, emit, indented, next_commands, result, say, styled
from scaffolder.diagnostics import UserError
from scaffolder.monitoring.drift import Drift
from scaffolder.monitoring.layers import Layer, LayerResult, printable
from scaffolder.monitoring.probing import Probed
from scaffolder.monitoring.prometheus import exposition
from scaffolder.monitoring.verdict import Finding, State

SCHEMA = "mcp-scaffold/probe-target@1"
"""Of one line of JSON Lines."""

MOST_LINES = 20
"""Of the differences of a server; JSON has all of them."""

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


def told(one: Probed, chosen: Form) -> None:
    """Print what a probe of one endpoint came to, as soon as that is known."""
    if chosen is Form.LINES:
        result(json.dumps({"schema": SCHEMA, **as_json(one)}, ensure_ascii=False))
        sys.stdout.flush()
    elif chosen is Form.TEXT:
        result("\n".join(_block(one)))
        sys.stdout.flush()


def probed(probes: Sequence[Probed], chosen: Form, unprobed: Sequence[str] = ()) -> int:
    """Print what a probe of all endpoints came to, where that was not said yet; return the exit code.

    `unprobed` are the targets that have no URL.
    """
    code = FOUND if any(one.verdict.exit_status for one in probes) else FINE
    if chosen is Form.JSON:
        emit("probe", ok=code == FINE, targets=[as_json(one) for one in probes], unprobed=list(unprobed))
    elif chosen is Form.PROMETHEUS:
        result(exposition(probes).rstrip("\n"))
    elif chosen is Form.TEXT:
        if len(probes) > 1:
            result(_table(probes))
        if any(finding.layer is Layer.HASHES for one in probes for finding in one.verdict.findings):
            say("\nIf the change was meant, the expectation is old: regenerate, and deploy what that gives.")
            next_commands(["mcp-scaffold regenerate"])
        if unprobed:
            options = " and ".join(f"`target_options.{target}.url`" for target in unprobed)
            say(f"\nNot probed, without a URL: {', '.join(unprobed)}")
            say(f"  = help: set {options} in {MANIFEST}, and regenerate")
    return code


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
            "FAIL" if _blamed(one, layer) else "ok" if layer.ok else "no",
            str(layer.layer),
            "" if layer.ms is None else f"{layer.ms:.0f} ms",
            layer.detail,
        )
        for layer in one.examination.layers
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for mark, layer_name, ms, detail in rows:
        cells = f"{mark:<{widths[0]}}  {layer_name:<{widths[1]}}  {ms:>{widths[2]}}  {detail}".rstrip()
        yield indented(cells if mark != "FAIL" else styled(cells, STYLES["mark"], sys.stdout))
    for finding in verdict.findings[1:]:
        yield f"also {finding.state}: {printable(finding.sentence)}"
    lines = verdict.drift.lines()
    yield from (f"drift: {printable(line)}" for line in islice(lines, MOST_LINES))
    if more := sum(1 for _ in lines):
        yield f"drift: and {more} more, which `--json` has"
    yield ""


def _blamed(one: Probed, layer: LayerResult) -> bool:
    """Tell whether the verdict finds fault with a layer that was passed."""
    era = layer.facts.get("era") if layer.layer is Layer.PROTOCOL else None
    # An expected wall is found, and is no fault.
    return one.verdict.exit_status != FINE and any(
        finding.layer is layer.layer and (finding.era is None or era is None or finding.era == era)
        for finding in one.verdict.findings
    )


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
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    lines[0] = styled(lines[0], STYLES["message"], sys.stdout)
    return "\n".join(lines)
