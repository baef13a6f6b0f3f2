"""What docs/monitoring.md says is so: its example, its program and its tables are those of the code."""

import base64
import json
import math
import random
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from scaffolder.monitoring import ledger, webhook
from scaffolder.monitoring.alarms import Alarm, Kind, Rules
from scaffolder.monitoring.calibration import BOUNDED, ENOUGH, percentile
from scaffolder.monitoring.series import LIFETIME
from scaffolder.monitoring.verdict import GRAVITY
from scaffolder.monitoring.watchkeeping import PAUSE
from scaffolder.providers import profiles

PAGE = (Path(__file__).parents[1] / "docs/monitoring.md").read_text()

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def code(language: str) -> str:
    """Take the only block of a language out of the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def table(head: str) -> list[list[str]]:
    """Take a table out of the page by how its first line begins: its rows, with the first one."""
    (found,) = re.findall(rf"^\| {re.escape(head)} .*\n(?:\|.*\n)+", PAGE, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    return [rows[0], *rows[2:]]


def names(head: str) -> list[str]:
    """Give the first column of a table, which is code, without its head."""
    return [row[0].strip("`") for row in table(head)[1:]]


def outage() -> Alarm:
    """Raise an alarm as the example has it: three failures after two days of health."""
    shown = json.loads(code("json"))
    at = [datetime.fromisoformat(shown[name]) for name in ("since", "began", "at")]
    states = ("healthy", "down", "down", "down")
    book = ledger.Ledger()
    for state, time in zip(states, [at[0], at[1], at[1], at[2]], strict=True):
        said = (state, shown["reason"])
        book = book.noted(shown["target"], shown["url"], said, Rules(), time)
    (letter,) = book.outbox
    return letter.alarm


def test_the_example_is_an_alarm() -> None:
    """To the last character, as it is raised and sent."""
    assert json.loads(webhook.payload(outage())) == json.loads(code("json"))
    assert list(webhook.document(outage())) == list(json.loads(code("json")))


def test_every_time_of_an_alarm_is_explained() -> None:
    """In the order in which they stand there."""
    shown = list(json.loads(code("json")))
    assert names("time") == shown[shown.index("reason") + 1 :]
    span = webhook.span((outage().at, outage().at))
    assert f"`{{{', '.join(json.dumps(key) for key in span or ())}}}`" in PAGE


@pytest.fixture(scope="module")
def is_genuine() -> Callable[[Mapping[str, str], bytes, str], bool]:
    """Run the program of the page."""
    found: dict[str, Any] = {}
    exec(compile(code("python"), "docs/monitoring.md", "exec"), found)
    return found["is_genuine"]  # type: ignore[no-any-return] # it is the page's


def test_the_program_believes_what_is_signed(
    is_genuine: Callable[[Mapping[str, str], bytes, str], bool],
) -> None:
    """And nothing else: no other body, id, time or secret."""
    to = webhook.webhook("https://hooks.example.com/", {webhook.SECRET: SECRET})
    assert to
    now = datetime.now(UTC)
    body = webhook.payload(outage())
    headers = webhook.signed(to.secret, outage().id, body, now)
    assert is_genuine(headers, body, SECRET)
    assert not is_genuine(headers, body.replace(b'"down"', b'"well"'), SECRET)
    assert not is_genuine({**headers, "webhook-id": "other"}, body, SECRET)
    for seconds in (-1000, 1000):
        at = now + timedelta(seconds=seconds)
        assert not is_genuine(webhook.signed(to.secret, outage().id, body, at), body, SECRET)
        moved = {**headers, "webhook-timestamp": str(int(at.timestamp()))}
        assert not is_genuine(moved, body, SECRET)
    assert not is_genuine(headers, body, "whsec_" + base64.b64encode(b"x" * 24).decode())
    for hostile in ("v1,ü", "", "v1,"):
        assert not is_genuine({**headers, "webhook-signature": hostile}, body, SECRET)


def test_the_verdicts_are_those_that_there_are() -> None:
    """The gravest first."""
    assert names("verdict") == [str(each) for each in GRAVITY]


def test_the_alarms_are_those_that_there_are() -> None:
    """Each kind, and no other."""
    assert names("kind") == [str(each) for each in Kind]


def test_the_thresholds_are_those_of_the_table() -> None:
    """A runtime in a column, as it is called where there are several on its platform."""
    titles, values = table("Workers")
    found = dict(zip(titles, values, strict=True))
    assert len(found) == len(titles)
    runtimes = [
        (f"{profile.title} {runtime.title}" if len(profile.runtimes) > 1 else profile.title, runtime)
        for profile in profiles().values()
        for runtime in profile.runtimes.values()
    ]
    assert len(runtimes) == len(found)
    for title, runtime in runtimes:
        (value,) = [said for short, said in found.items() if title.endswith(short)]
        assert value == f"{runtime.timeout_ms.value} ms"


def test_how_sure_a_calibration_is() -> None:
    """What the page says was measured is measured again, of lognormal cold starts."""
    counts, errors = table("cold starts")
    middle, spread = 400, 0.35
    true = middle * math.exp(spread * NormalDist().inv_cdf(0.95))
    chance = random.Random(5)
    for number, said in zip(map(int, counts[1:]), errors[1:], strict=True):
        series = (
            [chance.lognormvariate(math.log(middle), spread) for _ in range(number)] for _ in range(2000)
        )
        found = sorted(abs(percentile(each, 0.95) / true - 1) for each in series)
        assert 100 * found[1899] == pytest.approx(int(said.removesuffix(" %")), abs=3)


def test_the_numbers_of_the_page() -> None:
    """Those that the text names are the code's."""
    text = " ".join(PAGE.split())
    pauses = [webhook.pause(tries) for tries in range(1, webhook.TRIES)]
    assert pauses[:3] == [1, 2, 4]
    assert max(pauses) == 5 * 60
    assert sum(pauses) / 60 == pytest.approx(30, abs=3)
    for said in (
        f"within {webhook.TIMEOUT:.0f} seconds is an arrival",
        f"{webhook.TRIES} times in half an hour",
        f"at least {webhook.SHORTEST} bytes",
        f"From {ENOUGH} cold starts on",
        f"from {BOUNDED} cold starts on that has an upper end",
    ):
        assert said in text
    assert ledger.WAIT.days == LIFETIME.days == 7
    assert f"({ledger.MOST} alarms at most)" in text
    assert PAUSE == (3, 60), "three intervals and a minute"
