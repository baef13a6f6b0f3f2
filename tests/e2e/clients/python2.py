"""The Python SDK 2 client: does what scenario.mjs does, with the same input and the same reports."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mcp.types import CallToolResult

Report = dict[str, Any]


async def visit(endpoint: dict[str, Any]) -> Report:
    """Speak to one endpoint; an error ends its report, not the run."""
    report: Report = {"exchanges": []}
    started = time.perf_counter()
    try:
        async with asyncio.timeout(endpoint["timeout_ms"] / 1000):
            await play(endpoint, report)
    except Exception as error:  # noqa: BLE001 - whatever went wrong is what the report is for
        report["error"] = "\n".join(describe(error))
    report["elapsed_ms"] = round((time.perf_counter() - started) * 1000)
    return report


async def play(endpoint: dict[str, Any], report: Report) -> None:
    """List, call and keep two sessions, the last turn over a second connection."""
    scenario = endpoint["scenario"]
    sessions = scenario["sessions"]
    report["sessions"] = [{"results": []} for _ in sessions["calls"]]
    last = len(sessions["calls"][0]) - 1

    async def turn(client: Client, number: int) -> None:
        for calls, session in zip(sessions["calls"], report["sessions"], strict=True):
            handle = {"session_id": session["handle"]} if "handle" in session else {}
            result = await client.call_tool(sessions["name"], {**calls[number], **handle})
            session["results"].append(dump(result))
            session.setdefault("handle", handle.get("session_id") or handle_of(result))

    async with connect(endpoint, report) as client:
        report["version"] = client.protocol_version
        report["era"] = "modern" if client.protocol_version >= "2026" else "legacy"
        report["server"] = dump(client.server_info) if client.server_info else None
        report["tools"] = await list_tools(client)
        report["pure"] = dump(await client.call_tool(**scenario["pure"]))
        report["wrong"] = [await attempt(client, call) for call in scenario["wrong"]]
        report["unknown"] = await attempt(client, scenario["unknown"])
        for number in range(last):
            await turn(client, number)

    # A session belongs to its handle, not to a connection.
    async with connect(endpoint, report) as client:
        await turn(client, last)
        report["forged"] = await attempt(client, sessions["forged"])


@asynccontextmanager
async def connect(endpoint: dict[str, Any], report: Report) -> AsyncIterator[Client]:
    """Open a connection that records its HTTP exchanges."""

    async def record(response: httpx2.Response) -> None:
        exchange = {
            "method": response.request.method,
            "status": response.status_code,
            "type": response.headers.get("content-type"),
            "session": response.headers.get("mcp-session-id"),
        }
        report["exchanges"].append(exchange)

    hooks = {"response": [record]}
    async with httpx2.AsyncClient(
        headers=endpoint["headers"], timeout=30, event_hooks=hooks, trust_env=False
    ) as http:
        transport = streamable_http_client(endpoint["url"], http_client=http)
        async with Client(transport, mode=endpoint["mode"]) as client:
            yield client


async def list_tools(client: Client) -> list[Any]:
    """Return every page of the listing."""
    tools: list[Any] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += [dump(tool) for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return tools


async def attempt(client: Client, call: dict[str, Any]) -> Report:
    """Make a call that is expected to fail, in one way or the other."""
    try:
        return {"result": dump(await client.call_tool(**call))}
    except MCPError as error:
        return {"code": error.code, "message": error.message}


def handle_of(result: CallToolResult) -> str:
    """Find the handle that a result announces."""
    for block in result.content:
        found = re.fullmatch(r"session_id: (.+)", getattr(block, "text", ""))
        if found:
            return found[1]
    raise LookupError(f"no session_id in {dump(result)}")


def describe(error: BaseException) -> Iterator[str]:
    """Find what went wrong in the groups that tasks wrap around it."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from describe(inner)
    else:
        yield "".join(traceback.format_exception(error, limit=-3))


def dump(model: Any) -> Any:
    """Return what the server sent, without the defaults that the model adds."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def main() -> None:
    """Visit the endpoints of the input in turn."""
    endpoints = json.load(sys.stdin)
    json.dump([await visit(endpoint) for endpoint in endpoints], sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
