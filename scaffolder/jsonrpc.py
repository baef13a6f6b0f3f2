"""Exchange one JSON-RPC message over HTTP, and say at which layer it fails.

A response comes as a JSON body or as an event of a stream; both are read within one deadline.
"""

import json
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from scaffolder.connecting import Backend, is_usable, proxy_of
from scaffolder.diagnostics import UserError

# A server that sends more than this for one answer, or one list of tools, is not listing tools. It counts
# after decompression: a few bytes can stand for all the memory there is.
MAX_BODY_BYTES = 16 * 1024 * 1024

PIECE_BYTES = 64 * 1024

# What reads an answer, prints it or compares it goes down into it; no schema is nested like this.
MAX_DEPTH = 100

QUOTED = 300

JSON, STREAM = "application/json", "text/event-stream"

HEADERS = {"accept": f"{JSON}, {STREAM}", "content-type": JSON}

# What is decoded here, piece by piece; httpx would decode all that a server likes to nest.
ENCODINGS = {"accept-encoding": "gzip"}

# What comes of a server of HTTP/2 alone, with encryption and without, and of one that speaks no HTTP at all.
OTHER_PROTOCOL = ("no application protocol", "illegal status line", "illegal request line")

# The line break that ends an event after the one that ends its last line.
BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


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
    size: int
    """Of the body, in bytes."""


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
        # An empty one challenges nobody.
        challenge = answered.get("www-authenticate", "").strip() or None
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
            later = f" (Retry-After: {quote(answered['retry-after'])})" if "retry-after" in answered else ""
            text = f"{method}: HTTP {status}{to}{later}: {quote(_decode(body))}"
            raise ExchangeError(Layer.HTTP, text, status, challenge=challenge)
        # Whatever the body holds, no client looks into one of another type.
        if reply is None or kind not in {JSON, STREAM}:
            raise ExchangeError(
                Layer.JSON_RPC,
                f"{method}: no response with id {message['id']} in a body of type {kind or 'unknown'}: "
                f"{quote(_decode(body))}",
                status,
            )
        if "error" in reply:
            text = f"{method}: `error` is {quote(json.dumps(error))} instead of an object"
            raise ExchangeError(Layer.JSON_RPC, text, status)
        return Exchange(member(reply, "result", dict, method), elapsed, answered, len(body))

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
            self._bounded() as over,
            self._http.stream(
                "GET", self._url, headers=ENCODINGS, extensions={"trace": self._trace}
            ) as response,
        ):
            body = _read(response, "", None, deadline)
            if not over.is_set():
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
                self._bounded() as over,
                self._http.stream(
                    "POST",
                    self._url,
                    content=content,
                    headers={**HEADERS, **ENCODINGS, **headers},
                    extensions={"trace": self._trace},
                ) as response,
            ):
                body = _read(response, _kind(response.headers), message.get("id"), deadline)
                if over.is_set():
                    raise httpx.ReadTimeout("the answer was cut off")
                return response.status_code, response.headers, body
        except httpx.ProxyError as error:
            raise ExchangeError(Layer.CONNECT, f"the proxy of the environment refuses: {error}") from error
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
        ) as error:
            raise ExchangeError(Layer.CONNECT, f"{self._url}: {_said(error)}") from error
        except httpx.TimeoutException as error:
            raise ExchangeError(Layer.HTTP, f"{method}: no answer in {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            if time.perf_counter() >= deadline:
                raise ExchangeError(Layer.HTTP, f"{method}: no answer in {self._timeout:g} s") from error
            raise ExchangeError(Layer.HTTP, f"{method}: {_said(error)}") from error

    @contextmanager
    def _bounded(self) -> Iterator[threading.Event]:
        """Put an end to an exchange when its time is over; the event tells that it was.

        httpx limits the time between two bytes, and a server may send the head of its answer one by one.
        """
        over = threading.Event()

        def end() -> None:
            # First, for whoever reads takes the end of the connection for that of the body.
            over.set()
            self._cut()

        timer = threading.Timer(self._timeout, end)
        timer.daemon = True
        timer.start()
        try:
            yield over
        finally:
            timer.cancel()

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
    """Return an HTTP client for one server, which keeps no cookies: clients of MCP do not either.

    Raises UserError where the certificates that are to be believed cannot be read, or the proxy of the
    environment is none of HTTP.
    """
    # To read the certificates takes longer than a local server takes to answer.
    verify = not url.lower().startswith("http:") and trust()
    proxy = proxy_of(url)
    if proxy is not None and not is_usable(proxy):
        raise UserError("the environment has a proxy that is not one of HTTP")
    return httpx.Client(
        headers=headers,
        timeout=timeout,
        # What the environment says of proxies is read in one place, for every layer alike.
        trust_env=False,
        proxy=proxy,
        verify=verify,
        transport=None if proxy else _Transport(verify),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class _Transport(httpx.HTTPTransport):
    """Connects to the first address that answers."""

    def __init__(self, verify: ssl.SSLContext | bool) -> None:  # noqa: FBT001 - as httpx has it
        super().__init__(verify=verify, trust_env=False)
        # httpx has no parameter for it.
        self._pool: httpcore.ConnectionPool = httpcore.ConnectionPool(
            ssl_context=verify if isinstance(verify, ssl.SSLContext) else None, network_backend=Backend()
        )


def trust() -> ssl.SSLContext:
    """Return whose certificates are believed: the public authorities', or those in SSL_CERT_FILE.

    Raises UserError where those cannot be read.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise UserError(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}"
        ) from error


def _said(error: Exception) -> str:
    """Say what httpx has found, in words that do not need its source."""
    text = str(error) or type(error).__name__
    # Every OpenSSL prints its alerts in another way.
    words = text.lower().replace("_", " ")
    if any(sign in words for sign in OTHER_PROTOCOL):
        return f"it does not speak HTTP/1.1, as clients of MCP do: {quote(text)}"
    return text


def _kind(headers: Mapping[str, str]) -> str:
    """Return the media type of a body."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _read(response: httpx.Response, kind: str, wanted: object, deadline: float) -> bytes:
    """Read a body; of a stream only until the response is there, since a server may keep it open."""
    body = bytearray()
    read = 0
    for piece in _pieces(response):
        # A blank line may have begun in the piece before.
        sought = max(read, len(body) - 3)
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ExchangeError(Layer.HTTP, f"the answer is larger than {MAX_BODY_BYTES} bytes")
        while kind == STREAM and (end := BLANK_LINE.search(body, sought)):
            if _reply(kind, body[read : end.end()], wanted):
                return bytes(body)
            read = sought = end.end()
        # httpx limits the time between two chunks, and a server may send one a second for ever.
        if time.perf_counter() > deadline:
            raise httpx.ReadTimeout("the answer did not end")
    return bytes(body)


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    """Give a body as it was before it was compressed, in pieces that fit into memory."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        yield from response.iter_raw()
        return
    if encoding not in {"gzip", "x-gzip"}:
        text = f"the answer comes as {quote(encoding)}, which the probe does not ask for"
        raise ExchangeError(Layer.HTTP, text, response.status_code)
    # 16 more than the window: with the header of gzip.
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for chunk in response.iter_raw():
            left, piece = chunk, b""
            # A full piece may leave more behind, even when all that came is taken in.
            while left or len(piece) == PIECE_BYTES:
                piece = decoder.decompress(left, PIECE_BYTES)
                yield piece
                if decoder.eof:
                    return
                left = decoder.unconsumed_tail
    except zlib.error as error:
        text = f"the answer is not the gzip that it says it is: {error}"
        raise ExchangeError(Layer.HTTP, text, response.status_code) from error


def _reply(kind: str, body: bytes | bytearray, wanted: object) -> Mapping[str, Any] | None:
    """Find the response to a request among the messages of a body; an error may name no request."""
    for text in _events(bytes(body)) if kind == STREAM else [bytes(body)]:
        message = _parse(text)
        if (
            isinstance(message, dict)
            and message.get("jsonrpc") == "2.0"
            and "method" not in message
            and (
                # True is no number here.
                (message.get("id") == wanted and not isinstance(message.get("id"), bool))
                or (message.get("id") is None and "error" in message)
            )
        ):
            return message
    return None


def _parse(text: bytes) -> Any:
    """Read JSON as a client does, which is in UTF-8 and knows no NaN; None for what is none.

    Raises ExchangeError for what is nested too deep to be looked into.
    """
    deep = False
    value = None
    try:
        value = json.loads(
            text.decode(errors="replace").removeprefix("\ufeff"), parse_constant=_refuse_constant
        )
        deep = _is_deep(value) if text.count(b"[") + text.count(b"{") > MAX_DEPTH else False
    except RecursionError:
        deep = True
    except ValueError:
        return None
    if deep:
        raise ExchangeError(Layer.JSON_RPC, f"the answer is nested deeper than {MAX_DEPTH} levels")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_deep(value: Any) -> bool:
    """Tell whether a JSON value has too many levels, level by level and not by recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _events(body: bytes) -> Iterator[bytes]:
    """Split an event stream into the data of its events.

    By bytes, and not with `splitlines`: a description may hold U+2028 or U+0085, which end no line here.
    """
    lines: list[bytes] = []
    for line in body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if not line and lines:
            yield b"\n".join(lines)
            lines = []
        elif line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))


def _decode(body: bytes) -> str:
    return body[: 8 * QUOTED].decode(errors="replace").strip()
