"""monitor.json holds the guide's thresholds, or twice what was measured, and what a monitor needs beside."""

import json
from typing import Any

import pytest

from scaffolder.render import render

TARGETS = ["cloudflare", "deno", "vercel", "bun"]

# Of the guide, in milliseconds; by target and by the runtime that the target is set to.
TIMEOUTS = [
    ("cloudflare", None, "workerd", 500),
    ("deno", None, "deno", 1000),
    ("vercel", None, "nodejs", 2000),
    ("vercel", "nodejs", "nodejs", 2000),
    ("vercel", "edge", "edge", 1000),
    ("bun", None, "bun", 1000),
]

TOOL = {"name": "look", "inputSchema": {"type": "object"}}


def monitor(**changes: Any) -> dict[str, Any]:
    """Return the monitor.json of a manifest."""
    manifest = {"name": "notes", "targets": TARGETS, "tools": [TOOL], **changes}
    parsed: dict[str, Any] = json.loads(render(manifest)["monitor/monitor.json"])
    return parsed


def observed(p95_ms: float) -> dict[str, dict[str, Any]]:
    """Return what monitor.json holds for the targets where all their cold starts were measured."""
    measured = {"p95_ms": p95_ms, "samples": 50, "date": "2026-11-22"}
    changes = {"observed": dict.fromkeys(TARGETS, measured)}
    held: dict[str, dict[str, Any]] = monitor(monitor=changes)["targets"]
    assert [each["calibration"] for each in held.values()] == [measured] * len(TARGETS)
    return held


@pytest.mark.parametrize(("target", "chosen", "runtime", "timeout_ms"), TIMEOUTS)
def test_the_table_of_the_guide(target: str, chosen: str | None, runtime: str, timeout_ms: int) -> None:
    """Each runtime has the guide's threshold until something else is measured."""
    options = {target: {"runtime": chosen}} if chosen else {}
    held = monitor(target_options=options)["targets"][target]
    assert held["runtime"] == runtime
    assert held["timeout_ms"] == timeout_ms
    assert held["calibration"] == "table"
    assert held["down_ms"] >= timeout_ms


@pytest.mark.parametrize(
    ("p95_ms", "timeout_ms"),
    [
        (0.1, 50),
        (1, 50),
        (25, 50),
        (25.1, 100),
        (26, 100),
        (50, 100),
        (417.3, 850),
        (420, 850),
        (425, 850),
        (425.001, 900),
        (500, 1000),
        (1999.99, 4000),
        (2000, 4000),
        (2000.5, 4050),
        (4000, 8000),
    ],
)
def test_twice_what_was_measured(p95_ms: float, timeout_ms: int) -> None:
    """The 95th percentile of cold starts, twice, rounded up to the next 50 ms; a multiple stays as it is."""
    assert [held["timeout_ms"] for held in observed(p95_ms).values()] == [timeout_ms] * len(TARGETS)


@pytest.mark.parametrize("p95_ms", [1, 400, 2500, 2501, 5000, 5001, 7000, 20_000, 59_000])
def test_a_server_is_not_down_before_it_is_slow(p95_ms: float) -> None:
    """However long the cold starts, a probe is degraded first and an outage after that."""
    for held in observed(p95_ms).values():
        assert held["down_ms"] >= held["timeout_ms"] >= 2 * p95_ms


def test_a_measurement_is_of_its_target_alone() -> None:
    """The other targets keep the guide's thresholds."""
    targets = monitor(monitor={"observed": {"deno": {"p95_ms": 90}}})["targets"]
    assert {name: held["timeout_ms"] for name, held in targets.items()} == {
        "cloudflare": 500,
        "deno": 200,
        "vercel": 2000,
        "bun": 1000,
    }


def test_how_often_and_how_many_failures() -> None:
    """They are the manifest's for each target, or once a minute and three in a row."""
    for changes, expected in (
        ({}, (60, 3)),
        ({"monitor": {"interval_seconds": 300, "failures": 5}}, (300, 5)),
        ({"monitor": {"failures": 1}}, (60, 1)),
    ):
        for held in monitor(**changes)["targets"].values():
            assert (held["interval_seconds"], held["failures"]) == expected


def test_targets_are_the_manifests() -> None:
    """No other is watched, and each has the URL that the manifest gives it, if any."""
    url = "https://notes.example.com/mcp"
    targets = monitor(targets=["deno", "bun"], target_options={"bun": {"url": url}})["targets"]
    assert {name: held["url"] for name, held in targets.items()} == {"deno": None, "bun": url}


def test_the_revisions_that_a_server_speaks() -> None:
    """Both eras, newest first; the request for each era says one of them."""
    held = monitor()
    assert held["protocol_versions"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
    assert list(held["requests"]) == ["discover", "list_tools", "initialize"]
    assert held["requests"]["discover"]["headers"]["mcp-protocol-version"] == "2026-07-28"
    assert held["requests"]["initialize"]["body"]["params"]["protocolVersion"] == "2025-11-25"


def test_no_legacy_revision_is_expected_of_a_server_that_rejects_them() -> None:
    """Neither among the versions nor among the requests."""
    held = monitor(transport={"legacy": "reject"})
    assert held["protocol_versions"] == ["2026-07-28"]
    assert list(held["requests"]) == ["discover", "list_tools"]


def test_no_session_is_begun_to_watch_a_server() -> None:
    """A handshake once a minute would fill its store; the revisions are those that it speaks all the same."""
    held = monitor(transport={"legacy": "sessions"})
    assert held["protocol_versions"] == monitor()["protocol_versions"]
    assert list(held["requests"]) == ["discover", "list_tools"]
