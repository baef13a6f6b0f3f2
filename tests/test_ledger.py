"""The ledger outlives the process, whole or not at all, and no other file is taken for one."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.diagnostics import UserError
from scaffolder.monitoring.alarms import Kind, Rules
from scaffolder.monitoring.ledger import MOST, WAIT, Ledger, held, identity, load, save

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
RULES = Rules(2, 1)
URL = "https://notes.example.com/mcp"


def after(*states: str, ledger: Ledger | None = None, name: str = "a", url: str = URL) -> Ledger:
    """Note verdicts on a server, a minute apart."""
    ledger = ledger or Ledger()
    for number, state in enumerate(states):
        at = START + timedelta(minutes=number)
        ledger = ledger.noted(name, url, (state, f"it is {state}"), RULES, at)
    return ledger


def test_an_alarm_goes_into_the_outbox() -> None:
    """It says what was, what is, why, and since when the former had been so."""
    (letter,) = after("healthy", "down", "down").outbox
    alarm = letter.alarm
    assert (alarm.kind, alarm.target, alarm.url) == (Kind.OUTAGE, "a", URL)
    assert (alarm.before, alarm.after, alarm.reason) == ("healthy", "down", "it is down")
    assert (alarm.since, alarm.at) == (START, START + timedelta(minutes=2))
    assert (alarm.began, alarm.down_seconds) == (START + timedelta(minutes=1), None)


def test_a_recovery_says_how_long_it_was_down() -> None:
    """From the first failure to the first answer, not to the verdict that ended it."""
    down, up = after("healthy", "down", "down", "down", "degraded").outbox
    assert up.alarm.kind is Kind.RECOVERY
    assert (up.alarm.since, up.alarm.began) == (down.alarm.began, START + timedelta(minutes=4))
    assert up.alarm.down_seconds == 180
    assert replace(up.alarm, since=up.alarm.at + timedelta(days=1)).down_seconds == 0


def test_an_alarm_says_when_nobody_looked() -> None:
    """What was believed before a pause is not said to have been so all the time."""
    ledger = after("healthy", "down", "down")
    at = START + timedelta(days=2)
    (_, letter) = ledger.noted("a", URL, ("healthy", ""), RULES, at, pause=timedelta(minutes=4)).outbox
    assert letter.alarm.unwatched == (START + timedelta(minutes=2), at)


def test_an_alarm_waits_only_for_a_webhook_that_there_was() -> None:
    """Lately: who has given it up is not told for ever that nothing was delivered."""
    ledger = after("down", "down")
    (letter,) = ledger.outbox
    for at, waits in ((None, False), (START - timedelta(days=6), True), (START - timedelta(days=8), False)):
        assert replace(ledger, webhook=at).waits(letter.alarm) is waits


def test_alarms_do_not_wait_without_end() -> None:
    """A week, and no more of them than a file can hold."""
    ledger = replace(after("down", "down", "healthy"), webhook=START)
    many = replace(ledger, outbox=ledger.outbox * MOST)
    assert many.overdue(START) == tuple(letter.alarm for letter in many.outbox[:MOST])
    assert ledger.overdue(START + WAIT) == ()
    assert len(ledger.overdue(START + WAIT + timedelta(hours=1))) == 2


def test_nobody_else_reads_a_state(tmp_path: Path) -> None:
    """It says which servers are down and why, also where a draft was left that anybody could read."""
    file = tmp_path / "ledger.json"
    file.with_name("ledger.json.tmp").touch(0o644)
    save(file, after("healthy"))
    assert file.stat().st_mode & 0o777 == 0o600


def test_alarms_of_a_server_leave_in_order() -> None:
    """Nobody hears of the end of an outage before its beginning; another server does not wait for it."""
    ledger = after("down", "down", "healthy")
    ledger = after("down", "down", ledger=ledger, name="b")
    due = ledger.due()
    assert [letter.alarm.kind for letter in due] == [Kind.OUTAGE, Kind.OUTAGE]
    ledger = ledger.settled(due[0].alarm.id)
    assert [(letter.alarm.target, letter.alarm.kind) for letter in ledger.due()] == [
        ("a", Kind.RECOVERY),
        ("b", Kind.OUTAGE),
    ]
    assert ledger.tried(due[1].alarm.id).due()[1].tries == 1


def test_another_url_is_another_server() -> None:
    """A target that moves begins anew: the old place's failures are not the new one's."""
    ledger = after("down", ledger=after("healthy", "down"), url="https://elsewhere.example.com/mcp")
    assert ledger.targets["a"].standing.state is None
    assert not ledger.outbox


def test_an_outage_ends_where_the_target_moved_to() -> None:
    """Who was told that it is down is told once that it is back, and not a second time that it is down."""
    other = "https://elsewhere.example.com/mcp"
    ledger = after("healthy", "down", "down")
    down = after("down", "down", "down", ledger=ledger, url=other)
    assert down.outbox == ledger.outbox
    up = after("healthy", ledger=down, url=other)
    assert [letter.alarm.kind for letter in up.outbox] == [Kind.OUTAGE, Kind.RECOVERY]
    assert after("down", ledger=up, url=URL).targets["a"].standing.state is None


def test_what_is_not_watched_any_more_is_forgotten() -> None:
    """But not what somebody has yet to be told of it."""
    ledger = after("down", "down", ledger=after("healthy", name="b")).without(["a", "nobody"])
    assert set(ledger.targets) == {"b"}
    assert len(ledger.outbox) == 1


def test_every_alarm_has_an_id_of_its_own() -> None:
    """Also where all happens in one second, and where the name is nothing for a header."""
    ledger = Ledger()
    for state in ["down", "down", "healthy"] * 3:
        for name in ("a", "b", "ü:1"):
            ledger = ledger.noted(name, URL, (state, ""), RULES, START)
    ids = [letter.alarm.id for letter in ledger.outbox]
    assert len(ids) == len(set(ids)) == 18
    assert all(each.isascii() and "." not in each and " " not in each for each in ids)


@given(st.text(), st.text(), st.integers(1))
def test_an_id_can_stand_in_a_header(name: str, url: str, number: int) -> None:
    """Whatever the server is called."""
    assert identity(name, url, number, START).encode("ascii").replace(b"-", b"").replace(b"_", b"").isalnum()


texts = st.text(max_size=10)
verdict = st.tuples(st.sampled_from(["healthy", "down", "degraded"]), texts)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ü"]), verdict), max_size=20))
def test_what_is_saved_is_what_is_loaded(notes: list[tuple[str, tuple[str, str]]]) -> None:
    """To the last stamp, whatever servers say."""
    ledger = Ledger()
    for number, (name, found) in enumerate(notes):
        ledger = ledger.noted(name, URL, found, RULES, START + timedelta(minutes=number))
    file = Path(os.environ["TMPDIR"]) / "ledger.json"
    save(file, ledger)
    assert load(file) == (ledger, None)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test, and each example of one, a folder for its files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    """The first run has nothing to remember."""
    assert load(tmp_path / "ledger.json") == (Ledger(), None)


def test_a_torn_file_is_laid_aside(tmp_path: Path) -> None:
    """Wherever it is torn, it is not trusted, and not thrown away either."""
    file = tmp_path / "ledger.json"
    save(file, after("healthy", "down", "down"))
    whole = file.read_bytes().rstrip()
    seen = set()
    for length in range(len(whole)):
        for rest in (b"", b"\0" * 5):
            file.write_bytes(whole[:length] + rest)
            ledger, aside = load(file)
            assert ledger == Ledger()
            assert aside is not None
            assert aside.read_bytes() == whole[:length] + rest
            assert not file.exists()
            seen.add(aside)
            if len(seen) > 3:
                aside.unlink()
    assert len(seen) > 1


@pytest.mark.parametrize(
    "content",
    [
        b"name: notes\ntargets: [deno]\n",
        b"{}",
        b'{"schema":"something/else@1"}',
        b'{"schema":"mcp-scaffold/monitor-state@2","targets":{},"outbox":[]}',
        b'{"schema":"mcp-scaffold/monitor-state@10","targets":[]}',
    ],
)
def test_a_foreign_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    """A manifest named by mistake, or the state of a newer version: said, and not touched."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"is not the state of a monitor|another version"):
        load(file)
    assert file.read_bytes() == content
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 - names are what is compared


