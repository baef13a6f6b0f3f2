"""A calibration finds the 95th percentile of cold starts that it can tell from warm answers, or none."""

import json
import math
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import fake_servers
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from projects import make

from scaffolder.diagnostics import UserError
from scaffolder.monitoring.calibration import (
    ENOUGH,
    Calibration,
    Evidence,
    Sample,
    calibrate,
    interval,
    percentile,
)
from scaffolder.monitoring.expectation import Credential
from scaffolder.monitoring.observing import demand_cold_starts, observe, threshold
from scaffolder.monitoring.sampling import (
    PATIENCE,
    WARM,
    Failed,
    FailedError,
    Measured,
    Pace,
    answer,
    samples,
)
from scaffolder.monitoring.series import Subject, series
from scaffolder.probe import MODERN
from scaffolder.reports.calibrate import NO_SUBSTITUTE, Plan, announced, calibrated, demand_writable, progress

latencies = st.lists(st.floats(0.1, 1e5), min_size=1, max_size=60)

WARM_MS = (18.0, 20.0, 25.0)


def rested(*values: float) -> list[Sample]:
    """Give samples after an idle time."""
    return [Sample(value, rested=True) for value in values]


def others(*values: float) -> list[Sample]:
    """Give samples right after another."""
    return [Sample(value, rested=False) for value in values]


# --- percentiles ---


@pytest.mark.parametrize(
    ("share", "expected"),
    # What R's quantile(c(1, 2, 4, 8, 16), probs, type = 8) gives by its definition.
    [(0.0, 1), (0.05, 1), (0.25, 1 + 2 / 3), (0.5, 4), (0.75, 10 + 2 / 3), (0.95, 16), (1.0, 16)],
)
def test_the_estimator_is_the_one_that_is_named(share: float, expected: float) -> None:
    """Type 8 of Hyndman and Fan, whatever the order of the values."""
    assert percentile([8, 1, 16, 2, 4], share) == pytest.approx(expected)


@given(latencies, st.floats(0, 1), st.floats(0, 1))
def test_percentiles_are_in_order(values: list[float], one: float, other: float) -> None:
    """A higher percentile is no lower value, and none lies outside of what was measured."""
    low, high = sorted((one, other))
    assert min(values) <= percentile(values, low) <= percentile(values, high) + 1e-9
    assert percentile(values, high) <= max(values)


@given(latencies, st.floats(0, 1), st.floats(0.1, 10))
def test_percentiles_know_no_unit(values: list[float], share: float, factor: float) -> None:
    """In seconds they are what they are in milliseconds."""
    scaled = percentile([value * factor for value in values], share)
    assert scaled == pytest.approx(percentile(values, share) * factor)


def test_the_interval_holds_the_percentile_as_often_as_it_says() -> None:
    """In at least 95 of 100 series, of whatever distribution; its ends are measured values."""
    chance = random.Random(5)
    held = 0
    for _ in range(1000):
        values = [chance.expovariate(1) for _ in range(120)]
        low, high = interval(values, 0.95)
        assert low in values
        assert high in values
        held += low <= -math.log(0.05) <= high
    assert held >= 940


@pytest.mark.parametrize(("count", "ends"), [(10, (True, False)), (71, (True, False)), (72, (True, True))])
def test_an_end_that_so_few_values_do_not_have(count: int, ends: tuple[bool, bool]) -> None:
    """Nobody can say how high a 95th percentile is of a few values."""
    assert tuple(each is not None for each in interval(list(range(count)), 0.95)) == ends


# --- telling cold from warm ---


def test_two_clusters_that_agree_with_the_spacing() -> None:
    """What is slow came after an idle time, and what came right after another is fast."""
    found = calibrate([*rested(*range(300, 340)), *others(*WARM_MS * 20)])
    assert found.told.evidence is Evidence.BOTH
    assert found.told.cold == tuple(range(300, 340))
    assert len(found.told.warm) == 60
    assert found.cold
    assert found.warm
    assert found.p95_ms == round(found.cold.p95, 1)
    assert found.shortfall is None
    assert "40 of 40 answers after an idle time took more than 87 ms, and 0 of 60" in found.told.because


def test_an_idle_time_that_left_the_server_warm() -> None:
    """Some fast answers after an idle time are warm ones: another client had asked."""
    found = calibrate([*rested(*range(300, 330), 19, 21, 24), *others(*WARM_MS * 20)])
    assert found.told.cold == tuple(range(300, 330))
    assert {19, 21, 24} <= set(found.told.warm)
    assert "3 after an idle time met a warm server" in found.told.because


