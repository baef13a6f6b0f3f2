"""Makes requests that are almost right: handles and headers that nobody should send."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import quote

from e2e.contract import LEGACY, MODERN, UUID
from e2e.handles import mint
from e2e.raw_http import Header, Request

JSON_HEADERS: tuple[Header, ...] = (
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
)

LOOK_ALIKES = {
    "0": "\uff10",
    "1": "\u0661",
    "a": "\u0430",
    "c": "\u0441",
    "e": "\u0435",
    "b": "\U0001d41b",
    "d": "\u217e",
    "-": "\u2010",
    "4": "\u0664",
}


@dataclass(frozen=True, slots=True)
class Live:
    """A session under way, and the secret that only its owner may see."""

    handle: str
    secret: str
    by_header: bool
    """Whether it is a session of the protocol, named in `Mcp-Session-Id`."""

    def owns(self, request: Request, argument: object) -> bool:
        """Whether a request names this session to the letter."""
        values = [_text(value).strip(" \t") for name, value in request.headers if name == SESSION]
        return self.handle == argument or (self.by_header and self.handle in values)


# The name of the server that is asked.
SERVER = "fuzzed"

SESSION = "mcp-session-id"


@dataclass(frozen=True, slots=True)
class Case:
    """A request of the fuzzer's, and the `session_id` in it."""

    request: Request
    argument: object = None
    refused: bool = False
    """Whether what names a session in it is no handle at all, or nobody's to a server that knows them all."""


