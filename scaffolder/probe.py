"""Speak MCP to a server in both eras of the protocol; whatever it does is a value, never an exception."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import httpx

from scaffolder.bodies import MAX_BODY_BYTES
from scaffolder.exchanges import Exchange, ExchangeError, Failure, Layer, member
from scaffolder.jsonrpc import Connection
from scaffolder.providers import versions
from scaffolder.quoting import quote

# The newest revision of each era.
MODERN: str = versions()["protocol_versions"]["modern"][0]
LEGACY: str = versions()["protocol_versions"]["legacy"][0]

REVISION = "mcp-protocol-version"
SESSION = "mcp-session-id"

CLIENT = {"name": "mcp-scaffold", "version": "1"}

METHOD_NOT_FOUND = -32601

# A server that lists tools page by page without end is stopped here.
MAX_PAGES = 1000


class Era(StrEnum):
    """How client and server come to terms: revisions with a handshake, or those without one."""

    LEGACY = "legacy"
    MODERN = "modern"


@dataclass(frozen=True, slots=True)
class EraReport:
    """What a server answered in one era."""

    era: Era
    protocol_versions: tuple[str, ...] = ()
    """The revision that a legacy handshake agreed on; all that a modern server advertises."""
    server: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()
    latencies_ms: Mapping[str, float] = field(default_factory=dict)
    """By method; that of a list is the time for all of its pages."""
    session: bool = False
    """Whether the server began a session of the protocol's, which has ended by now."""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a server answered, by era."""

    url: str
    legacy: EraReport
    modern: EraReport


@dataclass(frozen=True, slots=True)
class CallReport:
    """What a call of a tool came to; its result may still say `isError`."""

    result: Mapping[str, Any] = field(default_factory=dict)
    latency_ms: float = 0.0
    failure: Failure | None = None

    @property
    def text(self) -> str:
        """The text of the result, as a model reads it."""
        content = self.result.get("content")
        blocks = content if isinstance(content, list) else []
        return "\n".join(
            str(block["text"]) for block in blocks if isinstance(block, dict) and "text" in block
        )