def test_no_gap_is_no_evidence() -> None:
    """Where all answers are alike, none is called cold, and the table's value stays."""
    chance = random.Random(1)
    values = [chance.lognormvariate(4, 0.5) for _ in range(160)]
    found = calibrate([*rested(*values[:40]), *others(*values[40:])])
    assert found.told.evidence is Evidence.NOTHING
    assert found.p95_ms is None
    assert found.cold is None
    assert "have no gap" in str(found.shortfall)


def test_slowness_that_does_not_come_of_idleness_is_no_evidence() -> None:
    """Two clusters alone prove nothing: an answer in four is slow, also right after another."""
    values = [400.0 if number % 4 == 0 else 20.0 for number in range(160)]
    chance = random.Random(2)
    chance.shuffle(values)
    found = calibrate([*rested(*values[:40]), *others(*values[40:])])
    assert found.told.evidence is Evidence.NOTHING
    assert "no idle time that made them slow" in str(found.shortfall)


def test_a_few_slow_answers_in_between_are_no_cold_starts() -> None:
    """They stay among the warm ones, where they came right after another."""
    found = calibrate([*rested(*range(300, 340)), *others(*WARM_MS * 20, 350, 360)])
    assert found.told.evidence is Evidence.BOTH
    assert found.told.cold == tuple(range(300, 340))
    assert {350, 360} <= set(found.told.warm)


def draw(middle: float, spread: float, chance: random.Random) -> float:
    """Draw a latency as latencies are distributed: lognormally."""
    return middle * math.exp(chance.gauss(0, spread))


def fast(chance: random.Random) -> float:
    """Draw a warm answer."""
    return draw(20, 0.3, chance)


SLOW_P95 = 400 * math.exp(0.35 * NormalDist().inv_cdf(0.95))
FULL_P95 = 1500 * math.exp(0.2 * NormalDist().inv_cdf(1 - 0.05 / 0.3))

Drawing = Callable[[random.Random, float], float]
"""Draw a latency, at a time between 0 and 1 of the series."""

# Of rested samples, of others, and the true 95th percentile of the cold starts.
TOLD_APART: dict[str, tuple[Drawing, Drawing, float]] = {
    "plain": (lambda chance, _: draw(400, 0.35, chance), lambda chance, _: fast(chance), SLOW_P95),
    "half met a warm server": (
        lambda chance, _: draw(400, 0.35, chance) if chance.random() < 0.5 else fast(chance),
        lambda chance, _: fast(chance),
        SLOW_P95,
    ),
    "pauses of a collector": (
        lambda chance, _: draw(400, 0.35, chance),
        lambda chance, _: fast(chance) + (150 if chance.random() < 0.05 else 0),
        SLOW_P95,
    ),
    "snapshots and full starts": (
        lambda chance, _: draw(100, 0.1, chance) if chance.random() < 0.7 else draw(1500, 0.2, chance),
        lambda chance, _: fast(chance),
        FULL_P95,
    ),
    "only twice as slow": (
        lambda chance, _: draw(40, 0.05, chance),
        lambda chance, _: draw(20, 0.05, chance),
        40 * math.exp(0.05 * NormalDist().inv_cdf(0.95)),
    ),
}


@pytest.mark.parametrize("name", TOLD_APART)
def test_cold_starts_of_many_kinds(name: str) -> None:
    """Found, whole, in series of chance: none is lost to the warm ones, and no warm one is among them."""
    slow, other, true = TOLD_APART[name]
    estimates = []
    for seed in range(30):
        chance = random.Random(seed)
        found = calibrate(series_of(slow, other, 100, chance))
        assert found.told.evidence is Evidence.BOTH, (seed, found.shortfall)
        estimates.append(found.p95_ms or 0)
    estimates.sort()
    assert estimates[15] == pytest.approx(true, rel=0.06)


def series_of(slow: Drawing, other: Drawing, number: int, chance: random.Random) -> list[Sample]:
    """Draw so many rested samples, and three others after each."""
    return [
        Sample((other if warm else slow)(chance, index / number), rested=not warm)
        for index in range(number)
        for warm in range(4)
    ]


