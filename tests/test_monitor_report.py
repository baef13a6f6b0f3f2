"""A watch is told as JSON Lines in a pipe and as a table on a terminal, and follows its project's files."""

import io
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from scaffolder.monitoring.duty import QUIET, Duty, Order, Patience
from scaffolder.monitoring.expectation import ExpectationError
from scaffolder.monitoring.watchkeeping import Changed, Event, Raised, Seen, Sent, Sight, Trouble, Watch
from scaffolder.regenerate import regenerate
from scaffolder.reports.monitor import line, monitored, rows, telling
from scaffolder.workbench import InvalidProjectError

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
URL = "https://notes.example.com/mcp"


def watch(name: str = "deno") -> Watch:
    """Give a watch of nothing."""
    return Watch(name, URL, lambda: Sight("healthy", ""))


def watched() -> tuple[Watch, ...]:
    """Have it watched."""
    return WATCHED


WATCHED = (watch(),)

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
        (
            Seen(watch(), Sight("healthy", ""), Standing("healthy", AT, unwatched=(AT, AT)), AT),
            {"unwatched": {"from": "2026-11-22T12:00:00Z", "to": "2026-11-22T12:00:00Z"}},
        ),
        (Raised(ALARM, again=True, waiting=True), {"again": True, "waiting": True}),
        (Trouble("disk full"), {"event": "trouble", "message": "disk full"}),
        (
            Changed((watch("bun"),), ("bun",), ("deno",), ()),
            {"event": "targets", "watched": ["bun"], "added": ["bun"], "removed": ["deno"], "altered": []},
        ),
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


def test_an_alarm_that_waits_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Who looks without the webhook is told that nobody has got it; and a recovery how long it took."""
    up = replace(
        ALARM,
        kind=Kind.RECOVERY,
        before="down",
        after="healthy",
        began=AT + timedelta(minutes=5),
        reason="ok",
    )
    with telling([watch()], as_json=False) as tell:
        tell(Raised(ALARM, again=True, waiting=True))
        tell(Raised(up))
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(" (from an earlier run; not delivered yet: no webhook in this run)")
    assert second == "recovery: 2026-11-22T12:00:00Z deno: down -> healthy after 300 s: ok"


def test_a_pause_is_told_once_and_stays_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """`since` does not say that somebody looked all the time; its clock is named."""
    standing = Standing("healthy", AT, unwatched=(AT + timedelta(days=1), AT + timedelta(days=2)))
    first = Seen(watch(), Sight("healthy", "ok", 1), standing, AT + timedelta(days=2))
    with telling([watch()], as_json=False) as tell:
        tell(first)
        tell(replace(first, at=AT + timedelta(days=2, minutes=1)))
    told = "deno was not watched from 2026-11-23T12:00:00Z to 2026-11-24T12:00:00Z\n"
    assert capsys.readouterr().err == told
    file = io.StringIO()
    table = rows([watch()], {"deno": first}, width=160)
    Console(file=file, width=160, color_system=None).print(table)
    head, row = file.getvalue().splitlines()
    assert head.count("(local time)") == 2
    assert ", with a pause" in row


def test_a_table_on_a_terminal() -> None:
    """What is believed, since when, and what was seen last; no markup of anybody's is obeyed."""
    hostile = watch("[red]name")
    seen = {
        "deno": SEEN,
        hostile.name: Seen(hostile, Sight("healthy", "[b]ok", 12.3), Standing("healthy", AT), AT),
    }
    file = io.StringIO()
    Console(file=file, width=200, color_system=None).print(
        rows([watch(), hostile, watch("new")], seen, width=200)
    )
    first, second, third = [text.strip() for text in file.getvalue().splitlines()[1:]]
    assert first.startswith("deno")
    assert "healthy" in first
    assert "down: TCP:  [31mrefused" in first
    assert second.startswith("[red]name")
    assert "12 ms" in second
    assert "[b]ok" in second
    assert third.startswith("new")


