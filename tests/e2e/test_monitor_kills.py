"""`monitor` as a program: killed again and again, it alarms once per outage and once per recovery."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_servers import Handler, healthy, server

pytestmark = pytest.mark.slow

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """Keeps the alarms that arrive."""

    def __init__(self) -> None:
        """Nothing has arrived."""
        self.alarms: list[dict[str, Any]] = []
        self.arrived = threading.Condition()
        receiver = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with receiver.arrived:
                    receiver.alarms.append(json.loads(body))
                    receiver.arrived.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def kinds(self) -> list[str]:
        """Give the alarms, each once, as a receiver that keeps their ids does."""
        with self.arrived:
            return [each["kind"] for each in {each["id"]: each for each in self.alarms}.values()]

    def waits_for(self, number: int) -> bool:
        """Wait until so many different alarms have arrived."""
        with self.arrived:
            return self.arrived.wait_for(lambda: len({each["id"] for each in self.alarms}) >= number, 120)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver of webhooks."""
    made = Receiver()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def environment(hook: str | None) -> dict[str, str]:
    """Give the environment of a run, with a webhook or without."""
    secrets = {"MCP_SCAFFOLD_WEBHOOK_URL": hook, "MCP_SCAFFOLD_WEBHOOK_SECRET": SECRET} if hook else {}
    return {**os.environ, **secrets}


