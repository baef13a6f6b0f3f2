"""Exchange one JSON-RPC message over HTTP, and say at which layer it fails.

A response comes as a JSON body or as an event of a stream; both are read within one deadline.
"""

import ipaddress
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
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

    def __init__(self, layer: Layer, message: str) -> None:
        """Say where and what."""
        super().__init__(message)
        self.failure = Failure(layer, message)


class Connection:
    """One endpoint, and the HTTP connections to it, which stay open between exchanges."""

    def __init__(self, url: str, headers: Mapping[str, str] | None, timeout: float) -> None:
        """Connect to nothing yet. `timeout` is for a whole exchange, in seconds."""
        self._url = url
        self._timeout = timeout
        self._http = open_client(url, headers, timeout)

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
        if isinstance(error, dict):
            text = f"{method}: error {error.get('code')}: {quote(str(error.get('message')))}"
            raise ExchangeError(
                Layer.JSON_RPC, text if status == httpx.codes.OK else f"{text} (HTTP {status})"
            )
        if status != httpx.codes.OK:
            raise ExchangeError(Layer.HTTP, f"{method}: HTTP {status}: {quote(_decode(body))}")
        if reply is None:
            raise ExchangeError(
                Layer.JSON_RPC,
                f"{method}: no response with id {message['id']} in a body of type {kind or 'unknown'}: "
                f"{quote(_decode(body))}",
            )
        return Exchange(member(reply, "result", dict, method), elapsed, answered)

    def notify(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Send a notification, which has no response."""
        status, _, body = self._post(message, headers)
        if status != httpx.codes.ACCEPTED:
            text = f"{message['method']}: HTTP {status} instead of 202: {quote(_decode(body))}"
            raise ExchangeError(Layer.HTTP, text)

    def end(self, headers: Mapping[str, str]) -> None:
        """Ask for what the headers name to be ended; a server that cannot, or is gone, need not."""
        with suppress(httpx.HTTPError, httpx.InvalidURL):
            self._http.delete(self._url, headers=headers)

    def _post(
        self, message: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        """Return the status, the headers and the body of the answer to a message."""
        deadline = time.perf_counter() + self._timeout
        method = message["method"]
        content = json.dumps(message).encode()
        try:
            with self._http.stream(
                "POST", self._url, content=content, headers={**HEADERS, **headers}
            ) as response:
                body = _read(response, _kind(response.headers), message.get("id"), deadline)
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
            raise ExchangeError(Layer.HTTP, f"{method}: {error or type(error).__name__}") from error


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
        trust_env=not _is_loopback(url),
        # To read the certificates takes longer than a local server takes to answer.
        verify=not url.startswith("http:"),
    )


def _is_loopback(url: str) -> bool:
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