NEVER_COLD: dict[str, tuple[Drawing, Drawing]] = {
    "wide": (lambda chance, _: draw(40, 0.8, chance),) * 2,
    "heavy tails": (lambda chance, _: 20 * chance.paretovariate(1.2),) * 2,
    "two kinds of warm": (lambda chance, _: fast(chance) + (300 if chance.random() < 0.25 else 0),) * 2,
    "always cold": (lambda chance, _: draw(400, 0.35, chance),) * 2,
    "a little slower": (lambda chance, _: draw(26, 0.1, chance), lambda chance, _: draw(20, 0.1, chance)),
    "slower and slower": (
        lambda chance, _: draw(400, 0.2, chance),
        lambda chance, at: fast(chance) * (1 + 30 * at),
    ),
    "one in a hundred": (
        lambda chance, at: 5000 if at == 0 else fast(chance),
        lambda chance, _: fast(chance),
    ),
}


@pytest.mark.parametrize("name", NEVER_COLD)
def test_what_looks_like_cold_starts(name: str) -> None:
    """Where idleness does not explain it, or nothing parts the slow from the fast, nothing is written."""
    for seed in range(30):
        found = calibrate(series_of(*NEVER_COLD[name], 60, random.Random(seed)))
        assert found.p95_ms is None
        assert found.shortfall


def test_how_far_an_estimate_is_off() -> None:
    """No estimate is better than its samples: what a number of them gives, of a usual distribution.

    It is as often too high as too low. Within ten per cent of the truth are more than half of the estimates
    of 30 cold starts, two thirds of those of 60, and four fifths of those of 100; that more are needed to be
    sure is what the printed interval says.
    """
    chance = random.Random(11)
    for number, least in ((20, 0.4), (30, 0.5), (60, 0.68), (100, 0.8), (200, 0.92)):
        errors = sorted(
            percentile([draw(400, 0.35, chance) for _ in range(number)], 0.95) / SLOW_P95 - 1
            for _ in range(1500)
        )
        assert abs(errors[750]) < 0.03
        assert sum(abs(error) <= 0.1 for error in errors) / 1500 > least


def test_lost_cold_starts_may_have_been_the_slowest() -> None:
    """Where more than one in twenty failed, nobody knows the 95th percentile of all."""
    series = [*rested(*range(300, 340)), *others(*WARM_MS * 40)]
    assert calibrate(series, lost=2).p95_ms
    found = calibrate(series, lost=3)
    assert found.p95_ms is None
    assert str(found.shortfall).startswith("3 of 43 requests after an idle time failed")


def test_two_slow_answers_may_be_chance() -> None:
    """They are no evidence, however slow they are."""
    found = calibrate([*rested(400, 410, *[20.0] * 18), *others(*[21.0] * 60)])
    assert found.told.evidence is Evidence.NOTHING
    assert "may be chance" in str(found.shortfall)


def test_too_few_cold_starts_are_not_enough() -> None:
    """Nineteen have no 95th percentile to speak of; they are shown, and nothing is made of them."""
    few = calibrate([*rested(*range(300, 300 + ENOUGH - 1)), *others(*WARM_MS * 20)])
    assert few.told.evidence is Evidence.BOTH
    assert few.cold
    assert few.p95_ms is None
    assert few.shortfall == "19 cold starts were seen; a 95th percentile takes 20"
    assert calibrate([*rested(*range(300, 300 + ENOUGH)), *others(*WARM_MS * 20)]).p95_ms


@pytest.mark.parametrize("found", [calibrate([]), calibrate(rested(1.0)), calibrate(others(1.0, 2.0))])
def test_next_to_nothing_is_too_little(found: Calibration) -> None:
    """A series that was broken off at once is a result like any other."""
    assert found.p95_ms is None
    assert found.told.because == "there are too few samples"
    assert str(found.shortfall).endswith("after an idle time; a 95th percentile takes 20 cold starts")


def test_a_fresh_process_needs_no_evidence() -> None:
    """What was started for a sample was cold, however fast it was."""
    found = calibrate([*rested(*WARM_MS * 10), *others(*WARM_MS)], fresh=True)
    assert found.told.evidence is Evidence.FRESH
    assert len(found.told.cold) == 30
    assert found.p95_ms == 25


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.booleans()), max_size=80),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_series_is_told_apart_whole(
    drawn: list[tuple[float, bool]],
    fresh: bool,  # noqa: FBT001 -- drawn
    chance: random.Random,
) -> None:
    """No sample is lost or doubled, only rested ones are cold, and their order does not matter."""
    series = [Sample(latency, is_rested) for latency, is_rested in drawn]
    told = calibrate(series, fresh=fresh).told
    assert sorted([*told.cold, *told.warm]) == sorted(latency for latency, _ in drawn)
    assert set(told.cold) <= {latency for latency, is_rested in drawn if is_rested}
    chance.shuffle(series)
    assert calibrate(series, fresh=fresh).told == told


