"""What both Python clients do: scenario.mjs again, with the same input and the same reports.

Runs where one of two releases of `mcp` is installed, and so imports neither.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import traceback
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    Report = dict[str, Any]
    Record = Callable[[Any], Awaitable[None]]
    Connect = Callable[[dict[str, Any], Record], AbstractAsyncContextManager["Connection"]]


class RefusedError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        """Keep what the error says."""
        super().__init__(message)
        self.code = code


class Connection(Protocol):
    """What a client offers once it is connected; models are dumped as the server sent them."""

    version: str
    server: Any

    async def list_tools(self, cursor: str | None) -> tuple[list[Any], str | None]:
        """Return a page of the listing, and where the next one starts."""

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        """Return the result, or raise RefusedError."""


def main(connect: Connect) -> None:
    """Visit the endpoints of the input in turn."""
    asyncio.run(_visit_all(connect))


async def _visit_all(connect: Connect) -> None:
    endpoints = json.load(sys.stdin)
    json.dump([await _visit(endpoint, connect) for endpoint in endpoints], sys.stdout)


async def _visit(endpoint: dict[str, Any], connect: Connect) -> Report:
    """Speak to one endpoint; an error ends its report, not the run."""
    report: Report = {"exchanges": []}

    async def record(response: Any) -> None:
        exchange = {
            "method": response.request.method,
            "status": response.status_code,
            "type": response.headers.get("content-type"),
            "sent": response.request.headers.get("mcp-session-id"),
            "session": response.headers.get("mcp-session-id"),
        }
        report["exchanges"].append(exchange)

    keep = {"handle": _keep_by_handle, "header": _keep_by_header}[endpoint["session_by"]]
    started = time.perf_counter()
    try:
        async with asyncio.timeout(endpoint["timeout_ms"] / 1000):
            await keep(endpoint["scenario"], lambda: connect(endpoint, record), report)
    except Exception as error:  # noqa: BLE001 - whatever went wrong is what the report is for
        report["error"] = "\n".join(_describe(error))
    report["elapsed_ms"] = round((time.perf_counter() - started) * 1000)
    return report


async def _look(client: Connection, scenario: dict[str, Any], report: Report) -> None:
    """List, and make the calls that need no session."""
    report["version"] = client.version
    report["era"] = "modern" if client.version >= "2026" else "legacy"
    report["server"] = client.server
    report["tools"] = await _list_tools(client)
    report["pure"] = await client.call_tool(**scenario["pure"])
    report["wrong"] = [await _attempt(client, call) for call in scenario["wrong"]]
    report["unknown"] = await _attempt(client, scenario["unknown"])


async def _keep_by_handle(
    scenario: dict[str, Any],
    connect: Callable[[], AbstractAsyncContextManager[Connection]],
    report: Report,
) -> None:
    """Keep every session by its handle, which belongs to no connection: the last turn is over another."""
    sessions = scenario["sessions"]
    report["sessions"] = [{"results": []} for _ in sessions["calls"]]
    last = len(sessions["calls"][0]) - 1

    async def turn(client: Connection, number: int) -> None:
        for calls, session in zip(sessions["calls"], report["sessions"], strict=True):
            handle = {"session_id": session["handle"]} if "handle" in session else {}
            result = await client.call_tool(sessions["name"], {**calls[number], **handle})
            session["results"].append(result)
            session.setdefault("handle", handle.get("session_id") or _handle_of(result))

    async with connect() as client:
        await _look(client, scenario, report)
        for number in range(last):
            await turn(client, number)
    async with connect() as client:
        await turn(client, last)
        report["forged"] = await _attempt(client, sessions["forged"])


async def _keep_by_header(
    scenario: dict[str, Any],
    connect: Callable[[], AbstractAsyncContextManager[Connection]],
    report: Report,
) -> None:
    """Keep every session by a connection of its own, and end it by closing the connection."""
    sessions = scenario["sessions"]
    report["sessions"] = [{"results": []} for _ in sessions["calls"]]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect()) for _ in sessions["calls"]]
        await _look(clients[0], scenario, report)
        for number in range(len(sessions["calls"][0])):
            for client, calls, session in zip(clients, sessions["calls"], report["sessions"], strict=True):
                session["results"].append(await client.call_tool(sessions["name"], calls[number]))
        report["forged"] = await _attempt(clients[0], sessions["forged"])


async def _list_tools(client: Connection) -> list[Any]:
    """Return every page of the listing."""
    tools: list[Any] = []
    cursor: str | None = None
    while True:
        page, cursor = await client.list_tools(cursor)
        tools += page
        if cursor is None:
            return tools


async def _attempt(client: Connection, call: dict[str, Any]) -> Report:
    """Make a call that is expected to fail, in one way or the other."""
    try:
        return {"result": await client.call_tool(**call)}
    except RefusedError as error:
        return {"code": error.code, "message": str(error)}


def _handle_of(result: Any) -> str:
    """Find the handle that a result announces."""
    for block in result["content"]:
        found = re.fullmatch(r"session_id: (.+)", block.get("text", ""))
        if found:
            return found[1]
    raise LookupError(f"no session_id in {result}")


def _describe(error: BaseException) -> Iterator[str]:
    """Find what went wrong in the groups that tasks wrap around it."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _describe(inner)
    else:
        yield "".join(traceback.format_exception(error, limit=-3))


def dump(model: Any) -> Any:
    """Return what the server sent, without the defaults that a model adds."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)
