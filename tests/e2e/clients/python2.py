"""The Python SDK 2 client, in the three modes that v2.mjs has."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from e2e.clients.scenario import RefusedError, dump, main
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.clients.scenario import Record


class Connection:
    """What scenario.py asks of a client."""

    def __init__(self, client: Client) -> None:
        """Wrap a connected client."""
        self._client = client
        self.version = client.protocol_version
        self.server = dump(client.server_info) if client.server_info else None

    async def list_tools(self, cursor: str | None) -> tuple[list[Any], str | None]:
        """Return a page of the listing, and where the next one starts."""
        page = await self._client.list_tools(cursor=cursor)
        return [dump(tool) for tool in page.tools], page.next_cursor

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        """Return the result, or raise RefusedError."""
        try:
            return dump(await self._client.call_tool(name, arguments))
        except MCPError as error:
            raise RefusedError(error.code, error.message) from error


@asynccontextmanager
async def connect(endpoint: dict[str, Any], record: Record) -> AsyncIterator[Connection]:
    """Open a connection that records its HTTP exchanges."""
    async with httpx2.AsyncClient(
        headers=endpoint["headers"], timeout=30, event_hooks={"response": [record]}, trust_env=False
    ) as http:
        transport = streamable_http_client(endpoint["url"], http_client=http)
        async with Client(transport, mode=endpoint["mode"]) as client:
            yield Connection(client)


if __name__ == "__main__":
    main(connect)