class Fuzzer:
    """Makes requests that are almost right."""

    def __init__(self, rng: Random, common: Mapping[str, str], live: Sequence[Live], own: Live) -> None:
        """Aim at the live sessions; `own` is the attacker's, who may do with it as he likes.

        `common` are the headers that a request has to carry unless it has others of the name.
        """
        self.rng = rng
        self.common = common
        self.live = live
        self.own = own

    def case(self) -> Case:
        """Make the next request."""
        kinds: Sequence[tuple[int, Callable[[], Case]]] = (
            (8, self.modern_argument),
            (5, self.legacy_argument),
            (8, self.session_header),
            (3, self.deletion),
            (3, self.initialization),
            (5, self.other_headers),
        )
        (kind,) = self.rng.choices([kind for _, kind in kinds], [weight for weight, _ in kinds])
        return kind()

    def modern_argument(self) -> Case:
        """Call as of revision 2026-07-28, with any `session_id` and perhaps a stray header."""
        argument = self.handle()
        headers = modern_headers()
        if self.rng.random() < 0.2:
            headers += self.session_headers(malformed=False)
        return self._call(argument, headers, modern=True)

    def legacy_argument(self) -> Case:
        """Call as of the 2025 revisions with any `session_id`, from a session of one's own."""
        headers: tuple[Header, ...] = (("mcp-protocol-version", LEGACY),)
        if self.own.by_header:
            headers += ((SESSION, self.own.handle),)
        return self._call(self.handle(), headers, modern=False)

    def session_header(self) -> Case:
        """Call, ping, list or notify, with any `Mcp-Session-Id`."""
        body = self.rng.choice(
            [
                call(self._arguments(), modern=False),
                call(self._arguments(), modern=False),
                {"jsonrpc": "2.0", "id": 1, "method": "ping"},
                {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
                {"jsonrpc": "2.0", "method": "notifications/initialized"},
            ]
        )
        request = post(body, ("mcp-protocol-version", LEGACY), *self.session_headers())
        return self._case(request, refused=self._unknown(request))

    def deletion(self) -> Case:
        """End what may be somebody's session."""
        request = Request("DELETE", self.session_headers())
        return self._case(request, ends=True, refused=self._unknown(request))

    def initialization(self) -> Case:
        """Begin a session, with any header and some parts left out."""
        body: Any = json.loads(json.dumps(INITIALIZE))
        for part in ("id", "params", "jsonrpc"):
            if self.rng.random() < 0.15:
                del body[part]
        if "params" in body and self.rng.random() < 0.3:
            body["params"]["protocolVersion"] = self.json()
        if self.rng.random() < 0.1:
            body = [body]
        return self._case(post(body, *self.session_headers()))

    def other_headers(self) -> Case:
        """Call with a header or two that are not what they have to be."""
        modern = self.rng.random() < 0.5
        headers = dict((*JSON_HEADERS, *(modern_headers() if modern else ())))
        for _ in range(self.rng.randint(1, 3)):
            name, values = self.rng.choice(list(HEADERS.items()))
            if name in {"host", "x-forwarded-host"} and "x-forwarded-host" in self.common:
                # Where there is a platform, it sets them. Its launchers for one's own machine end by others.
                values = HOSTS
            elif self.rng.random() < 0.3:
                values = (self.header_value(),)
            headers[name] = self.rng.choice(values)
        argument = self.handle()
        body = encode(call(self._arguments(argument), modern=modern))
        (method,) = self.rng.choices(["POST", "DELETE", "PUT", "OPTIONS", "GET"], [12, 2, 1, 1, 1])
        session = self.session_headers() if self.rng.random() < 0.5 else ()
        request = Request(method, (*headers.items(), *session), None if method == "GET" else body)
        return self._case(request, argument, ends=request.method == "DELETE")

    def _call(self, argument: object, headers: tuple[Header, ...], *, modern: bool) -> Case:
        request = post(call(self._arguments(argument), modern=modern), *headers)
        refused = not (isinstance(argument, str) and UUID.fullmatch(argument))
        return self._case(request, argument, refused=refused)

    def _unknown(self, request: Request) -> bool:
        return self.own.by_header and not any(session.owns(request, None) for session in self.live)

    def _arguments(self, *session: object) -> dict[str, object]:
        arguments: dict[str, object] = {"text": "overwritten"} if self.rng.random() < 0.5 else {}
        return arguments | ({"session_id": session[0]} if session else {})

    def _case(
        self, request: Request, argument: object = None, *, ends: bool = False, refused: bool = False
    ) -> Case:
        given = {name for name, _ in request.headers}
        added = [header for header in self.common.items() if header[0] not in given]
        whole = Request(request.method, (*added, *request.headers), request.body)
        # What is right by accident may be read, and is not to be changed.
        if any(session.owns(whole, argument) for session in self.live):
            if ends:
                return self.case()
            body = (whole.body or b"").replace(b'"text":"overwritten"', b'"note":"overwritten"')
            whole = Request(whole.method, whole.headers, body)
        return Case(whole, argument, refused)

    def session_headers(self, *, malformed: bool = True) -> tuple[Header, ...]:
        """Return none, one or two values of `Mcp-Session-Id`."""
        count = self.rng.choices([0, 1, 2], [1, 16, 3])[0]
        return tuple((SESSION, self.header_value(malformed=malformed)) for _ in range(count))

    def header_value(self, *, malformed: bool = True) -> bytes:
        """Return any bytes that may stand in one line of a head."""
        handle = self.handle()
        text = handle if isinstance(handle, str) else json.dumps(handle)
        if self.rng.random() < 0.03:
            text = self.rng.choice("a0-\u00e9") * 100_000
        value = text.encode(self.rng.choice(["utf-8", "utf-16-le"] if malformed else ["utf-8"]), "replace")
        if not malformed or self.rng.random() < 0.7:
            return bytes(byte for byte in value if 32 <= byte < 127)
        if self.rng.random() < 0.3:
            value += bytes(self.rng.choices(range(256), k=self.rng.randint(1, 8)))
        # The line has to stay one, or the bytes after it are another request.
        return value.replace(b"\r", b" ").replace(b"\n", b" ")

    def json(self) -> object:
        """Return any value."""
        return self.rng.choice([self.handle(), None, True, 0, -1, 1e300, [], {}, "", [[]], "2025-11-25"])

    def handle(self) -> object:
        """Return what resembles a handle."""
        live = self.rng.choice(self.live).handle
        kind: Callable[[Random, str], object] = self.rng.choice(HANDLES)
        return kind(self.rng, live)


def edit(rng: Random, live: str) -> str:
    """Replace, leave out, double or swap one character."""
    at = rng.randrange(len(live))
    return rng.choice(
        [
            live[:at] + rng.choice("0123456789abcdefg-") + live[at + 1 :],
            live[:at] + live[at + 1 :],
            live[:at] + live[at] + live[at:],
            live[:at] + live[at + 1 : at + 2] + live[at] + live[at + 2 :],
        ]
    )


def extend(rng: Random, live: str) -> str:
    """Put something before or behind."""
    more: str = rng.choice(
        [
            *" \t\n\0.:/*%?#,;'\"\\\ufeff\u200b",
            *("\r\n", ":text", "/text", ".text", "::text", "renewed", "text", live, f",{live}", "\0text"),
            *(f".{sha256(who).hexdigest()}" for who in (b"", b"alice", live.encode())),
        ]
    )
    return rng.choice([live + more, more + live])


def prefix(rng: Random, live: str) -> str:
    """Prefix it as a store or the protocol's sessions might."""
    return rng.choice(["mcp.", "mcp.", "mcp:", "session:", "session:mcp.", "sessions/", "urn:uuid:"]) + live


def traverse(rng: Random, live: str) -> str:
    """Lead there by a path."""
    step = rng.choice(["../", "..\\", "%2e%2e%2f", "..%00/", "/", "./", "....//"]) * rng.randint(1, 9)
    return rng.choice([step + live, f"{live}/{step}{live}", f"x/{step}{live}", step + "etc/passwd"])


def resemble(rng: Random, live: str) -> str:
    """Write some characters with others that look the same."""
    return "".join(LOOK_ALIKES.get(char, char) if rng.random() < 0.5 else char for char in live)


def other_uuid(rng: Random, _live: str) -> str:
    """Make a UUID of another version or variant, or one that is just nobody's."""
    digits = f"{rng.getrandbits(128):032x}"
    version, variant = rng.choice("0123456789abcdef"), rng.choice("0123456789abcdef")
    digits = digits[:12] + version + digits[13:16] + variant + digits[17:]
    return rng.choice([str(uuid.UUID(digits)), str(uuid.UUID(int=rng.choice([0, 2**128 - 1])))])


def valid_uuid(rng: Random, _live: str) -> str:
    """Make what looks like a handle."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def minted(rng: Random, live: str) -> str:
    """Make a handle that the server might have minted."""
    return mint(SERVER, random=valid_uuid(rng, live))


def other_case(rng: Random, live: str) -> str:
    """Write it with upper case, or with other signs around and between."""
    some = "".join(char.upper() if rng.random() < 0.5 else char for char in live)
    framed = rng.choice(["{}", '""', "()", "<>"])
    framed = framed[0] + live + framed[1]
    return rng.choice([live.upper(), some, framed, live.replace("-", ""), live.replace("-", "_")])


def part(rng: Random, live: str) -> str:
    """Take a part of it."""
    start, end = sorted(rng.sample(range(len(live) + 1), 2))
    return rng.choice([live[:end], live[start:], live[start:end], live[::-1]])


def other_type(rng: Random, live: str) -> object:
    """Make a JSON value that is no string, or holds one."""
    deep: object = live
    for _ in range(rng.choice([1, 2, 200])):
        deep = [deep]
    return rng.choice(
        [
            deep,
            [live, live],
            {"id": live},
            {"toString": live},
            {"__proto__": {"session_id": live}},
            {"$ne": None},
            {"length": 36, "0": live},
            int(live.replace("-", ""), 16),
            rng.choice([0, -1, 1e308, 4, True, False, None, [], {}]),
        ]
    )


def inject(rng: Random, live: str) -> str:
    """Say it in the language of a store, of a shell or of HTTP."""
    return rng.choice(
        [
            f"' OR session = '{live}' --",
            f"{live[:8]}*",
            f"{live[:8]}%",
            f"{live[:-1]}?",
            f"{live[:-1]}[0-9a-f]",
            "*",
            "%",
            "",
            " ",
            "undefined",
            "null",
            "constructor",
            "__proto__",
            f"{live}\r\nGET session:{live}:text\r\n",
            f"$(echo {live})",
            f"${{{live}}}",
            quote(live.replace("-", "\u2010")),
            live.replace("-", "%2d"),
            f"{live}; Path=/",
            "\ud800" + live,
        ]
    )


def long(rng: Random, live: str) -> str:
    """Make it long."""
    return rng.choice([live, "a", "../", "\u00e9", "\0"]) * rng.choice([3, 30, 300, 3000])


def exact(_rng: Random, live: str) -> str:
    """Leave it as it is: in the wrong place it opens nothing either."""
    return live


HANDLES: Sequence[Callable[[Random, str], object]] = (
    edit,
    edit,
    exact,
    extend,
    extend,
    inject,
    inject,
    long,
    minted,
    minted,
    other_case,
    other_type,
    other_type,
    other_uuid,
    part,
    prefix,
    resemble,
    traverse,
    valid_uuid,
)

HOSTS = (b"localhost", b"LOCALHOST:80", b"127.0.0.1", b"[::1]:80", b"evil.example", b"localhost.evil.example")

# Values of other headers, some of them right.
HEADERS: Mapping[str, Sequence[bytes]] = {
    "mcp-protocol-version": [
        *(b"", b"2025-11-25", b"2025-06-18", b"2025-03-26", b"2024-11-05", b"2026-07-28", b"2099-01-01"),
        *(b"2026-07-28, 2025-11-25", b"latest", b"\xff\xfe", b"2026-07-28\x00"),
    ],
    "mcp-method": [b"", b"initialize", b"tools/list", b"TOOLS/CALL", b"../call", b"\xc3\xa9"],
    "mcp-name": [b"", b"nothing", b"KEEP", b"=?base64?a2VlcA==?=", b"=?base64?!!?=", b"=?base64?", b"\xe9"],
    "accept": [b"", b"*/*", b"application/json", b"text/event-stream", b"text/html", b"q=,;", b"a/b;q=9"],
    "content-type": [
        *(b"", b"APPLICATION/JSON", b"text/plain", b"application/json, text/plain", b"multipart/form-data"),
        *(b"application/json; charset=utf-16", b"application/json; charset=\xff"),
    ],
    "host": [
        *(*HOSTS, b"", b"localhost:99999", b"a@localhost", b"[::", b"localhost/..", b"a b", b"%00", b"\xff"),
        *(b"127.1", b"0x7f.1", b"LOCALHOST.", b"localhost:", b"localhost, evil.example"),
    ],
    "x-forwarded-host": [*HOSTS, b"", b"localhost, evil.example", b"[", b"a b"],
    "origin": [
        *(b"", b"null", b"http://localhost:5173", b"https://evil.example", b"http://localhost.evil.example"),
        *(b"http://", b"://", b"http://[::1", b"file://", b"http://localhost@evil.example", b"\xff"),
    ],
    "content-encoding": [b"gzip", b"identity", b"br"],
    "x-http-method-override": [b"DELETE"],
    "last-event-id": [b"1", b"", b"\xff"],
    "authorization": [b"Bearer x", b"", b"\xff"],
}

INITIALIZE: Mapping[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "fuzz", "version": "1.0.0"},
    },
}


def modern_headers() -> tuple[Header, ...]:
    """Return what a call as of revision 2026-07-28 carries."""
    return (("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "keep"))


def call(arguments: Mapping[str, object], *, modern: bool) -> dict[str, Any]:
    """Return the message that calls the tool."""
    params: dict[str, Any] = {"name": "keep", "arguments": arguments}
    if modern:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def encode(body: object) -> bytes:
    """Write a JSON body."""
    return json.dumps(body, separators=(",", ":")).encode()


def post(body: object, *headers: Header) -> Request:
    """Return a request with a JSON body."""
    return Request("POST", (*JSON_HEADERS, *headers), encode(body))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