def test_a_line_for_each_server_on_a_narrow_terminal() -> None:
    """What does not fit is cut off, and wraps no line: the drawing is as high as it has servers."""
    seen = {"deno": SEEN}
    for width in (20, 25, 30, 40, 60, 80, 100, 120):
        file = io.StringIO()
        table = rows([watch(), watch("new" * 30)], seen, width=width)
        Console(file=file, width=width, color_system=None).print(table)
        lines = file.getvalue().splitlines()
        assert len(lines) == 3
        assert all(len(each) <= width for each in lines)
        assert "healthy" in lines[1]
        assert ("down: TCP" in lines[1]) == (width >= 60)
        assert ("latency" in lines[0]) == (width > 80)


def test_more_servers_than_lines() -> None:
    """Those that are not well come first, and the others are counted."""
    many = [watch(f"s{number}") for number in range(100)]
    seen = {
        each.name: Seen(each, Sight("healthy", "ok", 1), Standing("healthy", AT), AT) for each in many[:98]
    }
    ill = many[70]
    seen[ill.name] = Seen(ill, Sight("down", "refused"), Standing("down", AT), AT)
    file = io.StringIO()
    Console(file=file, width=100, color_system=None).print(rows(many, seen, width=100, most=7))
    head, first, *others, last = file.getvalue().splitlines()
    assert head.startswith("target")
    assert first.startswith("s70 ")
    assert len(others) == 6
    assert last.strip() == "93 more; 97 healthy, 2 unknown, 1 down"


class Terminal(io.TextIOWrapper):
    """What is printed to a terminal that knows few characters."""

    def __init__(self, encoding: str) -> None:
        """Begin empty."""
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        """Say so."""
        return True

    def shown(self) -> str:
        """Give what was printed."""
        found = self.buffer
        assert isinstance(found, io.BytesIO)
        return found.getvalue().decode(self.encoding)


FOREIGN = Seen(watch(), Sight("down", "gone \u00e9\u4e2d", None), Standing("down", AT), AT)