# --- sampling ---


@dataclass
class World:
    """A clock that only moves when somebody sleeps or waits, and a server that gets cold on it."""

    cold_ms: Iterator[float]
    idle: float = 299.0
    warm_ms: Iterator[float] = field(default_factory=lambda: iter(WARM_MS * 10_000))
    seconds: float = 1000.0
    last: float = 1000.0

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def delay(self) -> float:
        """Take as long for an answer as the server takes now, in seconds."""
        cold = self.seconds - self.last >= self.idle
        taken = next(self.cold_ms if cold else self.warm_ms) / 1000
        self.seconds += taken
        self.last = self.seconds
        return taken


def test_samples_come_after_idle_times_and_right_after() -> None:
    """As many as asked for, each with its warm ones; what is rested is what the clock says."""
    world = World(iter([500.0] * 5))
    found = list(
        samples(
            lambda: world.delay() * 1000,
            Pace(5, 300),
            monotonic=lambda: world.seconds,
            sleep=world.sleep,
        )
    )
    assert [each.rested for each in found if isinstance(each, Sample)] == ([True] + [False] * WARM) * 5
    assert [each.latency_ms for each in found if isinstance(each, Sample) and each.rested] == pytest.approx(
        [500] * 5
    )


def test_a_sleep_that_ends_early_is_slept_to_its_end() -> None:
    """Nothing is called rested that was not."""
    world = World(iter([500.0] * 5))
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        world.sleep(max(seconds / 2, 1.0))

    list(samples(lambda: world.delay() * 1000, Pace(2, 300), monotonic=lambda: world.seconds, sleep=nap))
    assert len(naps) > 2


def test_a_warm_answer_that_was_kept_waiting_is_rested() -> None:
    """A machine that slept between two requests left the server idle, whatever was planned."""
    world = World(iter([500.0] * 50))

    def measure() -> float:
        taken = world.delay() * 1000
        world.seconds += 400
        world.last = world.seconds - 400
        return taken

    (first, *rest) = samples(measure, Pace(1, 300), monotonic=lambda: world.seconds, sleep=world.sleep)
    assert isinstance(first, Sample)
    assert first.rested
    assert len(rest) == WARM


def test_the_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that was closed between two requests has left the server idle for as long."""
    if sys.platform != "linux":
        pytest.skip("only here the usual clock is another")
    slept = 0.0
    clock = time.clock_gettime

    def sleep(seconds: float) -> None:
        nonlocal slept
        slept += seconds

    def boottime(number: int) -> float:
        return clock(number) + (slept if number == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", boottime)
    series = samples(lambda: 20.0, Pace(1, 1800), sleep=sleep)
    taken = [next(series)]
    slept += 3600
    taken += list(series)
    assert [each.rested for each in taken] == [True, True, False, False]


def test_a_failure_after_an_idle_time_is_known_as_such() -> None:
    """It may have been a cold start, and the slowest of all."""
    outcomes: Iterator[float | None] = iter([None, 20.0, 20.0, 20.0, 400.0, None, 20.0, 20.0])

    def measure() -> float:
        found = next(outcomes)
        if found is None:
            raise FailedError("http: no answer in 60 s")
        return found

    world = World(iter([]))
    taken = samples(measure, Pace(2, 300), monotonic=lambda: world.seconds, sleep=world.sleep)
    assert [each.rested for each in taken if isinstance(each, Failed)] == [True, False]


def test_failures_are_kept_apart() -> None:
    """One that fails is no sample; when it goes on, the server is not worth measuring."""
    outcomes: Iterator[float | None] = iter([500.0, None, 20.0, 20.0, None, None, *[None] * 9])

    def measure() -> float:
        found = next(outcomes)
        if found is None:
            raise FailedError("http: HTTP 500")
        return found

    world = World(iter([]))
    taken: list[Measured] = []
    series = samples(measure, Pace(9, 300), monotonic=lambda: world.seconds, sleep=world.sleep)
    with pytest.raises(UserError, match=f"{PATIENCE} measurements in a row failed: http: HTTP 500"):
        taken.extend(each for each in series)
    assert taken[1] == Failed("http: HTTP 500")
    assert [type(each) for each in taken] == [Sample, Failed, Sample, Sample, Failed, Failed, Failed]


# --- the whole of it, against a server whose cold starts are known ---

MANIFEST = """\
# The notes.
name: notes  # a name
targets: [deno, bun]
target_options:
  deno: { url: "URL" }   # where it is
description: Notes.
tools: []
# Watched closely.
monitor:
  interval_seconds: 30 # often
