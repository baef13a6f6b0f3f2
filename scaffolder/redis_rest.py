"""Serve Redis over REST on loopback, as the vendor of a hosted Redis does, in front of a real server.

The vendor has none to run locally. This one speaks enough of its protocol for its own client: single
commands, pipelines, transactions, base64 replies, and the errors of each.
"""

import base64
import hmac
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from scaffolder.processes import Processes, tail

# The largest request that the vendor documents.
MAX_REQUEST_BYTES = 10 * 1024 * 1024

START_SECONDS = 10.0

# Commands that change the connection, or never end: REST has no connection for them.
REFUSED = frozenset(
    {"AUTH", "BLMOVE", "BLPOP", "BRPOP", "BRPOPLPUSH", "CLIENT", "DISCARD", "EXEC", "HELLO", "MONITOR"}
    | {"MULTI", "PSUBSCRIBE", "QUIT", "RESET", "SELECT", "SHUTDOWN", "SSUBSCRIBE", "SUBSCRIBE", "UNWATCH"}
    | {"WATCH"}
)

Command = Sequence[bytes]
Answer = tuple[int, Any]
"""A status and what is sent as JSON."""
Between = Callable[[Sequence[Command], Callable[[], Answer]], Answer]


class RedisError(Exception):
    """An error that Redis replied with, or that stands for one."""


@dataclass(frozen=True, slots=True)
class Status:
    """A reply that is a word about a command, such as OK, and no data."""

    text: str


Reply = bytes | int | Status | RedisError | list[Any] | None


