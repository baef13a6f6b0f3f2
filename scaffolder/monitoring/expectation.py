"""What is expected of an endpoint, and what can be expected at all."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scaffolder.baseline import MANIFEST
from scaffolder.connecting import is_usable, proxy_of
from scaffolder.diagnostics import UserError
from scaffolder.monitoring.drift import EXPECTS
from scaffolder.probe import Era

DOWN_MS = 10_000

# Nobody waits longer for an answer, and no clock of the system counts for ever.
LONGEST_MS = 3_600_000

# The name of a header (RFC 9110).
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# A header that says who asks. What merely lets a request through to the server is none of them.
PERSONAL = re.compile(r"authorization|cookie|.*(?:auth-?key|api-?key|token).*|x-auth.*")


class ExpectationError(UserError):
    """Nothing can be expected: what was asked for is not there, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A header, and the variable of the environment that it is taken from, whether it is set or not."""

    header: str
    """In lower case."""
    variable: str

    def __str__(self) -> str:
        """Name both, and no value."""
        return f"`{self.header}` from {self.variable}"

    @property
    def is_personal(self) -> bool:
        """Whether it says who asks."""
        return is_personal(self.header)


def is_personal(header: str) -> bool:
    """Tell whether a header says who asks, by its name."""
    return bool(PERSONAL.fullmatch(header.lower()))


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of one endpoint; what is None or empty does not matter."""

    name: str
    """The target, or the host of the URL."""
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What every request carries: credentials, which come from the environment alone."""
    credentials: tuple[Credential, ...] = ()
    """Where the headers come from, and those that the environment does not have."""
    timeout_ms: int | None = None
    """An answer that takes longer is slow."""
    down_ms: int = DOWN_MS
    """An answer that takes longer is none."""
    tools_hash: str | None = None
    definitions_hash: str | None = None
    tools: tuple[Mapping[str, Any], ...] | None = None
    """As `tools/list` is expected to give them."""
    server: str | None = None
    """What the server calls itself."""
    version: str | None = None
    eras: tuple[Era, ...] = ()
    """Those that have to be served, and no other; without any, one is enough."""
    revisions: tuple[str, ...] = ()
    """Those of the protocol that a handshake may agree on."""
    auth: bool = False
    """A call without credentials has to be refused, with a challenge."""
    readiness: bool = False
    """The server has to say at `/readyz`, beside its endpoint, that nothing is missing."""
    allow_slow: bool = False
    """Nobody has to look after a server that is slow, and nothing else."""
    call: tuple[str, Mapping[str, Any]] | None = None
    """A tool that only reads, and its arguments."""
    of_manifest: bool = False
    """Whether a manifest says so, and not a file that was once generated from one."""

    @property
    def says(self) -> str:
        """Who expects something, and the verb: what comes next is the thing."""
        return f"{MANIFEST} has" if self.of_manifest else EXPECTS

    @property
    def missing(self) -> tuple[Credential, ...]:
        """What requests should carry, and the environment does not have."""
        return tuple(each for each in self.credentials if each.header not in self.headers)

    @property
    def brought(self) -> tuple[Credential, ...]:
        """What requests carry."""
        return tuple(each for each in self.credentials if each.header in self.headers)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be probed."""

    expectations: tuple[Expectation, ...]
    unprobed: tuple[str, ...] = ()
    """Targets that nobody asked for by name, and that have no URL."""


def milliseconds(value: float) -> int:
    """Return a time that can be waited for. Raises TypeError or ValueError for what is none."""
    return round(min(max(value, 1), LONGEST_MS))


def value_of(environment: Mapping[str, str], variable: str) -> str:
    """Return what a header takes from a variable; nothing where that is not set."""
    value = environment.get(variable, "").strip()
    if not value.isascii() or not value.isprintable():
        raise ExpectationError(f"the value of {variable} is not one that a header can carry")
    return value


def checked(url: Any, where: str) -> str:
    """Return a URL that can be asked."""
    try:
        parts = urlsplit(url)
        sound = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            # What would steer a terminal is in no URL.
            and url.isprintable()
            and " " not in url
        )
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        shown = url if isinstance(url, str) and url.isprintable() else json.dumps(url)
        raise ExpectationError(f"{where} is no http or https URL: {shown}")
    if parts.username or parts.password:
        raise ExpectationError(
            f"{where} holds credentials", help=["pass them with `--header Authorization=VARIABLE`"]
        )
    proxy = proxy_of(url)
    if proxy is not None and not is_usable(proxy):
        raise ExpectationError(
            f"the environment leads to {urlsplit(url).hostname} through a proxy that is not one of HTTP",
            help=["set HTTPS_PROXY to an HTTP proxy, or except the host in NO_PROXY"],
        )
    return str(url)