"""


@contextmanager
def cold_server(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve MCP on this machine; its answers take as long as the world says, on the world's clock."""
    clock = SimpleNamespace(perf_counter=lambda: world.seconds)
    for module in ("jsonrpc", "bodies"):
        monkeypatch.setattr(f"scaffolder.{module}.time", clock)

    def slow(handler: fake_servers.Handler, message: dict[str, Any]) -> None:
        world.delay()
        fake_servers.healthy(handler, message)

    with fake_servers.server(slow) as (url, _):
        yield url


def plan(project: Path, world: World, number: int, **changes: Any) -> tuple[Plan, Callable[[str], int]]:
    """Plan a calibration, and give what carries it out."""
    pace = Pace(number, 300)
    made = Plan(project, "deno", pace, local=False, write=True, svg=None, as_json=False)
    made = Plan(**{name: changes.get(name, getattr(made, name)) for name in Plan.__slots__})

    def run(url: str) -> int:
        measured = samples(answer(url, {}), pace, monotonic=lambda: world.seconds, sleep=world.sleep)
        return calibrated(made, measured)

    return made, run


def project(folder: Path, url: str) -> Path:
    """Make a project whose server is at a URL."""
    text = MANIFEST.replace("URL", url)
    made = make(folder / "project", yaml.safe_load(text))
    (made / "mcp.yaml").write_text(text)
    return made


def spread(quantile: Callable[[float], float], number: int) -> list[float]:
    """Give values that are distributed as they should be, in no order."""
    values = [quantile((index + 0.5) / number) for index in range(number)]
    random.Random(number).shuffle(values)
    return values


NORMAL = NormalDist()

DISTRIBUTIONS: dict[str, Callable[[float], float]] = {
    "uniform": lambda share: 200 + 600 * share,
    "lognormal": lambda share: 400 * math.exp(0.35 * NORMAL.inv_cdf(share)),
    "exponential": lambda share: 150 - 250 * math.log(1 - share),
    "two places": lambda share: 180 + 40 * share if share < 0.6 else 900 + 300 * share,
}


