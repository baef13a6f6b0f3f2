"""Sends HTTP requests to the letter: a client library would refuse those that no client sends."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

Header = tuple[str | bytes, str | bytes]

_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes over the wire."""

    method: str
    headers: tuple[Header, ...]
    body: bytes | None = None
    path: str = "/mcp"

    def encode(self) -> bytes:
        """Return its bytes, with the length of the body."""
        length: Iterable[Header] = () if self.body is None else (("content-length", str(len(self.body))),)
        lines = [f"{self.method} {self.path} HTTP/1.1".encode()]
        lines += [_encode(name) + b": " + _encode(value) for name, value in (*self.headers, *length)]
        return b"\r\n".join([*lines, b"", self.body or b""])


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came."""

    status: int
    head: bytes
    body: bytes


class Connection:
    """A connection to a server, opened again whenever the server closes it."""

    def __init__(self, port: int) -> None:
        """Connect to nothing yet."""
        self._port = port
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, request: Request) -> Answer | None:
        """Return the answer, or nothing where the server hung up instead."""
        data = request.encode()
        if self._socket is not None and (answer := self._exchange(self._socket, data)) is not None:
            return answer
        # A connection from before may have been closed meanwhile: nobody has read the request then.
        self.close()
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._exchange(self._socket, data)

    def _exchange(self, connection: socket.socket, data: bytes) -> Answer | None:
        # Who refuses a request by its head may hang up before the rest of it has come.
        with suppress(ConnectionError):
            connection.sendall(data)
        try:
            with connection.makefile("rb") as file:
                return self._read(file)
        except ConnectionError:
            self.close()
            return None

    def _read(self, file: BinaryIO) -> Answer | None:
        status = 100
        while status < 200:  # Before the answer there may be others that announce it.
            lines = [file.readline()]
            while lines[-1].strip():
                lines.append(file.readline())
            head = b"".join(lines[:-1])
            if not head.startswith(b"HTTP/1."):
                self.close()
                return None
            status = int(head.split(None, 2)[1])
        headers = dict(_fields(head))
        if status in {204, 304}:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(_chunks(file))
        elif "content-length" in headers:
            body = file.read(int(headers["content-length"]))
        else:
            headers["connection"], body = "close", file.read()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, head, body)


def _encode(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _fields(head: bytes) -> Iterable[tuple[str, str]]:
    for line in head.decode("latin-1").split("\r\n")[1:-1]:
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


def _chunks(file: BinaryIO) -> Iterable[bytes]:
    while size := int(file.readline().partition(b";")[0], 16):
        yield file.read(size)
        file.readline()
    file.readline()
