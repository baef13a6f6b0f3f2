"""A watch is told as JSON Lines in a pipe and as a table on a terminal, and follows its project's files."""

import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fake_servers
import pytest
import yaml
from projects import make
from rich.console import Console

from scaffolder.diagnostics import UserError
from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.alarms import Alarm, Kind, Rules, Standing
from scaffolder.monitoring.duty import Order, Patience, watches
from scaffolder.monitoring.expectation import ExpectationError
from scaffolder.monitoring.watchkeeping import Event, Raised, Seen, Sent, Sight, Trouble, Watch
from scaffolder.reports.monitor import line, monitored, rows, telling
from scaffolder.workbench import InvalidProjectError

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
URL = "https://notes.example.com/mcp"


def watch(name: str = "deno") -> Watch:
    """Give a watch of nothing."""
    return Watch(name, URL, lambda: Sight("healthy", ""))


SEEN = Seen(watch(), Sight("down", "TCP: \x1b[31mrefused", None), Standing("healthy", AT), AT)
ALARM = Alarm("deno-1", Kind.OUTAGE, "deno", URL, "healthy", "down", "TCP: \x1b[31mrefused", AT, AT)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (SEEN, {"event": "verdict", "verdict": "down", "state": "healthy", "latency_ms": None}),
        (Raised(ALARM), {"event": "alarm", "kind": "outage", "id": "deno-1", "again": False}),
        (
            Sent(ALARM, "HTTP 500"),
            {"event": "delivery", "id": "deno-1", "arrived": False, "given_up": False},
        ),
        (Trouble("disk full"), {"event": "trouble", "message": "disk full"}),
    ],
)
def test_a_line_for_each_event(event: Event, expected: dict[str, Any]) -> None:
    """Each is one object, tagged with the schema, and says what happened, to whom and when."""
    found = json.loads(json.dumps(line(event)))
    assert found["schema"] == "mcp-scaffold/monitor@1"
    assert {key: found[key] for key in expected} == expected


def test_lines_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """The result is JSON alone; the story beside it has no colours, and nothing that steers a terminal."""
    with telling([watch()], as_json=False) as tell:
        for event in (SEEN, Raised(ALARM), Sent(ALARM, "HTTP 500"), Sent(ALARM), Trouble("\x1b[2J")):
            tell(event)
    printed = capsys.readouterr()
    assert [json.loads(each)["event"] for each in printed.out.splitlines()] == [
        "verdict",
        "alarm",
        "delivery",
        "delivery",
        "trouble",
    ]
    assert "outage: 2026-11-22T12:00:00Z deno: healthy -> down: TCP:  [31mrefused" in printed.err
    assert "deno-1 did not arrive, and is sent again: HTTP 500" in printed.err
    assert "\x1b" not in printed.err


def test_a_table_on_a_terminal() -> None:
    """What is believed, since when, and what was seen last; no markup of anybody's is obeyed."""
    hostile = watch("[red]name")
    seen = {
        "deno": SEEN,
        hostile.name: Seen(hostile, Sight("healthy", "[b]ok", 12.3), Standing("healthy", AT), AT),
    }
    file = io.StringIO()
    Console(file=file, width=200, color_system=None).print(rows([watch(), hostile, watch("new")], seen))
    first, second, third = [text.strip() for text in file.getvalue().splitlines()[1:]]
    assert first.startswith("deno")
    assert "healthy" in first
    assert "down: TCP:  [31mrefused" in first
    assert second.startswith("[red]name")
    assert "12 ms" in second
    assert "[b]ok" in second
    assert third.startswith("new")


def manifest(url: str, **changes: Any) -> dict[str, Any]:
    """Declare the server of `fake_servers`, which has one tool."""
    return {
        "name": "s",
        "targets": ["deno", "bun"],
        "target_options": {"deno": {"url": url}},
        "tools": [dict(fake_servers.TOOL)],
        "monitor": {"interval_seconds": 45, "failures": 4},
        **changes,
    }


def test_a_project_says_how_it_is_watched(tmp_path: Path) -> None:
    """The targets that have a URL, as often and as patiently as the manifest says; options come first."""
    project = make(tmp_path / "project", manifest(URL))
    for order in (Order(str(project)), Order(monitor=project / "monitor/monitor.json")):
        (found,) = watches(order, Patience())
        assert (found.name, found.url, found.interval, found.rules) == ("deno", URL, 45, Rules(4, 2))
        (other,) = watches(order, Patience(interval=10, failures=1, recoveries=5))
        assert (other.interval, other.rules) == (10, Rules(1, 5))


