"""Send an alarm to a webhook, signed as standardwebhooks.com has it, so that its receiver can trust it."""

import base64
import binascii
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from scaffolder.diagnostics import UserError
from scaffolder.httpclient import open_client
from scaffolder.monitoring.alarms import Alarm

URL, SECRET = "MCP_SCAFFOLD_WEBHOOK_URL", "MCP_SCAFFOLD_WEBHOOK_SECRET"

# What the standard puts before a secret that is base64.
PREFIX = "whsec_"

SHORTEST = 24
"""Bytes of a secret, as the standard has it; a shorter one is guessed."""

TIMEOUT = 10.0
"""Seconds for one attempt, however slowly the answer comes."""

TRIES = 14
"""How often an alarm is sent before it is given up, after half an hour of pauses between."""

LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alarms go; neither the URL, which may hold a token, nor the secret is ever printed."""

    url: str = field(repr=False)
    secret: bytes = field(repr=False)

    @property
    def origin(self) -> str:
        """What of the URL may be said."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}" + (
            f":{parts.port}" if parts.port else ""
        )


class Final(str):
    """Why an alarm did not arrive, and never will."""

    __slots__ = ()


Send = Callable[[Alarm], str | None]
"""Send an alarm; the answer is why it did not arrive, or None."""


def webhook(url: str | None, environment: Mapping[str, str]) -> Webhook | None:
    """Make the webhook of a URL, or of the environment's, with the secret of the environment; None for none.

    Raises UserError for a URL that is none, and where there is no secret to sign with.
    """
    # What was read from a file ends with a line break.
    url = (url or environment.get(URL, "")).strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise UserError("the webhook is no http or https URL", help=["such as https://hooks.example.com/mcp"])
    return Webhook(url, _secret(environment.get(SECRET, "").strip()))


def _secret(text: str) -> bytes:
    advice = [f"export {SECRET}=whsec_$(openssl rand -base64 32)", "and give the receiver the same"]
    if not text:
        raise UserError(f"a webhook is signed, and {SECRET} is not set", help=advice)
    if not text.startswith(PREFIX):
        # Receivers take what has no prefix for base64 as well, or for plain text: none could be sure of it.
        raise UserError(f"{SECRET} does not begin with `{PREFIX}`", help=advice)
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise UserError(f"{SECRET} is not base64 after `{PREFIX}`", help=advice) from None
    if len(secret) < SHORTEST:
        raise UserError(f"{SECRET} has fewer than {SHORTEST} bytes", help=advice)
    return secret


def payload(alarm: Alarm) -> bytes:
    """Write an alarm as it is sent: the same bytes for the same alarm."""
    return json.dumps(document(alarm), ensure_ascii=False, separators=(",", ":")).encode()


def document(alarm: Alarm) -> dict[str, Any]:
    """Give an alarm the form that it has in JSON."""
    return {
        "schema": "mcp-scaffold/alarm@1",
        "id": alarm.id,
        "kind": str(alarm.kind),
        "target": alarm.target,
        "url": alarm.url,
        "before": alarm.before,
        "after": alarm.after,
        "reason": alarm.reason,
        "since": stamp(alarm.since),
        "began": stamp(alarm.began),
        "at": stamp(alarm.at),
        "down_seconds": alarm.down_seconds,
        "unwatched": span(alarm.unwatched),
    }


def stamp(time: datetime | None) -> str | None:
    """Write a time in UTC, to the second."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else None


def span(times: tuple[datetime, datetime] | None) -> dict[str, str | None] | None:
    """Write from when to when something was."""
    return times and {"from": stamp(times[0]), "to": stamp(times[1])}


def signed(secret: bytes, identity: str, body: bytes, at: datetime) -> dict[str, str]:
    """Give the headers that prove who sent a body, and when."""
    seconds = str(int(at.timestamp()))
    mac = hmac.new(secret, f"{identity}.{seconds}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": identity,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(mac.digest()).decode()}",
    }


def sender(to: Webhook, now: Callable[[], datetime]) -> Send:
    """Make what sends alarms to a webhook, one attempt each time it is called."""

    def send(alarm: Alarm) -> str | None:
        body = payload(alarm)
        headers = {
            "content-type": "application/json",
            "user-agent": "mcp-scaffold-monitor/1",
            **signed(to.secret, alarm.id, body, now()),
        }
        limit = _Limit()
        try:
            with (
                limit.kept(TIMEOUT),
                open_client(to.url, headers, TIMEOUT) as client,
                # The body of the answer is not read: it says nothing of use, and may have no end.
                client.stream("POST", to.url, content=body, extensions={"trace": limit.trace}) as response,
            ):
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return f"{to.origin}: {'no answer in time' if limit.passed else type(error).__name__}"
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        # By the standard, whoever answers so is not to be asked again.
        kind = Final if status == HTTPStatus.GONE else str
        return kind(f"{to.origin}: HTTP {status}")

    return send


class _Limit:
    """Hangs up when the time of an attempt is over: httpx only limits the time between two bytes."""

    def __init__(self) -> None:
        """Know of no connection yet."""
        self.passed = False
        self._socket: socket.socket | None = None

    @contextmanager
    def kept(self, seconds: float) -> Iterator[None]:
        """Keep to the limit."""
        timer = threading.Timer(seconds, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn from httpx which connection it is."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")
            if self.passed:
                self._hang_up()

    def _hang_up(self) -> None:
        self.passed = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def pause(tries: int) -> float:
    """Say how many seconds to wait after so many failed attempts."""
    return float(min(2.0 ** (tries - 1), LONGEST_PAUSE))
