"""The Python SDK 1 client, which knows the 2025 revisions only."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx
from e2e.clients.scenario import RefusedError, dump, main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.clients.scenario import Record

# By name, for a type checker would take them for those of the release 2 that is installed beside it.
mcp = import_module("mcp")
streamable_http = import_module("mcp.client.streamable_http")


class Connection:
    """What scenario.py asks of a client."""

    def __init__(self, session: Any, initialized: Any) -> None:
        """Wrap an initialized session."""
        self._session = session
        self.version = initialized.protocolVersion
        self.server = dump(initialized.serverInfo)

    async def list_tools(self, cursor: str | None) -> tuple[list[Any], str | None]:
        """Return a page of the listing, and where the next one starts."""
        page = await self._session.list_tools(cursor)
        return [dump(tool) for tool in page.tools], page.nextCursor

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        """Return the result, or raise RefusedError."""
        try:
            return dump(await self._session.call_tool(name, arguments))
        except mcp.McpError as error:
            raise RefusedError(error.error.code, error.error.message) from error


@asynccontextmanager
async def connect(endpoint: dict[str, Any], record: Record) -> AsyncIterator[Connection]:
    """Open a connection that records its HTTP exchanges."""
    async with (
        httpx.AsyncClient(
            headers=endpoint["headers"], timeout=30, event_hooks={"response": [record]}, trust_env=False
        ) as http,
        streamable_http.streamable_http_client(endpoint["url"], http_client=http) as (read, write, _),
        mcp.ClientSession(read, write) as session,
    ):
        yield Connection(session, await session.initialize())


if __name__ == "__main__":
    main(connect)