@contextmanager
def monitoring(url: str, receiver: Receiver, state: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program, and make sure that it has ended."""
    command = [sys.executable, "-m", "scaffolder", "monitor", url, "--interval", "1", "--state", str(state)]
    process = subprocess.Popen(
        [*command, "--failures", "3", "--recoveries", "2", *more],
        env=environment(receiver.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Read what it prints, a line at a time."""
    assert process.stdout
    for line in process.stdout:
        yield json.loads(line)


def verdict(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the next verdict."""
    return next(line for line in lines(process) if line["event"] == "verdict")


def test_it_survives_kills(receiver: Receiver, tmp_path: Path) -> None:
    """Each run lasts for one to three probes; the outage spans several of them, and is alarmed once."""
    down = threading.Event()
    chance = random.Random(7)

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if down.is_set():
            handler.send(503, "gone")
        else:
            healthy(handler, message)

    state = tmp_path / "state.json"
    with server(answer) as (url, _):
        # How many alarms have to have arrived at the end of each part.
        for is_down, alarms in ((False, 0), (True, 1), (False, 2)):
            (down.set if is_down else down.clear)()
            verdicts: list[str] = []
            while len(verdicts) < 6:
                with monitoring(url, receiver, state) as process:
                    verdicts.extend(verdict(process)["verdict"] for _ in range(chance.randint(1, 3)))
                    process.send_signal(signal.SIGKILL)
            assert ("down" if is_down else "healthy") in verdicts
            # An alarm whose delivery was killed is delivered by the next run.
            with monitoring(url, receiver, state):
                assert receiver.waits_for(alarms)
    assert receiver.kinds() == ["outage", "recovery"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_stops_when_it_is_asked(
    number: signal.Signals, code: int, receiver: Receiver, tmp_path: Path
) -> None:
    """After the signal it ends by itself, with the status that says who asked, and its state is whole."""
    with (
        server(healthy) as (url, _),
        monitoring(url, receiver, tmp_path / "state.json") as process,
    ):
        assert verdict(process)["state"] == "healthy"
        process.send_signal(number)
        assert process.wait(60) == code
    assert json.loads((tmp_path / "state.json").read_text())["schema"] == "mcp-scaffold/monitor-state@1"


def test_a_hanging_server_does_not_keep_it_from_stopping(receiver: Receiver, tmp_path: Path) -> None:
    """The probe under way is waited for briefly, and then left."""
    asked, over = threading.Event(), threading.Event()

    def hang(_: Handler, __: dict[str, Any]) -> None:
        asked.set()
        over.wait(120)

    with (
        server(hang) as (url, _),
        monitoring(url, receiver, tmp_path / "state.json", "--timeout", "100") as process,
    ):
        assert asked.wait(60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        over.set()


def test_two_of_them_do_not_share_a_state(receiver: Receiver, tmp_path: Path) -> None:
    """The second is refused, and the first goes on."""
    with server(healthy) as (url, _), monitoring(url, receiver, tmp_path / "state.json") as first:
        verdict(first)
        with monitoring(url, receiver, tmp_path / "state.json") as second:
            assert second.wait(60) == 2
            assert second.stderr
            assert "another monitor is at work" in second.stderr.read()
        verdict(first)


def test_a_look_in_a_terminal_loses_no_alarm(receiver: Receiver, tmp_path: Path) -> None:
    """Without the variables of the webhook, the alarm that it has not taken is told, and stays for it."""
    state = tmp_path / "state.json"
    where = "http://127.0.0.1:9/mcp"

    def run(hook: str | None, rounds: int) -> str:
        words = ["monitor", where, "--interval", "1", "--rounds", str(rounds), "--state", str(state)]
        done = subprocess.run(
            [sys.executable, "-m", "scaffolder", *words],
            env=environment(hook),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    assert "did not arrive, and is sent again" in run("http://127.0.0.1:9/", 3)
    assert state.stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        told = run(None, 1)
        assert "(from an earlier run; not delivered yet: no webhook in this run)" in told
    with monitoring(where, receiver, state):
        assert receiver.waits_for(1)
    assert receiver.kinds() == ["outage"]


def test_rounds_end_with_the_verdict(receiver: Receiver, tmp_path: Path) -> None:
    """For a script: so many probes, and an exit status that says how the last ones were."""
    with server(healthy) as (url, _):
        for answers, code in ((True, 0), (False, 1)):
            where = url if answers else "http://127.0.0.1:9/mcp"
            with monitoring(where, receiver, tmp_path / f"{code}.json", "--rounds", "2") as process:
                found = [line["verdict"] for line in lines(process) if line["event"] == "verdict"]
                assert process.wait(60) == code
                assert found == (["healthy"] * 2 if answers else ["down"] * 2)


@pytest.mark.parametrize("told", ["stdout", "both"])
def test_whoever_reads_may_go(told: str, receiver: Receiver, tmp_path: Path) -> None:
    """As `monitor | head -1` has it: it ends quietly, as what a broken pipe ends, and its state is whole."""
    with (
        server(healthy) as (url, _),
        monitoring(url, receiver, tmp_path / "state.json") as process,
    ):
        verdict(process)
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        if told == "both":
            process.stderr.close()
        assert process.wait(60) == 141
        assert told == "both" or process.stderr.read() == ""
        # Nothing is left to be read by the end of the test.
        process.stdout = process.stderr = None
    assert json.loads((tmp_path / "state.json").read_text())["schema"] == "mcp-scaffold/monitor-state@1"


def test_what_a_server_says_ends_no_watch(receiver: Receiver, tmp_path: Path) -> None:
    """A locale has no byte for it: that is no reason to stop, and the line still says it."""

    def answer(handler: Handler, _: dict[str, Any]) -> None:
        handler.send(503, "gone \u00e9\u4e2d")

    with (
        pytest.MonkeyPatch.context() as patch,
        server(answer) as (url, _),
    ):
        patch.setenv("PYTHONIOENCODING", "ascii")
        with monitoring(url, receiver, tmp_path / "state.json") as process:
            for _ in range(2):
                assert "gone \u00e9\u4e2d" in verdict(process)["reason"]


def test_targets_come_and_go(tmp_path: Path) -> None:
    """A running monitor follows monitor.json: what is added is probed, what is removed alarms no more."""
    file = tmp_path / "monitor.json"

    def write(**urls: str) -> None:
        entry = {"timeout_ms": 5000, "down_ms": 10000, "interval_seconds": 1, "failures": 3}
        document = {
            "protocol_versions": ["2026-07-28", "2025-11-25"],
            "tools_hash": None,
            "definitions_hash": None,
            "targets": {name: {**entry, "url": url} for name, url in urls.items()},
        }
        draft = file.with_suffix(".tmp")
        draft.write_text(json.dumps(document))
        draft.replace(file)

    def wait(process: subprocess.Popen[str], **members: Any) -> dict[str, Any]:
        return next(line for line in lines(process) if members.items() <= line.items())

    pages = {"/readyz": (200, "{}")}
    with server(healthy, pages=pages) as (one, _), server(healthy, pages=pages) as (two, _):
        write(a=one)
        command = [sys.executable, "-m", "scaffolder", "monitor", "--monitor", str(file)]
        with subprocess.Popen(
            [*command, "--state", str(tmp_path / "state.json")], stdout=subprocess.PIPE, text=True
        ) as process:
            wait(process, event="verdict", target="a")
            write(a=one, b="http://127.0.0.1:9/mcp")
            assert wait(process, event="targets")["added"] == ["b"]
            wait(process, event="verdict", target="b", verdict="down")
            write(a=two)
            changed = wait(process, event="targets")
            assert (changed["removed"], changed["altered"]) == (["b"], ["a"])
            found = [wait(process, event="verdict") for _ in range(3)]
            assert {(each["target"], each["url"]) for each in found} == {("a", two)}
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert set(json.loads((tmp_path / "state.json").read_text())["targets"]) == {"a"}
