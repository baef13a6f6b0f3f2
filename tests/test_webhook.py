"""An alarm arrives signed, as any receiver of standardwebhooks.com can check, or it is said why not."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scaffolder.diagnostics import UserError
from scaffolder.monitoring import webhook as webhooks
from scaffolder.monitoring.alarms import Alarm, Kind
from scaffolder.monitoring.webhook import (
    SECRET,
    TRIES,
    URL,
    Final,
    pause,
    payload,
    sender,
    signed,
    webhook,
)

AT = datetime(2026, 11, 22, 12, 0, 5, 999, tzinfo=UTC)
ALARM = Alarm(
    "notes-1",
    Kind.OUTAGE,
    "notes",
    "https://n.example/mcp",
    "healthy",
    "down",
    "TCP: refused „so“",
    None,
    AT,
    AT - timedelta(minutes=2),
)
KEY = b"0123456789abcdef0123456789abcdef"
SECRETS = {SECRET: "whsec_" + base64.b64encode(KEY).decode()}


@contextmanager
def receiver(status: int = 204) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Receive what is posted."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/hook?token=abc", received
        finally:
            http.shutdown()
            thread.join()


def test_a_signature_that_another_program_has_made() -> None:
    """The example of the standard's own libraries: the same message gives the same signature."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_alarm_arrives_signed() -> None:
    """Whoever knows the secret can tell that it came from us, when, and that nothing of it was changed."""
    with receiver() as (url, received):
        to = webhook(url, SECRETS)
        assert to
        assert sender(to, lambda: AT)(ALARM) is None
    ((headers, body),) = received
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == ALARM.id
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(KEY, text, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert json.loads(body) == {
        "schema": "mcp-scaffold/alarm@1",
        "id": "notes-1",
        "kind": "outage",
        "target": "notes",
        "url": "https://n.example/mcp",
        "before": "healthy",
        "after": "down",
        "reason": "TCP: refused „so“",
        "since": None,
        "began": "2026-11-22T11:58:05Z",
        "at": "2026-11-22T12:00:05Z",
        "down_seconds": None,
        "unwatched": None,
    }


def test_a_second_attempt_sends_the_same_alarm() -> None:
    """Its id and its body stay; its stamp, and with it the signature, is of the attempt."""
    times = iter([AT, AT.replace(hour=13)])
    with receiver(500) as (url, received):
        to = webhook(url, SECRETS)
        assert to
        send = sender(to, lambda: next(times))
        assert send(ALARM)
        assert send(ALARM)
    (first, body), (second, again) = received
    assert body == again == payload(ALARM)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize("status", [302, 400, 404, 410, 429, 500, 503])
def test_only_success_is_arrival(status: int) -> None:
    """A redirect is not followed, and no token of the URL is told."""
    with receiver(status) as (url, received):
        to = webhook(url, SECRETS)
        assert to
        why = sender(to, lambda: AT)(ALARM)
    assert len(received) == 1
    assert why
    assert why.endswith(f": HTTP {status}")
    assert "token" not in why
    assert "hook" not in why


def test_nobody_there_is_said() -> None:
    """A refused connection is a reason like any other, without the URL's secrets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    to = webhook(f"http://user:pass@127.0.0.1:{port}/token", SECRETS)
    assert to
    assert sender(to, lambda: AT)(ALARM) == f"http://127.0.0.1:{port}: ConnectError"


def test_a_receiver_that_says_nothing_is_waited_for_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that takes everything and answers nothing is a failure."""
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        to = webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", SECRETS)
        assert to
        why = str(sender(to, lambda: AT)(ALARM))
    assert why.endswith((": ReadTimeout", ": no answer in time"))


@pytest.mark.parametrize("drop", [b"x-a: b\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_a_receiver_that_answers_without_end_is_hung_up_on(
    drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and the answer never: other alarms would wait behind it for ever."""
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.5)
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n" if drop.startswith(b"x") else drop)
            while not over.wait(0.05):
                connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        to = webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/token", SECRETS)
        assert to
        why = sender(to, lambda: AT)(ALARM)
        over.set()
        thread.join()
    # A busy machine may be late with its drops.
    assert why in (f"{to.origin}: no answer in time", f"{to.origin}: ReadTimeout")


def test_a_receiver_that_has_gone_for_good_is_not_asked_again() -> None:
    """As the standard has it for 410; any other answer may be another one next time."""
    for status, final in ((410, True), (404, False), (500, False), (429, False)):
        with receiver(status) as (url, _):
            to = webhook(url, SECRETS)
            assert to
            assert isinstance(sender(to, lambda: AT)(ALARM), Final) is final


def test_where_the_webhook_comes_from() -> None:
    """The argument before the environment; without either there is none, and the secret is not asked for."""
    assert webhook(None, {}) is None
    found = webhook(None, {**SECRETS, URL: "https://a.example/x"})
    assert found
    assert found.url == "https://a.example/x"
    other = webhook("https://b.example/x", {**SECRETS, URL: "https://a.example/x"})
    assert other
    assert (other.url, other.secret) == ("https://b.example/x", KEY)
    read = webhook(None, {SECRET: SECRETS[SECRET] + "\n", URL: "https://a.example/x\n"})
    assert read
    assert (read.url, read.secret) == ("https://a.example/x", KEY)
    assert webhook(None, {URL: "\n"}) is None


def test_secrets_do_not_show() -> None:
    """Neither in a traceback nor in a log."""
    assert "0123" not in repr(webhook("https://a.example/token", SECRETS))
    assert "token" not in repr(webhook("https://a.example/token", SECRETS))


@pytest.mark.parametrize(
    ("url", "environment", "message"),
    [
        ("https://a.example/x", {}, "is not set"),
        ("https://a.example/x", {SECRET: "whsec_c2hvcnQ="}, "fewer than 24 bytes"),
        # The standard's libraries decode it, and others do not: their signatures would not be ours.
        ("https://a.example/x", {SECRET: SECRETS[SECRET].removeprefix("whsec_")}, "does not begin with"),
        ("https://a.example/x", {SECRET: "whsec_???"}, "not base64"),
        ("hooks.example.com", SECRETS, "no http or https URL"),
        ("ftp://a.example/x", SECRETS, "no http or https URL"),
        ("https:///x", SECRETS, "no http or https URL"),
        ("https://a.example:99999/x", SECRETS, "no http or https URL"),
        ("https://[::1/x", SECRETS, "no http or https URL"),
        ("https://a.example/x\x01y", SECRETS, "no http or https URL"),
    ],
)
def test_a_webhook_that_cannot_work_is_refused(url: str, environment: dict[str, str], message: str) -> None:
    """Before anything is watched, and without printing what may be secret."""
    with pytest.raises(UserError, match=message) as caught:
        webhook(url, environment)
    assert "???" not in str(caught.value)


def test_pauses_grow_and_end() -> None:
    """A receiver that is away for minutes gets every alarm; one that never comes back is given up."""
    pauses = [pause(tries) for tries in range(1, TRIES)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 1
    assert 1500 < sum(pauses) < 3600
