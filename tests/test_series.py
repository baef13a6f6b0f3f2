"""What was measured is kept as it comes, counts for a week, and is mixed with nothing else."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.diagnostics import UserError
from scaffolder.monitoring.calibration import Sample
from scaffolder.monitoring.sampling import Failed, Measured
from scaffolder.monitoring.series import LIFETIME, Subject, series

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBJECT = Subject("/home/me/notes", "deno", "https://notes.example.com/mcp", 900.0, "0123")
TAKEN: Sequence[Measured] = (
    Sample(412.5, rested=True),
    Sample(20.1, rested=False),
    Failed("é\ud800", rested=True),
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state of a test in its own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def keep(taken: Sequence[Measured] = TAKEN, subject: Subject = SUBJECT, at: datetime = AT) -> Path:
    """Measure in one run."""
    with series(subject, fresh=False, now=lambda: at) as found:
        for each in taken:
            found.add(each, at)
        return found.file


def kept(subject: Subject = SUBJECT, at: datetime = AT, *, fresh: bool = False) -> tuple[Measured, ...]:
    """Read what the next run finds."""
    with series(subject, fresh=fresh, now=lambda: at) as found:
        return found.kept


def test_the_next_run_goes_on() -> None:
    """With all of it, in its order, and so does the one after that."""
    keep()
    assert kept() == tuple(TAKEN)
    later = AT + timedelta(days=1)
    keep(TAKEN[:1], at=later)
    with series(SUBJECT, fresh=False, now=lambda: later) as found:
        assert found.kept == (*TAKEN, TAKEN[0])
        assert found.since == AT
        assert not found.replaced


def test_each_measurement_is_on_the_disk_as_soon_as_it_is_taken() -> None:
    """A kill loses none, and what it tears is only its own line."""
    with series(SUBJECT, fresh=False, now=lambda: AT) as found:
        for number, each in enumerate(TAKEN, 2):
            found.add(each, AT)
            assert found.file.read_bytes().count(b"\n") == number
        file = found.file
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        file.write_bytes(whole[:length])
        # A line of which only the end is missing is whole.
        lines = whole[: length + 1].count(b"\n") - 1
        assert kept() == TAKEN[:lines]


def test_a_torn_line_does_not_swallow_the_next() -> None:
    """What a kill has left is taken away before more is written."""
    file = keep()
    file.write_bytes(file.read_bytes()[:-9])
    keep(TAKEN[:1])
    assert kept() == (*TAKEN[:2], TAKEN[0])


def test_what_is_old_does_not_count() -> None:
    """After a week; and a clock that was set back a little makes nothing old."""
    keep()
    keep(TAKEN[:1], at=AT + timedelta(days=3))
    assert len(kept(at=AT - timedelta(hours=5))) == 4
    assert kept(at=AT + LIFETIME + timedelta(seconds=1)) == (TAKEN[0],)
    # It is not merely passed over: it is gone.
    assert kept(at=AT) == (TAKEN[0],)


@pytest.mark.parametrize(
    "other",
    [
        replace(SUBJECT, project="/home/me/other"),
        replace(SUBJECT, target="bun"),
        replace(SUBJECT, url="https://other.example.com/mcp"),
        replace(SUBJECT, cold_every=300.0),
    ],
)
def test_another_subject_has_its_own(other: Subject) -> None:
    """Another project, target, URL or idle time is measured anew, and nothing of the first is lost."""
    keep()
    assert kept(other) == ()
    assert kept() == tuple(TAKEN)


def test_another_deployment_begins_anew() -> None:
    """Its cold starts are others, which is said."""
    keep()
    with series(replace(SUBJECT, server="4567"), fresh=False, now=lambda: AT) as found:
        assert found.kept == ()
        assert found.replaced


def test_fresh_begins_anew() -> None:
    """And what was there is gone."""
    keep()
    assert kept(fresh=True) == ()
    assert kept() == ()


def test_nothing_measured_leaves_nothing() -> None:
    """No file is left of a run that was refused, nor of one that came to its end."""
    assert not keep(()).exists()
    with series(SUBJECT, fresh=False, now=lambda: AT) as found:
        found.add(TAKEN[0], AT)
        found.discard()
    assert not found.file.exists()


def test_two_runs_would_keep_it_warm() -> None:
    """The second is refused while the first is at work."""
    with (
        series(SUBJECT, fresh=False),
        pytest.raises(UserError, match="another calibration is at work"),
        series(SUBJECT, fresh=False),
    ):
        pass


def test_a_full_disk_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept still counts in this run, and why it is not kept is known."""
    with series(SUBJECT, fresh=False, now=lambda: AT) as found:
        found.add(TAKEN[0], AT)

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", full)
            found.add(TAKEN[1], AT)
        assert found.failure
        found.add(TAKEN[2], AT)
    assert kept()[0] == TAKEN[0]


def test_without_a_state_folder_it_is_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be kept is no reason not to measure; why it is not is known."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with series(SUBJECT, fresh=False, now=lambda: AT) as found:
        assert found.failure
        assert found.kept == ()
        found.add(TAKEN[0], AT)
        found.discard()


def test_a_foreign_file_is_no_measurement() -> None:
    """Whatever is in the place of one is not taken for one."""
    file = keep()
    header = file.read_bytes().splitlines()[0]
    for content in (b"", b"\n", b"{}\n[]\n", header + b'\n{}\n[]\n1\n"x"\n{"at": "2026", "rested": true}\n'):
        file.write_bytes(content)
        assert kept() == ()


measured = st.one_of(
    st.builds(Sample, st.floats(0, 1e6), st.booleans()),
    st.builds(Failed, st.text(max_size=20), st.booleans()),
)


@given(st.lists(measured, max_size=20))
def test_what_is_kept_is_what_was_measured(taken: list[Measured]) -> None:
    """To the last digit, whatever a server said."""
    kept(fresh=True)
    file = keep(taken)
    assert kept() == tuple(taken)
    if taken:
        assert json.loads(file.read_text().splitlines()[0])["url"] == SUBJECT.url
