"""Exchange one JSON-RPC message over HTTP, within one deadline, and say at which layer it fails."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from scaffolder.bodies import ENCODINGS, JSON, STREAM, decode, find_reply, media_type, read_body
from scaffolder.exchanges import Exchange, ExchangeError, Layer, member
from scaffolder.httpclient import open_client
from scaffolder.quoting import destination, excerpt, is_html, is_login, page, quote

HEADERS = {"accept": f"{JSON}, {STREAM}", "content-type": JSON}

# What comes of a server of HTTP/2 alone, with encryption and without, and of one that speaks no HTTP at all.
OTHER_PROTOCOL = ("no application protocol", "illegal status line", "illegal request line")


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
        kind = media_type(answered)
        elapsed = (time.perf_counter() - started) * 1000
        reply = find_reply(kind, body, message["id"])
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
            raise self._refusal(method, status, answered, body, challenge)
        # Whatever the body holds, no client looks into one of another type.
        if reply is None or kind not in {JSON, STREAM}:
            said = decode(body)
            html = is_html(kind, said)
            text = (
                f"no response with id {message['id']} in a body of type {kind or 'unknown'}: {excerpt(said)}"
            )
            text = f"HTTP {status}, {page(status)}" if html else text
            raise ExchangeError(Layer.JSON_RPC, f"{method}: {text}", status, html=html)
        if "error" in reply:
            text = f"{method}: `error` is {quote(json.dumps(error))} instead of an object"
            raise ExchangeError(Layer.JSON_RPC, text, status)
        return Exchange(member(reply, "result", dict, method), elapsed, answered, len(body))

    def _refusal(
        self, method: str, status: int, answered: httpx.Headers, body: bytes, challenge: str | None
    ) -> ExchangeError:
        """Say what came instead of an answer in JSON-RPC."""
        said = decode(body)
        location = answered.get("location") if httpx.codes.is_redirect(status) else None
        if location is not None:
            # A redirection is not followed: whoever sends credentials has to know to whom.
            place, login = destination(self._url, location), is_login(self._url, location)
            front = ": a login page stands in front of the server" if login else ""
            text = f"{method}: HTTP {status} leads to {place}, and clients do not follow{front}"
            return ExchangeError(Layer.HTTP, text, status, challenge=challenge, location=place, login=login)
        html = is_html(media_type(answered), said)
        later = f" (Retry-After: {quote(answered['retry-after'])})" if "retry-after" in answered else ""
        what = f", {page(status)}" if html else f": {excerpt(said)}" if said else ""
        text = f"{method}: HTTP {status}{later}{what}"
        return ExchangeError(Layer.HTTP, text, status, challenge=challenge, html=html)

    def notify(
        self, message: Mapping[str, Any], headers: Mapping[str, str], *, lenient: bool = False
    ) -> None:
        """Send a notification, which has no response; `lenient` takes any success for the 202 that is due."""
        status, _, body = self._post(message, headers)
        if status != httpx.codes.ACCEPTED and not (lenient and httpx.codes.is_success(status)):
            text = f"{message['method']}: HTTP {status} instead of 202: {excerpt(decode(body))}"
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
            body = read_body(response, "", None, deadline)
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
                body = read_body(response, media_type(response.headers), message.get("id"), deadline)
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


def _said(error: Exception) -> str:
    """Say what httpx has found, in words that do not need its source."""
    text = str(error) or type(error).__name__
    # Every OpenSSL prints its alerts in another way.
    words = text.lower().replace("_", " ")
    if any(sign in words for sign in OTHER_PROTOCOL):
        return f"it does not speak HTTP/1.1, as clients of MCP do: {quote(text)}"
    return text