@pytest.mark.parametrize("term", ["dumb", "xterm"])
@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "utf-8"])
def test_a_terminal_without_a_character(term: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says never ends the watch, whatever the locale; and it is told as it comes."""
    out = Terminal(encoding)
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "100")
    with telling([watch()], as_json=False) as tell:
        for event in (FOREIGN, Raised(ALARM), Changed((watch(),), ("deno",)), Trouble("\u4e2d")):
            tell(event)
        assert "deno" in out.shown()
        assert "gone" in out.shown()
        assert "targets: added: deno" in out.shown()
    assert ("\x1b[" in out.shown()) == (term == "xterm")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_pipe_without_a_character(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is JSON in any locale, and says the same in each."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", out)
    with telling([watch()], as_json=False) as tell:
        tell(FOREIGN)
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    assert json.loads(buffer.getvalue())["reason"] == "gone \u00e9\u4e2d"


def hours() -> Callable[[], float]:
    """Give a clock that goes on by an hour each time it is read."""
    return itertools.count(0.0, 3600.0).__next__


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
        (found,) = Duty(order, Patience()).watches()
        assert (found.name, found.url, found.interval, found.rules) == ("deno", URL, 45, Rules(4, 2))
        (other,) = Duty(order, Patience(interval=10, failures=1, recoveries=5)).watches()
        assert (other.interval, other.rules) == (10, Rules(1, 5))


def test_a_url_is_watched_with_the_defaults() -> None:
    """Once a minute, three failures in a row."""
    (found,) = Duty(Order(URL), Patience()).watches()
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
        Duty(order, Patience())


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
        duty = Duty(Order(str(project)), Patience(), hours())
        (found,) = duty.watches()
        assert found.probe().state == "drifted"
        (project / "mcp.yaml").write_text("name: [")
        assert duty.watches() == (found,)
        for _ in range(2):
            with pytest.raises(UserError, match=r"mcp\.yaml: "):
                duty.watches()
        (project / "mcp.yaml").write_text(yaml.safe_dump(manifest(url, tools=[new])))
        assert duty.watches() == (found,)
        (found,) = duty.watches()
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
    both = (
        Watch("a", URL, lambda: Sight("healthy", "")),
        Watch("b", URL, lambda: Sight(state, ""), interval=0.01),
    )
    file = tmp_path / "state.json"
    assert monitored(lambda: both, file, URL, to=None, jobs=1, rounds=1, as_json=True) == code
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert file.exists()


def test_a_server_that_could_not_be_probed_is_not_known_to_be_healthy(tmp_path: Path) -> None:
    """A fault of the monitor is no verdict, and no success either."""

    def fail() -> Sight:
        raise RuntimeError("bug")

    both = (*WATCHED, Watch("b", URL, fail))
    assert monitored(lambda: both, tmp_path / "s", URL, to=None, jobs=1, rounds=1, as_json=True) == 1


def test_a_project_that_changes_is_followed(tmp_path: Path) -> None:
    """Targets come, go and move with the manifest and with monitor.json; asked-for ones may go as well."""
    project = make(tmp_path / "project", manifest(URL))
    orders = (
        Order(str(project)),
        Order(monitor=project / "monitor/monitor.json"),
        Order(str(project), ("deno",)),
    )
    duties = [Duty(order, Patience(), hours()) for order in orders]

    def found() -> list[list[tuple[str, str, float]]]:
        for duty in duties:
            duty.watches()
        return [[(each.name, each.url, each.interval) for each in duty.watches()] for duty in duties]

    deno = ("deno", URL, 45)
    assert found() == [[deno]] * 3
    assert duties[0].watches() is duties[0].watches()
    bun = "https://bun.example.com/mcp"
    for urls, interval, expected in (
        ({"deno": URL, "bun": bun}, 45, [[deno, ("bun", bun, 45)]] * 2 + [[deno]]),
        ({"deno": bun}, 90, [[("deno", bun, 90)]] * 3),
        ({"bun": bun}, 45, [[("bun", bun, 45)]] * 2 + [[]]),
        ({}, 45, [[]] * 3),
        ({"deno": URL}, 45, [[deno]] * 3),
    ):
        options = {name: {"url": url} for name, url in urls.items()}
        changed = manifest(URL, target_options=options)
        changed["monitor"]["interval_seconds"] = interval
        (project / "mcp.yaml").write_text(yaml.safe_dump(changed))
        assert regenerate(project)
        assert found() == expected
    (project / "monitor/monitor.json").write_text("{")
    duties[1].watches()
    with pytest.raises(ExpectationError):
        duties[1].watches()


def test_files_that_are_being_written_are_left_alone(tmp_path: Path) -> None:
    """Half of a manifest may be one without a target, whose outage is not to be forgotten for that."""
    project = make(tmp_path / "project", manifest(URL))
    seconds = 0.0
    duty = Duty(Order(str(project)), Patience(), lambda: seconds)
    whole = duty.watches()
    for number in range(10):
        half = yaml.safe_dump(manifest(URL, target_options={}, description=f"{number}" * (number + 1)))
        (project / "mcp.yaml").write_text(half)
        seconds += QUIET * 0.9
        assert duty.watches() is whole
    seconds += QUIET
    assert duty.watches() == ()


@pytest.mark.parametrize("entry", [{"interval_seconds": 0}, {"interval_seconds": "x"}, {"failures": 0}])
def test_a_pace_that_nobody_can_keep_is_refused(entry: dict[str, Any], tmp_path: Path) -> None:
    """Whoever edits monitor.json is told, instead of a server being probed without a pause."""
    project = make(tmp_path / "project", manifest(URL))
    file = project / "monitor/monitor.json"
    document = json.loads(file.read_text())
    document["targets"]["deno"] |= entry
    file.write_text(json.dumps(document))
    with pytest.raises(ExpectationError, match="nobody can watch by"):
        Duty(Order(monitor=file), Patience())


def test_a_torn_state_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The watch begins anew, and what was there is kept for whoever wants to look."""
    file = tmp_path / "state.json"
    file.write_bytes(b'{"schema":"mcp-scaffold/monitor-state@1","targets":{"a"')
    assert monitored(watched, file, URL, to=None, jobs=1, rounds=1, as_json=True) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[0])["event"] == "trouble"
    assert "laid aside as state.json.torn-1" in printed.err
    assert "state.json.torn-1" in os.listdir(tmp_path)  # noqa: PTH208 -- names are what is compared


def test_a_foreign_state_is_refused(tmp_path: Path) -> None:
    """A file that is somebody else's is not written over."""
    file = tmp_path / "mcp.yaml"
    file.write_text("name: notes\n")
    with pytest.raises(UserError, match="is not the state of a monitor"):
        monitored(watched, file, URL, to=None, jobs=1, rounds=1, as_json=True)
    assert file.read_text() == "name: notes\n"
