"""Exchange one JSON-RPC message over HTTP, and say at which layer it fails.

A response comes as a JSON body or as an event of a stream; both are read within one deadline.
"""

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx

# A server that sends more than this for one answer is not listing tools.
MAX_BODY_BYTES = 64 * 1024 * 1024

QUOTED = 300

HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


class Layer(StrEnum):
    """Where an exchange failed; the layers below it worked."""

    CONNECT = "connect"
    HTTP = "http"
    JSON_RPC = "json-rpc"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and at which layer."""

    layer: Layer
    message: str
    status: int | None = None
    """Of the HTTP response, where there was one."""
    code: int | None = None
    """Of the JSON-RPC error, where there was one."""
    challenge: str | None = None
    """What the server asks for before it answers: `WWW-Authenticate`."""

    def __str__(self) -> str:
        """Put the layer first, as a table or a log shows it."""
        return f"{self.layer}: {self.message}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a request was answered with."""

    result: Mapping[str, Any]
    latency_ms: float
    headers: Mapping[str, str]
    """Of the HTTP response; their names are found in any case."""


class ExchangeError(Exception):
    """An exchange that failed; `failure` is the same as a value."""

    def __init__(
        self,
        layer: Layer,
        message: str,
        status: int | None = None,
        code: int | None = None,
        challenge: str | None = None,
    ) -> None:
        """Say where and what."""
        super().__init__(message)
        self.failure = Failure(layer, message, status, code, challenge)


class Connection:
    """One endpoint, and the HTTP connections to it, which stay open between exchanges."""

    def __init__(self, url: str, headers: Mapping[str, str] | None, timeout: float) -> None:
        """Connect to nothing yet. `timeout` is for a whole exchange, in seconds."""
        self._url = url
        self._timeout = timeout
        self._http = open_client(url, headers, timeout)
        # The connection that is in use, once there is one.
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> Exchange:
        """Send a request, and read the result out of the response to it."""
        method = message["method"]
        started = time.perf_counter()
        status, answered, body = self._post(message, headers)
        kind = _kind(answered)
        elapsed = (time.perf_counter() - started) * 1000
        reply = _reply(kind, body, message["id"])
        error = reply.get("error") if reply else None
        challenge = answered.get("www-authenticate")
        if isinstance(error, dict):
            code = error.get("code")
            text = f"{method}: error {code}: {quote(str(error.get('message')))}"
            raise ExchangeError(
                Layer.JSON_RPC,
                text if status == httpx.codes.OK else f"{text} (HTTP {status})",
                status,
                code if isinstance(code, int) else None,
                challenge,
            )
        if status != httpx.codes.OK:
            # A redirection is not followed: whoever sends credentials has to know to whom.
            to = f" to {quote(answered['location'])}" if "location" in answered else ""
            text = f"{method}: HTTP {status}{to}: {quote(_decode(body))}"
            raise ExchangeError(Layer.HTTP, text, status, challenge=challenge)
        if reply is None:
            raise ExchangeError(
                Layer.JSON_RPC,
                f"{method}: no response with id {message['id']} in a body of type {kind or 'unknown'}: "
                f"{quote(_decode(body))}",
                status,
            )
        return Exchange(member(reply, "result", dict, method), elapsed, answered)

    def notify(
        self, message: Mapping[str, Any], headers: Mapping[str, str], *, lenient: bool = False
    ) -> None:
        """Send a notification, which has no response; `lenient` takes any success for the 202 that is due."""
        status, _, body = self._post(message, headers)
        if status != httpx.codes.ACCEPTED and not (lenient and httpx.codes.is_success(status)):
            text = f"{message['method']}: HTTP {status} instead of 202: {quote(_decode(body))}"
            raise ExchangeError(Layer.HTTP, text, status)

    def end(self, headers: Mapping[str, str]) -> None:
        """Ask for what the headers name to be ended; a server that cannot, or is gone, need not."""
        with suppress(httpx.HTTPError, httpx.InvalidURL), self._bounded():
            self._http.delete(self._url, headers=headers, extensions={"trace": self._trace})

    def page(self) -> tuple[int, str] | None:
        """Return the status and the body of the page at the URL, or nothing where nobody answers."""
        deadline = time.perf_counter() + self._timeout
        with (
            suppress(httpx.HTTPError, httpx.InvalidURL, ExchangeError),
            self._bounded() as cut,
            self._http.stream("GET", self._url, extensions={"trace": self._trace}) as response,
        ):
            body = _read(response, "", None, deadline)
            if not cut.finished.is_set():
                return response.status_code, body.decode(errors="replace")
        return None

    def _post(
        self, message: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        """Return the status, the headers and the body of the answer to a message."""
        deadline = time.perf_counter() + self._timeout
        method = message["method"]
        content = json.dumps(message).encode()
        try:
            with (
                self._bounded() as cut,
                self._http.stream(
                    "POST",
                    self._url,
                    content=content,
                    headers={**HEADERS, **headers},
                    extensions={"trace": self._trace},
                ) as response,
            ):
                body = _read(response, _kind(response.headers), message.get("id"), deadline)
                if cut.finished.is_set():
                    raise httpx.ReadTimeout("the answer was cut off")
                return response.status_code, response.headers, body
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
        ) as error:
            raise ExchangeError(Layer.CONNECT, f"{self._url}: {error or type(error).__name__}") from error
        except httpx.TimeoutException as error:
            raise ExchangeError(Layer.HTTP, f"{method}: no answer in {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            if time.perf_counter() >= deadline:
                raise ExchangeError(Layer.HTTP, f"{method}: no answer in {self._timeout:g} s") from error
            raise ExchangeError(Layer.HTTP, f"{method}: {error or type(error).__name__}") from error

    @contextmanager
    def _bounded(self) -> Iterator[threading.Timer]:
        """Put an end to an exchange when its time is over, of which the timer knows.

        httpx limits the time between two bytes, and a server may send the head of its answer one by one.
        """
        cut = threading.Timer(self._timeout, self._cut)
        cut.daemon = True
        cut.start()
        try:
            yield cut
        finally:
            cut.cancel()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn from httpx which connection an exchange goes through."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")

    def _cut(self) -> None:
        """Hang up."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def member(value: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """Return a member of a JSON object that the protocol demands, of the kind that it demands."""
    found = value.get(key)
    if isinstance(found, kind):
        return found
    raise ExchangeError(
        Layer.PROTOCOL, f"{where}: `{key}` is {quote(json.dumps(found))} instead of a {kind.__name__}"
    )


def quote(text: str) -> str:
    """Shorten what a server said to what a message can hold."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def open_client(url: str, headers: Mapping[str, str] | None, timeout: float) -> httpx.Client:
    """Return an HTTP client for one server."""
    return httpx.Client(
        headers=headers,
        timeout=timeout,
        # A proxy of the environment reaches the world, not this machine.
        trust_env=not is_loopback(url),
        # To read the certificates takes longer than a local server takes to answer.
        verify=not url.lower().startswith("http:") and trust(),
    )