def test_a_url_is_watched_with_the_defaults() -> None:
    """Once a minute, three failures in a row."""
    (found,) = watches(Order(URL), Patience())
    assert (found.url, found.interval, found.rules) == (URL, 60, Rules(3, 2))


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (Order("nowhere"), ExpectationError),
        (Order(monitor=Path("nowhere.json")), (ExpectationError, FileNotFoundError)),
        (Order("project", ("bun",)), ExpectationError),
        (Order("project", ("denno",)), ExpectationError),
        (Order("broken"), InvalidProjectError),
    ],
)
def test_nothing_to_watch_is_refused(
    order: Order,
    error: type[Exception] | tuple[type[Exception], ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything begins, with what `probe` would say."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "project", manifest(URL))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/mcp.yaml").write_text("name: 1\n")
    with pytest.raises(error):
        watches(order, Patience())


def test_what_is_watched_has_one_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever folder the user is in, and whatever the project is called from there."""
    project = make(tmp_path / "project", manifest(URL))
    monkeypatch.chdir(tmp_path)
    outside = Order("project").subject
    monkeypatch.chdir(project)
    assert {Order(None).subject, Order(".").subject, Order(str(project)).subject} == {outside}
    assert Order(URL).subject == URL


def serving(tools: list[dict[str, Any]]) -> Callable[[fake_servers.Handler, dict[str, Any]], None]:
    """Answer as a server that has other tools."""

    def answer(handler: fake_servers.Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
            handler.reply(message, {"tools": tools, **modern})
        else:
            fake_servers.healthy(handler, message)

    return answer


def test_a_planned_release_is_no_drift(tmp_path: Path) -> None:
    """The next probe expects what the manifest says by then; while that makes no sense, what it said."""
    new = {**fake_servers.TOOL, "name": "renamed"}
    with fake_servers.server(serving([new])) as (url, _):
        project = make(tmp_path / "project", manifest(url))
        (found,) = watches(Order(str(project)), Patience())
        assert found.probe().state == "drifted"
        (project / "mcp.yaml").write_text("name: [")
        assert found.probe().state == "drifted"
        (project / "mcp.yaml").write_text(yaml.safe_dump(manifest(url, tools=[new])))
        after = found.probe()
    assert tools_hash([new]) != tools_hash([fake_servers.TOOL])
    assert definitions_hash([new]) != definitions_hash([fake_servers.TOOL])
    # It has no /readyz, and is otherwise what was deployed.
    assert after.state == "degraded"
    assert "/readyz" in after.reason


@pytest.mark.parametrize(("state", "code"), [("healthy", 0), ("down", 1), ("degraded", 1)])
def test_the_exit_status_after_the_rounds(
    state: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 where all were healthy at last, and 1 where one was not."""
    both = [
        Watch("a", URL, lambda: Sight("healthy", "")),
        Watch("b", URL, lambda: Sight(state, ""), interval=0.01),
    ]
    file = tmp_path / "state.json"
    assert monitored(both, file, URL, to=None, jobs=1, rounds=1, as_json=True) == code
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert file.exists()


def test_a_torn_state_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The watch begins anew, and what was there is kept for whoever wants to look."""
    file = tmp_path / "state.json"
    file.write_bytes(b'{"schema":"mcp-scaffold/monitor-state@1","targets":{"a"')
    assert monitored([watch()], file, URL, to=None, jobs=1, rounds=1, as_json=True) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[0])["event"] == "trouble"
    assert "laid aside as state.json.torn-1" in printed.err
    assert "state.json.torn-1" in os.listdir(tmp_path)  # noqa: PTH208 -- names are what is compared


def test_a_foreign_state_is_refused(tmp_path: Path) -> None:
    """A file that is somebody else's is not written over."""
    file = tmp_path / "mcp.yaml"
    file.write_text("name: notes\n")
    with pytest.raises(UserError, match="is not the state of a monitor"):
        monitored([watch()], file, URL, to=None, jobs=1, rounds=1, as_json=True)
    assert file.read_text() == "name: notes\n"
