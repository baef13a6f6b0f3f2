"""What became of an exchange with a server: its result, or at which layer it failed, as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scaffolder.quoting import quote


class Layer(StrEnum):
    """Where an exchange failed; the layers below it worked."""

    CONNECT = "connect"
    HTTP = "http"
    JSON_RPC = "json-rpc"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and at which layer."""

    layer: Layer
    message: str
    status: int | None = None
    """Of the HTTP response, where there was one."""
    code: int | None = None
    """Of the JSON-RPC error, where there was one."""
    challenge: str | None = None
    """What the server asks for before it answers: `WWW-Authenticate`."""
    location: str | None = None
    """Where it leads instead; of another host the origin alone."""
    login: bool = False
    """Whether that looks like a page where one logs in."""
    html: bool = False
    """Whether it is a page for people that came."""

    def __str__(self) -> str:
        """Put the layer first, as a table or a log shows it."""
        return f"{self.layer}: {self.message}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a request was answered with."""

    result: Mapping[str, Any]
    latency_ms: float
    headers: Mapping[str, str]
    """Of the HTTP response; their names are found in any case."""
    size: int
    """Of the body, in bytes."""


class ExchangeError(Exception):
    """An exchange that failed; `failure` is the same as a value."""

    def __init__(
        self,
        layer: Layer,
        message: str,
        status: int | None = None,
        code: int | None = None,
        challenge: str | None = None,
        **more: Any,
    ) -> None:
        """Say where and what; `more` is the rest of a failure."""
        super().__init__(message)
        self.failure = Failure(layer, message, status, code, challenge, **more)


def member(value: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """Return a member of a JSON object that the protocol demands, of the kind that it demands."""
    found = value.get(key)
    if isinstance(found, kind):
        return found
    raise ExchangeError(
        Layer.PROTOCOL, f"{where}: `{key}` is {quote(json.dumps(found))} instead of a {kind.__name__}"
    )
