"""Fingerprint the tools of a live server, so that a change that nobody planned is noticed."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785

# What a client is shown of a tool, and what an attacker would have to change.
DEFINITION = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")

# The integers that ECMAScript, and so the hash that a generated server is made with, tells apart.
LARGEST = 2**53 - 1


class HashError(ValueError):
    """A list of tools that has no canonical form, and why."""


def tools_hash(tools: Iterable[Mapping[str, Any]]) -> str:
    """Hash the names and input schemas of a `tools/list` result: what a call depends on."""
    return _digest(tools, ("name", "inputSchema"))


def definitions_hash(tools: Iterable[Mapping[str, Any]]) -> str:
    """Hash the whole definitions of a `tools/list` result: also what a model reads about the tools."""
    return _digest(tools, DEFINITION)


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form of a JSON value; two values that ECMAScript holds equal have the same."""
    try:
        return rfc8785.dumps(_numbers(value))
    except (rfc8785.CanonicalizationError, OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise HashError(f"no canonical JSON: {error}") from error


def _digest(tools: Iterable[Mapping[str, Any]], keys: tuple[str, ...]) -> str:
    parts = [{key: tool[key] for key in keys if key in tool} for tool in tools]
    # RFC 8785 sorts keys by UTF-16 code units; the list follows the same rule. "surrogatepass" leaves
    # it to the canonical form to refuse a name that is no text.
    parts.sort(key=lambda part: str(part.get("name", "")).encode("utf-16-be", "surrogatepass"))
    return f"sha256:{hashlib.sha256(canonical(parts)).hexdigest()}"


def _numbers(value: Any) -> Any:
    """Read integers as ECMAScript does: beyond 2^53 they are the nearest double."""
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        return float(value)
    return value