def trust() -> ssl.SSLContext:
    """Return whose certificates are believed: the public authorities', or those in SSL_CERT_FILE."""
    return httpx.create_ssl_context()


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _kind(headers: Mapping[str, str]) -> str:
    """Return the media type of a body."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _read(response: httpx.Response, kind: str, wanted: object, deadline: float) -> bytes:
    """Read a body; of a stream only until the response is there, since a server may keep it open."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ExchangeError(Layer.HTTP, f"the answer is larger than {MAX_BODY_BYTES} bytes")
        if kind == "text/event-stream" and chunk.endswith((b"\n", b"\r")) and _reply(kind, body, wanted):
            break
        # httpx limits the time between two chunks, and a server may send one a second for ever.
        if time.perf_counter() > deadline:
            raise httpx.ReadTimeout("the answer did not end")
    return bytes(body)


def _reply(kind: str, body: bytes | bytearray, wanted: object) -> Mapping[str, Any] | None:
    """Find the response to a request among the messages of a body; an error may name no request."""
    for text in _events(bytes(body)) if kind == "text/event-stream" else [bytes(body)]:
        with suppress(ValueError, RecursionError):
            message = json.loads(text)
            if (
                isinstance(message, dict)
                and message.get("jsonrpc") == "2.0"
                and "method" not in message
                and (message.get("id") == wanted or (message.get("id") is None and "error" in message))
            ):
                return message
    return None


def _events(body: bytes) -> Iterator[bytes]:
    """Split an event stream into the data of its events.

    By bytes, and not with `splitlines`: a description may hold U+2028 or U+0085, which end no line here.
    """
    lines: list[bytes] = []
    for line in body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if not line and lines:
            yield b"\n".join(lines)
            lines = []
        elif line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))


def _decode(body: bytes) -> str:
    return body.decode(errors="replace").strip()
