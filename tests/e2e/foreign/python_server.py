"""A server of the Python SDK, of release 2 or, if that is what is installed, of release 1."""

import importlib
import os
from typing import Any

import uvicorn

try:
    SERVER: Any = importlib.import_module("mcp.server.mcpserver").MCPServer
except ModuleNotFoundError:
    SERVER = importlib.import_module("mcp.server.fastmcp").FastMCP


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


if __name__ == "__main__":
    server = SERVER("sums")
    server.tool()(add)
    app = server.streamable_http_app()
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
