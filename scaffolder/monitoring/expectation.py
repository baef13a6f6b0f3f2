"""What is expected of an endpoint: of a URL nothing, of a target what its manifest or monitor.json says."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scaffolder.baseline import MANIFEST
from scaffolder.connecting import is_usable, proxy_of
from scaffolder.diagnostics import UserError
from scaffolder.manifest import Invalid, load
from scaffolder.probe import LEGACY, MODERN, Era
from scaffolder.render import outline
from scaffolder.workbench import InvalidProjectError

MONITOR = "monitor/monitor.json"
TOOLS = "tools.json"
"""The expected result of `tools/list`, beside monitor.json."""

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
    call: tuple[str, Mapping[str, Any]] | None = None
    """A tool that only reads, and its arguments."""

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


@dataclass(frozen=True, slots=True)
class Terms:
    """What is only known when a probe is asked for, in the form of the command's options."""

    headers: tuple[str, ...] = ()
    """`NAME=VARIABLE` each: a header, and the environment variable that holds its value."""
    call: str | None = None
    """`TOOL` or `TOOL={"argument": ...}`."""
    seconds: float | None = None
    """Instead of what says when a server is down."""
    auth: bool | None = None
    """Whether a call without credentials has to be refused; None for what is expected otherwise."""


def choose(
    where: str | None, targets: Sequence[str], monitor: Path | None, terms: Terms
) -> tuple[Expectation, ...]:
    """Expect what the arguments of a command ask for: a URL, a project's folder, or a monitor.json.

    Raises InvalidProjectError and ExpectationError, as the functions below do.
    """
    return choice(where, targets, monitor, terms).expectations


def choice(where: str | None, targets: Sequence[str], monitor: Path | None, terms: Terms) -> Choice:
    """Do what `choose` does, and also say which targets are left out."""
    headers = read_headers(terms.headers, os.environ)
    given = tuple(
        Credential(*(part.strip() for part in (header.lower(), variable)))
        for header, _, variable in (text.partition("=") for text in terms.headers)
    )
    call = read_call(terms.call) if terms.call else None
    if monitor is not None:
        found = _of_monitor_file(monitor, targets)
    elif where is not None and not targets and not _is_folder(where):
        found = Choice((of_url(where),))
    else:
        found = _of_project(Path(where or "."), targets)
    return replace(
        found,
        expectations=tuple(
            replace(
                one,
                headers={**one.headers, **headers},
                credentials=(*(each for each in one.credentials if each.header not in headers), *given),
                down_ms=one.down_ms if terms.seconds is None else _milliseconds(terms.seconds * 1000),
                auth=one.auth if terms.auth is None else terms.auth,
                call=call,
            )
            for one in found.expectations
        ),
    )


def _is_folder(where: str) -> bool:
    try:
        return Path(where).is_dir()
    except OSError:
        # A long URL is the name of no file.
        return False


def of_url(url: str) -> Expectation:
    """Expect of any server that it answers.

    Raises ExpectationError for what is no URL of HTTP.
    """
    checked = _check(url, "the argument")
    host = urlsplit(checked).netloc.rpartition("@")[2]
    return Expectation(host, checked)


def of_project(folder: Path, targets: Sequence[str] = ()) -> tuple[Expectation, ...]:
    """Expect what the manifest of a project says, of some of its targets or of all that have a URL.

    Raises InvalidProjectError with all that is wrong with the manifest, and ExpectationError where there
    is none, or no such target.
    """
    return _of_project(folder, targets).expectations


def _of_project(folder: Path, targets: Sequence[str]) -> Choice:
    path = folder / MANIFEST
    if not path.is_file():
        raise ExpectationError(
            f"{folder} holds no {MANIFEST}, so it is no project",
            help=["name the project's folder after `--target`, or probe a URL"],
        )
    loaded = load(path)
    if isinstance(loaded, Invalid):
        raise InvalidProjectError(loaded)
    files = outline(loaded.raw)
    document, listed = (json.loads(files[file].content()) for file in (MONITOR, f"monitor/{TOOLS}"))
    return _of_monitor(document, listed, targets, str(path))


def of_monitor(path: Path, targets: Sequence[str] = ()) -> tuple[Expectation, ...]:
    """Expect what a monitor.json says, of some of its targets or of all that have a URL.

    Raises ExpectationError where it cannot be read, or has no such target.
    """
    return _of_monitor_file(path, targets).expectations


def _of_monitor_file(path: Path, targets: Sequence[str]) -> Choice:
    beside = path.with_name(TOOLS)
    listed = _read(beside) if beside.is_file() else None
    return _of_monitor(_read(path), listed, targets, str(path))


