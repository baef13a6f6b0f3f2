"""Servers that do what a test wants, on a port of this machine."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scaffolder.probe import LEGACY, MODERN

TOOL = {"name": "a.b", "description": "U+2028 \u2028 and U+0085 \u0085", "inputSchema": {"type": "object"}}

Answer = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers with what the test gave the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answer: Answer
    seen: list[tuple[dict[str, Any], dict[str, str]]]
    pages: Mapping[str, tuple[int, str]]
    """What lies beside the endpoint, by path."""
    extra: Mapping[str, str]
    """Headers of the next answer."""

    def do_POST(self) -> None:
        """Hand the message to the test."""
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.extra = {}
        self.seen.append((message, {name.lower(): value for name, value in self.headers.items()}))
        type(self).answer(self, message)

    def do_GET(self) -> None:
        """Show a page."""
        self.extra = {}
        self.send(*self.pages.get(self.path, (404, "")))

    def do_DELETE(self) -> None:
        """Note what is to end, and refuse, as a server does that lets sessions expire."""
        self.extra = {}
        self.seen.append(
            ({"method": "DELETE"}, {name.lower(): value for name, value in self.headers.items()})
        )
        self.send(405, "")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def send(self, status: int, body: str | bytes, kind: str = "application/json") -> None:
        """Answer with a whole body."""
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, value in self.extra.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def reply(self, message: dict[str, Any], result: dict[str, Any], *, stream: bool = False) -> None:
        """Answer with the result of a request."""
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False)
        if stream:
            note = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
            self.send(
                200, f": hi\n\ndata: {note}\r\n\r\nevent: message\ndata: {text}\n\n", "text/event-stream"
            )
        else:
            self.send(200, text)


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that went away."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing."""


class QuietServer6(QuietServer):
    """Listens on an address of IPv6 alone."""

    address_family = socket.AF_INET6


@contextmanager
def server(
    answer: Answer,
    *,
    pages: Mapping[str, tuple[int, str]] | None = None,
    encryption: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[tuple[str, list[tuple[dict[str, Any], dict[str, str]]]]]:
    """Serve one behaviour, and yield the URL and what is received."""
    members = {"answer": staticmethod(answer), "seen": [], "pages": pages or {}}
    handler = type("Behaviour", (Handler,), members)
    with (QuietServer6 if ":" in host else QuietServer)((host, 0), handler) as http:
        if encryption is not None:
            http.socket = encryption.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            scheme = "http" if encryption is None else "https"
            name = f"[{host}]" if ":" in host else host
            yield f"{scheme}://{name}:{http.server_port}/mcp", handler.seen  # type: ignore[attr-defined] # of the class above
        finally:
            http.shutdown()
            thread.join()


def healthy(handler: Handler, message: dict[str, Any], *, stream: bool = False) -> None:
    """Answer as a server of both eras does."""
    method = message["method"]
    if "id" not in message:
        handler.send(202, "")
        return
    results: dict[str, dict[str, Any]] = {
        "initialize": {"protocolVersion": LEGACY, "capabilities": {}, "serverInfo": {"name": "s"}},
        "server/discover": {"supportedVersions": [MODERN], "capabilities": {}, "serverInfo": {"name": "s"}},
        "tools/list": {"tools": [TOOL]},
        "tools/call": {"content": [{"type": "text", "text": "done"}]},
    }
    modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
    handler.reply(message, {**results[method], **modern}, stream=stream)