def probe(url: str, headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> ProbeReport:
    """Greet a server and list its tools, in each era; `timeout` is for each exchange, in seconds."""
    with Client(url, headers, timeout) as client:
        return ProbeReport(url, client.introduce(Era.LEGACY), client.introduce(Era.MODERN))


def get(url: str, headers: Mapping[str, str] | None = None, timeout: float = 2.0) -> tuple[int, str] | None:
    """Return the status and the body of a page, or nothing where nobody answers."""
    with suppress(httpx.InvalidURL), closing(Connection(url, headers, timeout)) as connection:
        return connection.page()
    return None


class Client:
    """A minimal MCP client of one endpoint."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        *,
        lenient: bool = False,
    ) -> None:
        """Connect to nothing yet. `timeout` is for each exchange, in seconds, and for all pages of a list.

        `lenient` takes what every client takes, and not only what the protocol says.
        """
        self._lenient = lenient
        self._timeout = timeout
        self._connection = Connection(url, headers, timeout)
        self._id = 0
        # What legacy requests carry: the revision, and the session if the server began one.
        self._legacy = {REVISION: LEGACY}
        # Of the last introduction.
        self._capabilities: Mapping[str, Any] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the session that a legacy server began, and close the connections."""
        self._end_session()
        self._connection.close()

    def introduce(self, era: Era) -> EraReport:
        """Go through what a client does before its first call: greet, then list the tools."""
        latencies: dict[str, float] = {}
        versions: tuple[str, ...] = ()
        server: Mapping[str, Any] = {}
        tools: tuple[Mapping[str, Any], ...] = ()
        failure = None
        greet = self._initialize if era is Era.LEGACY else self._discover
        try:
            versions, server = greet(latencies)
            tools = tuple(self._list(era, latencies))
        except ExchangeError as error:
            # A server of prompts or resources alone need not know the method.
            if error.failure.code != METHOD_NOT_FOUND or not versions or "tools" in self._capabilities:
                failure = error.failure
        session = era is Era.LEGACY and SESSION in self._legacy
        return EraReport(era, versions, server, tools, latencies, session, failure)

    def call(self, name: str, arguments: Mapping[str, Any], era: Era = Era.MODERN) -> CallReport:
        """Call a tool; in the legacy era within the session of the last introduction, if it began one."""
        params = {"name": name, "arguments": dict(arguments)}
        try:
            done = self._request(era, "tools/call", params)
        except ExchangeError as error:
            return CallReport(failure=error.failure)
        return CallReport(done.result, done.latency_ms)

    def _initialize(self, latencies: dict[str, float]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
        self._end_session()
        done = self._request(Era.LEGACY, "initialize", params)
        result, latencies["initialize"] = done.result, done.latency_ms
        session = done.headers.get(SESSION)
        if session is not None:
            if not re.fullmatch(r"[!-~]+", session):
                text = f"initialize: the session ID is {quote(json.dumps(session))}, not visible ASCII"
                raise ExchangeError(Layer.PROTOCOL, text)
            self._legacy[SESSION] = session
        version = member(result, "protocolVersion", str, "initialize")
        if not re.fullmatch(r"[!-~]{1,64}", version):
            text = f"initialize: the revision is {quote(json.dumps(version))}, which no header can carry"
            raise ExchangeError(Layer.PROTOCOL, text)
        # What was agreed on goes with all that follows.
        self._legacy[REVISION] = version
        self._capabilities = member(result, "capabilities", dict, "initialize")
        server = member(result, "serverInfo", dict, "initialize")
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self._connection.notify(initialized, self._legacy, lenient=self._lenient)
        return (version,), server

    def _end_session(self) -> None:
        if SESSION in self._legacy:
            self._connection.end(self._legacy)
            del self._legacy[SESSION]

    def _discover(self, latencies: dict[str, float]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
        done = self._request(Era.MODERN, "server/discover", {})
        result, latencies["server/discover"] = done.result, done.latency_ms
        versions = member(result, "supportedVersions", list, "server/discover")
        self._capabilities = member(result, "capabilities", dict, "server/discover")
        if MODERN not in versions:
            text = f"server/discover advertises {quote(json.dumps(versions))}, not the {MODERN} it answers in"
            raise ExchangeError(Layer.PROTOCOL, text)
        meta = result.get("_meta")
        named = meta.get("io.modelcontextprotocol/serverInfo") if isinstance(meta, dict) else None
        server = result.get("serverInfo", named)
        return tuple(map(str, versions)), server if isinstance(server, dict) else {}

    def _list(self, era: Era, latencies: dict[str, float]) -> Iterator[Mapping[str, Any]]:
        params: dict[str, Any] = {}
        started, ms, size = time.monotonic(), 0.0, 0
        for number in range(MAX_PAGES):
            if number and time.monotonic() - started > self._timeout:
                text = f"tools/list: {number} pages in {self._timeout:g} s, and no end of them"
                raise ExchangeError(Layer.HTTP, text)
            done = self._request(era, "tools/list", params)
            result = done.result
            ms, size = ms + done.latency_ms, size + done.size
            if size > MAX_BODY_BYTES:
                text = f"tools/list: its pages are larger than {MAX_BODY_BYTES} bytes together"
                raise ExchangeError(Layer.HTTP, text)
            for tool in member(result, "tools", list, "tools/list"):
                if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
                    text = f"tools/list holds what is no tool: {quote(json.dumps(tool))}"
                    raise ExchangeError(Layer.PROTOCOL, text)
                member(tool, "inputSchema", dict, f"the tool {quote(tool['name'])}")
                yield tool
            latencies["tools/list"] = ms
            if result.get("nextCursor") is None:
                return
            params = {"cursor": member(result, "nextCursor", str, "tools/list")}
        raise ExchangeError(Layer.PROTOCOL, f"tools/list has more than {MAX_PAGES} pages")

    def _request(self, era: Era, method: str, params: Mapping[str, Any]) -> Exchange:
        self._id += 1
        headers: Mapping[str, str] = {}
        if era is Era.MODERN:
            params = {**params, "_meta": _meta()}
            named = {"mcp-name": _header(params["name"])} if "name" in params else {}
            headers = {REVISION: MODERN, "mcp-method": method, **named}
        elif method != "initialize":
            headers = self._legacy
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        done = self._connection.request(message, headers)
        if era is Era.MODERN and done.result.get("resultType") != "complete":
            kind = quote(json.dumps(done.result.get("resultType")))
            raise ExchangeError(Layer.PROTOCOL, f'{method}: `resultType` is {kind} instead of "complete"')
        return done


def _meta() -> dict[str, Any]:
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }


def _header(name: str) -> str:
    """Write a name as a header value can hold it."""
    if name.isascii() and name.isprintable() and name == name.strip():
        return name
    return f"=?base64?{base64.b64encode(name.encode(errors='replace')).decode()}?="
