"""Declare an MCP server once, and generate it for every runtime that it is deployed to."""
