"""Read a message out of the body of an answer, whatever a server sends: in bounded time and memory.

A response comes as a JSON body or as an event of a stream.
"""

import json
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from scaffolder.exchanges import ExchangeError, Layer
from scaffolder.quoting import DECODED, quote

# A server that sends more than this for one answer, or one list of tools, is not listing tools. It counts
# after decompression: a few bytes can stand for all the memory there is.
MAX_BODY_BYTES = 16 * 1024 * 1024

PIECE_BYTES = 64 * 1024

# What reads an answer, prints it or compares it goes down into it; no schema is nested like this.
MAX_DEPTH = 100

JSON, STREAM = "application/json", "text/event-stream"

# What is decoded here, piece by piece; httpx would decode all that a server likes to nest.
ENCODINGS = {"accept-encoding": "gzip"}

# The line break that ends an event after the one that ends its last line.
BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a body."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def read_body(response: httpx.Response, kind: str, wanted: object, deadline: float) -> bytes:
    """Read a body; of a stream only until the response is there, since a server may keep it open."""
    body = bytearray()
    read = 0
    for piece in pieces(response):
        # A blank line may have begun in the piece before.
        sought = max(read, len(body) - 3)
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ExchangeError(Layer.HTTP, f"the answer is larger than {MAX_BODY_BYTES} bytes")
        while kind == STREAM and (end := BLANK_LINE.search(body, sought)):
            if find_reply(kind, body[read : end.end()], wanted):
                return bytes(body)
            read = sought = end.end()
        # httpx limits the time between two chunks, and a server may send one a second for ever.
        if time.perf_counter() > deadline:
            raise httpx.ReadTimeout("the answer did not end")
    return bytes(body)


def find_reply(kind: str, body: bytes | bytearray, wanted: object) -> Mapping[str, Any] | None:
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


def decode(body: bytes) -> str:
    """Read the beginning of what is no message."""
    return body[:DECODED].decode(errors="replace").strip()


def pieces(response: httpx.Response) -> Iterator[bytes]:
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