@pytest.mark.parametrize("number", [30, 100])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_p95_is_found_and_the_threshold_follows(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 10 per cent of the distribution's; the manifest keeps its comments, and monitor.json follows.

    The injected values stand evenly in the distribution, so that their own 95th percentile is its; what
    chance does to those of a few draws is another question, and has a test of its own.
    """
    quantile = DISTRIBUTIONS[name]
    world = World(iter(spread(quantile, number)))
    with cold_server(world, monkeypatch) as url:
        folder = project(tmp_path, url)
        _, run = plan(folder, world, number)
        assert run(url) == 0
    text = (folder / "mcp.yaml").read_text()
    said = yaml.safe_load(text)["monitor"]["observed"]["deno"]
    assert said["p95_ms"] == pytest.approx(quantile(0.95), rel=0.1)
    assert said["samples"] == number
    assert date.fromisoformat(said["date"])
    for line in MANIFEST.replace("URL", url).splitlines():
        assert line in text.splitlines()
    monitor = json.loads((folder / "monitor/monitor.json").read_text())["targets"]
    assert monitor["deno"]["timeout_ms"] == math.ceil(said["p95_ms"] * 2 / 50) * 50
    assert monitor["deno"]["calibration"] == said
    assert monitor["bun"]["calibration"] == "table"


@pytest.mark.parametrize("seed", range(3))
def test_the_p95_of_draws_by_chance(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 10 per cent too, where there are enough of them, some idle times notwithstanding."""
    chance = random.Random(seed)
    world = World(iter(lambda: 200 + 600 * chance.random(), None))
    with cold_server(world, monkeypatch) as url:
        measured = list(
            samples(answer(url, {}), Pace(150, 300), monotonic=lambda: world.seconds, sleep=world.sleep)
        )
    found = calibrate([each for each in measured if isinstance(each, Sample)])
    assert found.told.evidence is Evidence.BOTH
    assert found.p95_ms == pytest.approx(770, rel=0.1)


def test_a_server_that_never_gets_cold_keeps_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, the exit status says so, and so does the story."""
    world = World(iter([]), idle=math.inf)
    with cold_server(world, monkeypatch) as url:
        folder = project(tmp_path, url)
        before = (folder / "mcp.yaml").read_text()
        _, run = plan(folder, world, 30)
        assert run(url) == 1
    assert (folder / "mcp.yaml").read_text() == before
    printed = capsys.readouterr()
    assert "all answers" in printed.out
    assert "warm" not in printed.out
    told = printed.err
    assert "deno: timeout_ms stays 1000, the table's value" in told
    assert "`--cold-every 1200`" in told


def test_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The histogram and the percentiles are the result; evidence and estimator are said beside them."""
    world = World(iter(spread(DISTRIBUTIONS["uniform"], 40)))
    with cold_server(world, monkeypatch) as url:
        folder = project(tmp_path, url)
        _, run = plan(folder, world, 40, svg=tmp_path / "cold.svg")
        assert run(url) == 0
    printed = capsys.readouterr()
    assert "cold starts" in printed.out
    assert "interval of p95" in printed.out
    assert "updated  mcp.yaml" in printed.out
    assert "Evidence: spacing and shape: " in printed.err
    assert "Hyndman and Fan 1996, type 8" in printed.err
    assert "deno: timeout_ms 1000 -> 1550: twice" in printed.err
    assert (tmp_path / "cold.svg").read_text().startswith("<svg")


def test_one_object_of_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all samples, so that anybody can work it out again."""
    world = World(iter(spread(DISTRIBUTIONS["uniform"], 40)))
    with cold_server(world, monkeypatch) as url:
        folder = project(tmp_path, url)
        _, run = plan(folder, world, 40, as_json=True, write=False)
        assert run(url) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "mcp-scaffold/calibrate@1"
    assert document["written"] is False
    assert document["timeout_ms"] == {"before": 1000, "after": 1000}
    assert percentile(document["cold"]["samples_ms"], 0.95) == document["cold"]["p95"]
    assert document["evidence"] == "spacing and shape"


def test_an_interruption_shows_what_there_is_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hours of measuring are worth a look, and half of them are no calibration."""
    folder = project(tmp_path, "https://notes.example.com/mcp")
    before = (folder / "mcp.yaml").read_text()

    def measured() -> Iterator[Measured]:
        yield from [*rested(*range(300, 340)), *others(*WARM_MS * 20)]
        raise KeyboardInterrupt

    made, _ = plan(folder, World(iter([])), 100)
    assert calibrated(made, measured()) == 130  # type: ignore[arg-type] # it is a generator
    assert (folder / "mcp.yaml").read_text() == before
    assert "nothing was written" in capsys.readouterr().err


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state of a test in its own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


SUBJECT = Subject("project", "deno", "https://notes.example.com/mcp", 300.0, "0123")


@pytest.mark.usefixtures("state")
def test_a_run_that_is_broken_off_is_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next one measures what is left, says what it has from the first, and writes what both found."""
    folder = project(tmp_path, SUBJECT.url)

    def measured(number: int, *, breaks: bool) -> Iterator[Measured]:
        for index in range(number):
            yield from [*rested(300 + index), *others(*WARM_MS)]
        if breaks:
            raise KeyboardInterrupt

    def run(number: int, left: int, *, breaks: bool) -> int:
        with series(SUBJECT, fresh=False) as kept:
            made, _ = plan(folder, World(iter([])), number, url=SUBJECT.url, series=kept)
            assert made.left.samples == left
            announced(made)
            return calibrated(made, measured(made.left.samples if not breaks else 12, breaks=breaks))  # type: ignore[arg-type] # it is a generator

    assert run(30, 30, breaks=True) == 130
    assert "the same command goes on with it" in capsys.readouterr().err
    assert run(30, 18, breaks=False) == 0
    told = capsys.readouterr().err
    assert "deno: 12 of 30 were measured earlier" in told
    assert "deno: 18 times after 300 s" in told
    assert yaml.safe_load((folder / "mcp.yaml").read_text())["monitor"]["observed"]["deno"]["samples"] == 30
    # What is in the manifest has had its use: a later calibration is one of its own.
    assert run(8, 8, breaks=False) == 1
    capsys.readouterr()
    assert run(8, 0, breaks=False) == 1
    assert "`--samples 20` goes on with it" in capsys.readouterr().err


@pytest.mark.usefixtures("state")
def test_nothing_that_goes_wrong_loses_what_was_measured(tmp_path: Path) -> None:
    """A server that has gone, a target that has moved or is no more: said, and the measurements stay."""
    folder = project(tmp_path, SUBJECT.url)
    all_of_it = [*rested(*range(300, 330)), *others(*WARM_MS * 30)]

    def gone() -> Iterator[Measured]:
        yield from all_of_it[:40]
        raise UserError("3 measurements in a row failed: connect: refused", help=["look"])

    def run(measured: Iterator[Measured]) -> int:
        with series(SUBJECT, fresh=False) as kept:
            made, _ = plan(folder, World(iter([])), 30, url=SUBJECT.url, series=kept)
            return calibrated(made, measured)  # type: ignore[arg-type] # it is a generator

    with pytest.raises(UserError, match="3 measurements in a row failed") as caught:
        run(gone())
    assert caught.value.help[0] == "look"
    assert "goes on with it" in caught.value.help[1]
    moved = (folder / "mcp.yaml").read_text().replace("notes.example", "moved.example")
    (folder / "mcp.yaml").write_text(moved)
    with pytest.raises(UserError, match="deno has another URL by now"):
        run(each for each in all_of_it[40:])
    (folder / "mcp.yaml").write_text(moved.replace("[deno, bun]", "[bun]").replace("  deno: {", "  bun: {"))
    with pytest.raises(UserError, match="deno: not among the project's targets any more"):
        run(each for each in all_of_it[:0])
    with series(SUBJECT, fresh=False) as kept:
        assert kept.kept == tuple(all_of_it)


def test_a_drawing_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not after hours: before the server is asked anything."""
    with pytest.raises(UserError, match="there is no such folder"):
        demand_writable(tmp_path / "nowhere/cold.svg")
    with pytest.raises(UserError, match="is a folder"):
        demand_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="there is no such folder"):
        demand_writable(tmp_path / "file/cold.svg")
    demand_writable(tmp_path / "cold.svg")
    assert not (tmp_path / "cold.svg").exists()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match="cannot be written"):
        demand_writable(tmp_path / "cold.svg")


