"""No credential leaves the monitor, whatever a server does with what it was sent."""

from pathlib import Path
from typing import Any

import fake_servers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.diagnostics import UserError
from scaffolder.monitoring.duty import look
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.redaction import MASK, redaction
from scaffolder.monitoring.sampling import answer
from scaffolder.monitoring.watchkeeping import Watch
from scaffolder.quoting import LINE
from scaffolder.reports.monitor import monitored

TOKEN = "eyJhbGciOiJub25lIn0.abcdef"
HEADERS = {"authorization": f"Bearer {TOKEN}", "x-plan": "1"}


def test_what_is_masked() -> None:
    """The whole value, the token alone, and what is left of it where a message was cut; nothing else."""
    hide = redaction(HEADERS).hide
    assert hide(f"you sent Bearer {TOKEN}.") == f"you sent {MASK}."
    assert hide(f"no such token: {TOKEN}, {TOKEN}") == f"no such token: {MASK}, {MASK}"
    assert hide(f"HTTP 401: {TOKEN[:15]}…") == f"HTTP 401: {MASK}…"
    assert hide("1 of 1, as a Bearer") == "1 of 1, as a Bearer"


@given(st.text(max_size=30), st.text(min_size=8, max_size=30), st.text(max_size=30))
def test_no_secret_is_left(before: str, secret: str, after: str) -> None:
    """Wherever it stands, and whatever it looks like."""
    found = redaction({"x-token": secret}).hide(before + secret + after)
    assert secret not in found or secret in MASK * 2


@pytest.mark.parametrize("before", [4, LINE - 20])
def test_a_server_that_repeats_its_credentials(
    before: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are neither told, nor kept, nor in the error of a calibration; nor is what a cut has left."""

    def repeat(handler: fake_servers.Handler, _: dict[str, Any]) -> None:
        handler.send(500, f"{'no: ' * (before // 4)}{handler.headers['authorization']}")

    state = tmp_path / "state.json"
    with fake_servers.server(repeat) as (url, _):
        expectation = Expectation("deno", url, HEADERS)
        watches = (Watch("deno", url, lambda: look(expectation), 0.01),)
        assert monitored(lambda: watches, state, url, to=None, jobs=1, rounds=3, as_json=True) == 1
        with pytest.raises(UserError) as caught:
            answer(url, HEADERS)
    printed = capsys.readouterr()
    assert f"no: {MASK}" in printed.out
    for text in (printed.out, printed.err, state.read_text(), str(caught.value)):
        assert TOKEN[:10] not in text