def test_a_ledger_that_makes_no_sense_is_torn(tmp_path: Path) -> None:
    """A number where a text belongs is no state to go by."""
    file = tmp_path / "ledger.json"
    save(file, after("healthy"))
    file.write_bytes(file.read_bytes().replace(b'"healthy"', b"7"))
    ledger, aside = load(file)
    assert ledger == Ledger()
    assert aside


def test_a_crash_while_saving_leaves_the_former_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one takes its place only once the disk has it, and not before."""
    file = tmp_path / "ledger.json"
    first, second = after("healthy"), after("healthy", "down", "down")
    save(file, first)
    order: list[str] = []

    def fsync(_: int) -> None:
        order.append("fsync")
        assert load(file) == (first if len(order) == 1 else second, None)

    monkeypatch.setattr(os, "fsync", fsync)
    save(file, second)
    assert order == ["fsync", "fsync"]

    def crash(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="No space left"):
        save(file, first)
    assert load(file) == (second, None)


def test_one_monitor_at_a_time(tmp_path: Path) -> None:
    """Two on one ledger would alarm twice; the second is refused, and may start when the first has ended."""
    file = tmp_path / "folder/ledger.json"
    with held(file), pytest.raises(UserError, match="another monitor is at work"), held(file):
        pass
    with held(file):
        pass