def test_a_target_whose_process_stays_is_refused(tmp_path: Path) -> None:
    """No idle time makes it cold; what can be done is said, and others may be measured."""
    folder = project(tmp_path, "https://notes.example.com/mcp")
    with pytest.raises(UserError, match="one process serves bun as long as it is up") as caught:
        demand_cold_starts(folder, "bun")
    assert list(caught.value.help) == ["mcp-scaffold calibrate --target bun --local"]
    demand_cold_starts(folder, "deno")


def test_a_log_has_a_line_for_each_cold_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And none for each request; nothing that a server says steers a terminal."""
    made, _ = plan(tmp_path, World(iter([])), 3)
    failed = Failed("\x1b[2Jno", rested=True)
    warm = others(*WARM_MS)
    taken: Sequence[Measured] = [*rested(500), *warm, failed, *warm, *rested(600), *warm]
    with progress(made) as show:
        for each in taken:
            show(each)
    assert capsys.readouterr().err.splitlines() == [
        "1/3: 500 ms after an idle time",
        "2/3: failed:  [2Jno",
        "3/3: 600 ms after an idle time",
    ]
    json_plan, _ = plan(tmp_path, World(iter([])), 3, as_json=True)
    with progress(json_plan) as show:
        show(taken[0])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (Pace(30, 900), "about 7 h 30 min"),
        (Pace(20, 1), "about 20 s"),
        # Four answers of two seconds after each idle time.
        (Pace(20, 1, 2), "about 3 min"),
        (Pace(20, 300, 0.1), "about 1 h 40 min"),
    ],
)
def test_how_long_it_takes_is_said(
    pace: Pace, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answers take their time too."""
    made, _ = plan(tmp_path, World(iter([])), 3, pace=pace)
    announced(made)
    assert said in capsys.readouterr().err


def test_an_interruption_before_the_first_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to show: no table, no drawing, and no advice on what was not measured."""
    made, _ = plan(tmp_path, World(iter([])), 30, svg=tmp_path / "cold.svg")

    def measured() -> Iterator[Measured]:
        raise KeyboardInterrupt
        yield

    assert calibrated(made, measured()) == 130  # type: ignore[arg-type] # it is a generator
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "Nothing was measured.\n")
    assert not (tmp_path / "cold.svg").exists()


def test_a_few_samples_give_no_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A longer idle time is one after enough of them alone."""
    folder = project(tmp_path, "https://notes.example.com/mcp")
    made, _ = plan(folder, World(iter([])), 3)
    assert calibrated(made, (each for each in [*rested(20), *others(*WARM_MS)])) == 1
    told = capsys.readouterr().err
    assert "1 answer came after an idle time; a 95th percentile takes 20 cold starts" in told
    assert "--cold-every" not in told


