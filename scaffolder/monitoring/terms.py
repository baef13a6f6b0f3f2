"""Expect what the arguments of a command ask for: of a URL nothing, of a target what is declared of it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scaffolder.baseline import MANIFEST
from scaffolder.connecting import is_loopback
from scaffolder.monitoring.declared import in_monitor, in_project
from scaffolder.monitoring.expectation import (
    HEADER,
    Choice,
    Credential,
    Expectation,
    ExpectationError,
    checked,
    milliseconds,
    value_of,
)

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


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
    allow_slow: bool = False
    """Whether nobody has to look after a server that is only slow."""


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
        found = in_monitor(monitor, targets)
    elif where is not None and targets and SCHEME.match(where):
        raise ExpectationError(
            "a URL and `--target` exclude each other",
            help=["a target is one of a project: give its folder instead of the URL"],
        )
    elif where is not None and not targets and not _is_folder(where):
        found = Choice((_of_argument(where),))
    elif where is None and not targets and not Path(MANIFEST).is_file():
        raise ExpectationError(
            f"this folder holds no {MANIFEST}, so it is no project",
            help=["give the folder of a project, or the URL of any MCP server"],
        )
    else:
        found = in_project(Path(where or "."), targets)
    return replace(
        found,
        expectations=tuple(
            replace(
                one,
                headers={**one.headers, **headers},
                credentials=(*(each for each in one.credentials if each.header not in headers), *given),
                down_ms=one.down_ms if terms.seconds is None else milliseconds(terms.seconds * 1000),
                auth=one.auth if terms.auth is None else terms.auth,
                allow_slow=terms.allow_slow,
                call=call,
            )
            for one in found.expectations
        ),
    )


def of_url(url: str) -> Expectation:
    """Expect of any server that it answers.

    Raises ExpectationError for what is no URL of HTTP.
    """
    sound = checked(url, "the argument")
    host = urlsplit(sound).netloc.rpartition("@")[2]
    return Expectation(host, sound)


def _is_folder(where: str) -> bool:
    try:
        return Path(where).is_dir()
    except OSError:
        # A long URL is the name of no file.
        return False


def _is_file(where: str) -> bool:
    try:
        return Path(where).is_file()
    except OSError:
        return False


def _of_argument(where: str) -> Expectation:
    """Expect what can be expected of what is not the name of a folder."""
    if SCHEME.match(where):
        return of_url(where)
    host = re.split("[/?#]", where, maxsplit=1)[0]
    name = re.sub(r":\d+$", "", host)
    is_host = name == "localhost" or "." in name.lstrip(".") or name != host or name.startswith("[")
    advice = []
    if _is_file(where):
        advice = ["it is a file: give the folder of the project that it is in"]
    elif is_host and where.isprintable():
        advice = [f"did you mean {'http' if is_loopback(f'http://{host}') else 'https'}://{where}?"]
    shown = where if where.isprintable() else json.dumps(where)
    raise ExpectationError(
        f"{shown}: no such folder, and no URL: a URL begins with http:// or https://", help=advice
    )


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
        value = value_of(environment, variable)
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