class Redis:
    """One connection to a Redis server."""

    def __init__(self, port: int) -> None:
        """Connect on loopback."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._replies: BinaryIO = self._socket.makefile("rb")

    def close(self) -> None:
        """Disconnect."""
        self._replies.close()
        self._socket.close()

    def run(self, commands: Sequence[Command]) -> list[Reply]:
        """Send the commands together and read a reply to each."""
        self._socket.sendall(b"".join(map(_encode, commands)))
        return [self._read() for _ in commands]

    def _read(self) -> Reply:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Status(rest.decode())
        if kind == b"-":
            return RedisError(rest.decode(errors="replace"))
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            return self._replies.read(number + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(number)]
        raise ConnectionError(f"Redis replied with the unknown type {kind!r}")


@contextmanager
def redis_server(program: Path, directory: Path, processes: Processes) -> Iterator[int]:
    """Run a Redis server that keeps nothing on disk, and yield its port."""
    port = free_port()
    log = directory / "redis.log"
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = processes.start(
        [str(program), *words, "--dir", str(directory)], directory=directory, environment={}, log=log
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RedisError(f"redis-server did not start: {tail(log)}")
            time.sleep(0.01)
        yield port
    finally:
        processes.stop(process)


def answer_all(_: Sequence[Command], answer: Callable[[], Answer]) -> Answer:
    """Answer every request as Redis does."""
    return answer()


@contextmanager
def rest_server(redis_port: int, token: str, between: Between = answer_all) -> Iterator[str]:
    """Serve the REST protocol for whoever knows the token, and yield its URL.

    `between` is given the commands of each request and what runs them, and returns what is answered: it may
    count, wait before or after, or answer by itself as the vendor does to a client that it refuses. It is
    called from several threads at once.
    """
    server = _Server(redis_port, token, between)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Five, the default, would let the sixth connection at once wait for a second and more.
    request_queue_size = 128
    # Clients keep connections open; they end with the process, not with the last request.
    block_on_close = False

    def __init__(self, redis_port: int, token: str, between: Between) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.redis_port = redis_port
        self.token = token
        self.between = between

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has not waited for its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with one to Redis of its own: a transaction is never shared."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet; two would wait for each other (Nagle, delayed ACK).
    wbufsize = -1
    redis: Redis | None = None

    def do_GET(self) -> None:
        """Run the command in the path."""
        self._answer()

    def do_POST(self) -> None:
        """Run the command or the commands in the body."""
        self._answer()

    def finish(self) -> None:
        """Close the connection to Redis with the client's."""
        super().finish()
        self._disconnect()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it
        """Say nothing: this server has no log."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = parse_qsl(url.query, keep_blank_values=True)
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_REQUEST_BYTES or "transfer-encoding" in self.headers:
            self.close_connection = True
            self._send(413, {"error": f"ERR max request size exceeded. Limit: {MAX_REQUEST_BYTES} bytes"})
            return
        body = self.rfile.read(length)
        if not self._authorized(dict(query).get("_token", "")):
            self._send(401, {"error": "Unauthorized"})
            return
        # Of all the headers that end so, the vendor's own is the one that can ask for this.
        asked = [value for name, value in self.headers.items() if name.lower().endswith("-encoding")]
        try:
            several = url.path in {"/pipeline", "/multi-exec"}
            commands = _commands(body) if several else [_command(url.path, query, body)]
            execute = partial(self._execute, url.path, commands, _base64 if "base64" in asked else _text)
            status, answer = self.server.between(commands, execute)
        except RedisError as error:
            status, answer = 400, {"error": str(error)}
        except OSError as error:
            self._disconnect()  # The next request tries again with a new connection.
            status, answer = 500, {"error": f"ERR Redis cannot be reached: {error}"}
        self._send(status, answer)

    def _execute(self, path: str, commands: Sequence[Command], encode: Callable[[bytes], str]) -> Answer:
        if path == "/multi-exec":
            return 200, [_result(reply, encode) for reply in self._transaction(commands)]
        replies = self._run(commands)
        if path == "/pipeline":
            return 200, [_result(reply, encode) for reply in replies]
        (reply,) = replies
        return 400 if isinstance(reply, RedisError) else 200, _result(reply, encode)

    def _authorized(self, token: str) -> bool:
        sent = self.headers.get("authorization") or f"Bearer {token}"
        return hmac.compare_digest(sent.encode(), f"Bearer {self.server.token}".encode())

    def _disconnect(self) -> None:
        if self.redis is not None:
            self.redis.close()
            self.redis = None

    def _run(self, commands: Sequence[Command]) -> list[Reply]:
        self.redis = self.redis or Redis(self.server.redis_port)
        return self.redis.run(commands)

    def _transaction(self, commands: Sequence[Command]) -> list[Reply]:
        done = self._run([[b"MULTI"], *commands, [b"EXEC"]])[-1]
        if isinstance(done, RedisError):
            raise done
        return done if isinstance(done, list) else []

    def _send(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _answers(port: int) -> bool:
    with suppress(OSError):
        connection = Redis(port)
        try:
            return connection.run([[b"PING"]]) == [Status("PONG")]
        finally:
            connection.close()
    return False


def _encode(command: Command) -> bytes:
    words = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command)
    return b"*%d\r\n%b" % (len(command), words)


def _commands(body: bytes) -> list[Command]:
    sent = _parse(body)
    if not isinstance(sent, list):
        raise RedisError("ERR failed to parse pipeline request")
    return [_words(command) for command in sent]


def _command(path: str, query: Sequence[tuple[str, str]], body: bytes) -> Command:
    """Read a command from the body, or from the path, the body and the query in this order."""
    if path in {"", "/"}:
        return _words(_parse(body))
    words: list[Any] = [unquote(part) for part in path.strip("/").split("/")]
    if body:
        words.append(body.decode(errors="surrogateescape"))
    for name, value in query:
        if name != "_token":
            words += [name, value] if value else [name]
    return _words(words)


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise RedisError("ERR failed to parse command") from error


def _words(command: Any) -> Command:
    if not isinstance(command, list) or not command:
        raise RedisError("ERR failed to parse command")
    words = [_word(word) for word in command]
    name = words[0].decode(errors="replace").upper()
    if name in REFUSED:
        raise RedisError(f"ERR Command is not available: '{name}'")
    return words


def _word(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogateescape")


def _result(reply: Reply, encode: Callable[[bytes], str]) -> dict[str, Any]:
    if isinstance(reply, RedisError):
        return {"error": str(reply)}
    return {"result": _value(reply, encode)}


def _value(reply: Any, encode: Callable[[bytes], str]) -> Any:
    if isinstance(reply, list):
        return [_value(item, encode) for item in reply]
    if isinstance(reply, Status):
        # The client knows this one word, and decodes every other string.
        return reply.text if reply.text == "OK" else encode(reply.text.encode())
    if isinstance(reply, RedisError):
        return str(reply)
    return encode(reply) if isinstance(reply, bytes) else reply


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