def read_headers(given: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Read `NAME=VARIABLE` each: a header, and the environment variable that holds its value.

    Raises ExpectationError for a variable that is not set, so that nothing is asked without what it needs.
    """
    headers = {}
    for text in given:
        name, separator, variable = (part.strip() for part in text.partition("="))
        if not (name and separator and variable):
            raise ExpectationError(
                f"`{text}` is not of the form NAME=VARIABLE",
                help=["give the name of an environment variable, as in `--header Authorization=MCP_TOKEN`"],
            )
        value = _value(environment, variable)
        if not value:
            raise ExpectationError(
                f"the environment has no {variable}, which the header {name} is to be taken from"
            )
        if not HEADER.fullmatch(name):
            raise ExpectationError(f"`{name}` is not the name of a header")
        headers[name.lower()] = value
    return headers


def read_call(text: str) -> tuple[str, Mapping[str, Any]]:
    """Read `TOOL` or `TOOL={"argument": ...}`.

    Raises ExpectationError for arguments that are no JSON object.
    """
    name, _, given = text.partition("=")
    try:
        arguments = json.loads(given or "{}")
    except (ValueError, RecursionError) as error:
        raise ExpectationError(f"the arguments of `{name}` are no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise ExpectationError(f"the arguments of `{name}` are no JSON object")
    return name, arguments


def _of_monitor(document: Any, listed: Any, targets: Sequence[str], where: str) -> Choice:
    try:
        known = document["targets"]
        unknown = [target for target in targets if target not in known]
        if unknown:
            raise ExpectationError(
                f"{', '.join(unknown)}: not among the targets of {where}, which are {', '.join(known)}"
            )
        tools = None if listed is None else tuple(map(_tool, listed["tools"]))
        wanted = targets or [target for target, entry in known.items() if entry.get("url")]
        found = tuple(
            _of_target(document, tools, target, known[target], where) for target in dict.fromkeys(wanted)
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"{where} is not as `regenerate` writes it: {type(error).__name__}: {error}"
        raise ExpectationError(message, help=["mcp-scaffold regenerate"]) from error
    if not found:
        raise ExpectationError(
            f"{where} has no target with a URL",
            help=[f"set `target_options.{next(iter(known), 'TARGET')}.url` in {MANIFEST}, and regenerate"],
        )
    return Choice(found, () if targets else tuple(each for each in known if each not in wanted))


def _tool(listed: Any) -> Mapping[str, Any]:
    """Return a tool of tools.json. Raises ValueError for what is none."""
    if not (isinstance(listed, dict) and isinstance(listed.get("name"), str)):
        raise ValueError(f"{json.dumps(listed)[:60]} is no tool")  # noqa: TRY004 - the file is at fault
    return listed


def _of_target(
    document: Mapping[str, Any],
    tools: tuple[Mapping[str, Any], ...] | None,
    target: str,
    entry: Mapping[str, Any],
    where: str,
) -> Expectation:
    if not entry.get("url"):
        raise ExpectationError(
            f"{target} has no URL in {where}",
            help=[f"set `target_options.{target}.url` in {MANIFEST}, and regenerate"],
        )
    if not target.isprintable():
        raise ValueError(f"{json.dumps(target)} is no name of a target")
    server = document.get("server", {})
    revisions = tuple(map(str, document["protocol_versions"]))
    credentials = entry.get("credentials", ())
    return Expectation(
        name=target,
        headers=_headers(credentials),
        credentials=tuple(Credential(each["header"].lower(), each["variable"]) for each in credentials),
        url=_check(entry["url"], f"{target} in {where}"),
        timeout_ms=_milliseconds(entry["timeout_ms"]),
        down_ms=_milliseconds(entry["down_ms"]),
        tools_hash=document["tools_hash"],
        definitions_hash=document["definitions_hash"],
        tools=tools,
        server=server.get("name"),
        version=server.get("version"),
        eras=tuple(_eras(revisions)),
        revisions=revisions,
        auth=bool(entry.get("auth", False)),
        readiness=True,
    )


def _milliseconds(value: float) -> int:
    """Return a time that can be waited for. Raises TypeError or ValueError for what is none."""
    return round(min(max(value, 1), LONGEST_MS))


def _headers(entries: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Take the values of headers from the environment; those that it does not have are left out."""
    headers = {}
    for entry in entries:
        header, prefix, variable = entry["header"], entry["prefix"], entry["variable"]
        if not (HEADER.fullmatch(header) and prefix.isascii() and prefix.isprintable()):
            raise ValueError(
                f"{json.dumps(prefix)} cannot go before a value of the header {json.dumps(header)}"
            )
        if os.environ.get(variable, "").strip():
            headers[header.lower()] = prefix + _value(os.environ, variable)
    return headers


def _value(environment: Mapping[str, str], variable: str) -> str:
    """Return what a header takes from a variable; nothing where that is not set."""
    value = environment.get(variable, "").strip()
    if not value.isascii() or not value.isprintable():
        raise ExpectationError(f"the value of {variable} is not one that a header can carry")
    return value


def _eras(revisions: Sequence[str]) -> Iterator[Era]:
    if MODERN in revisions:
        yield Era.MODERN
    # All that came before the first modern revision begin with a handshake.
    if any(revision <= LEGACY for revision in revisions):
        yield Era.LEGACY


def _check(url: Any, where: str) -> str:
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


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExpectationError(f"{path} is no JSON: {error}") from error