def test_an_end_that_is_not_known_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is known is the other end."""
    folder = project(tmp_path, "https://notes.example.com/mcp")
    made, _ = plan(folder, World(iter([])), 30, write=False)
    series: Sequence[Measured] = [*rested(*range(300, 330)), *others(*WARM_MS * 30)]
    assert calibrated(made, (each for each in series)) == 0
    printed = capsys.readouterr()
    assert re.search(r"at least 3\d\d ms$", printed.out, re.MULTILINE)
    assert "An upper end of that interval takes 72 cold starts." in printed.err
    assert "deno: timeout_ms stays 1000, for nothing was written." in printed.err
    assert "What was measured comes to 700: twice 328.1 ms, the p95 of 30 cold starts" in printed.err
    assert "the same command without `--no-write` sets it" in printed.err


@pytest.mark.parametrize(
    ("headers", "credentials", "advice"),
    [
        ({}, (), "`monitor.bearer` in mcp.yaml"),
        ({}, (), "--header Authorization=VARIABLE"),
        ({}, (Credential("authorization", "MCP_TOKEN"),), "set MCP_TOKEN"),
        ({"authorization": "Bearer x"}, (Credential("authorization", "MCP_TOKEN"),), "what MCP_TOKEN holds"),
    ],
)
def test_who_is_asked_for_credentials_is_told_where_they_come_from(
    headers: dict[str, str], credentials: tuple[Credential, ...], advice: str
) -> None:
    """The variable's name, whether it is set, and no value."""
    with (
        fake_servers.server(lambda handler, _: handler.send(401, "no")) as (url, _),
        pytest.raises(UserError, match="HTTP 401") as caught,
    ):
        answer(url, headers, credentials)
    assert any(advice in line for line in caught.value.help)
    assert "Bearer" not in str(caught.value.help)


def test_deployments_are_told_from_each_other() -> None:
    """By the server's name and version and by its tools; and not by what changes from answer to answer."""

    def serving(version: str, tool: dict[str, Any]) -> Callable[[fake_servers.Handler, dict[str, Any]], None]:
        def reply(handler: fake_servers.Handler, message: dict[str, Any]) -> None:
            if message["method"] == "server/discover":
                server = {"name": "s", "version": version, "instance": random.random()}
                found = {"supportedVersions": [MODERN], "capabilities": {}, "serverInfo": server}
                handler.reply(message, {**found, "resultType": "complete"})
            else:
                tools = [{**tool, "description": str(random.random())}]
                handler.reply(message, {"tools": tools, "resultType": "complete"})

        return reply

    def digest(version: str, tool: dict[str, Any]) -> str:
        with fake_servers.server(serving(version, tool)) as (url, _):
            return answer(url, {}).server

    tool = dict(fake_servers.TOOL)
    assert digest("1", tool) == digest("1", tool)
    assert digest("1", tool) != digest("2", tool)
    assert digest("1", tool) != digest("1", {**tool, "inputSchema": {"type": "object", "required": []}})


def test_a_local_measurement_says_what_it_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the text and in the JSON."""
    folder = project(tmp_path, "https://notes.example.com/mcp")
    made, _ = plan(folder, World(iter([])), 30, local=True, write=False)
    announced(made)
    assert "no substitute for the cloud" in capsys.readouterr().err
    document, _ = plan(folder, World(iter([])), 30, local=True, write=False, as_json=True)
    series: Sequence[Measured] = [*rested(*range(300, 340)), *others(*WARM_MS)]
    assert calibrated(document, (each for each in series)) == 0
    assert json.loads(capsys.readouterr().out)["note"] == NO_SUBSTITUTE


def test_writing_again_replaces_what_was_observed(tmp_path: Path) -> None:
    """A second calibration takes the place of the first, and the date stays text."""
    folder = project(tmp_path, "https://notes.example.com/mcp")
    first = calibrate([*rested(*range(300, 340)), *others(*WARM_MS * 20)])
    second = calibrate([*rested(*range(100, 130)), *others(*WARM_MS * 20)])
    assert threshold(folder, "deno") == (1000, "table")
    observe(folder, "deno", first, date(2026, 11, 22))
    assert threshold(folder, "deno")[0] == 700
    observe(folder, "deno", second, date(2026, 11, 23))
    assert threshold(folder, "deno") == (
        300,
        {"p95_ms": second.p95_ms, "samples": 30, "date": "2026-11-23"},
    )
    assert not observe(folder, "deno", second, date(2026, 11, 23)).written


def test_a_server_that_speaks_nothing_is_refused_at_once() -> None:
    """And not after the first idle time."""
    with (
        fake_servers.server(lambda handler, _: handler.send(500, "no")) as (url, _),
        pytest.raises(UserError, match="cannot be measured"),
    ):
        answer(url, {})
