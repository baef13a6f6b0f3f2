"""The forms that names, hosts, URLs and the like must have in a manifest, and how to say them."""

from typing import Annotated

from pydantic import Field

from scaffolder.fields import Except, matching

_HOST = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
_URL = (
    r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$"
)

Name = Annotated[
    str,
    matching(
        r"^[a-z][a-z0-9-]{0,57}$",
        "lower-case letters, digits and hyphens, starting with a letter, 58 at most",
    ),
]
Version = Annotated[
    str,
    Field(max_length=255),
    matching(r"^[0-9]+(\.[0-9]+){0,3}([-+][0-9A-Za-z.+-]+)?$", "a version such as 1.4.0 or 2.0.0-beta.1"),
]
ToolName = Annotated[
    str,
    matching(
        r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        "letters, digits, `_`, `.` and `-`, not starting with `.` or `-`, 128 at most",
    ),
]
EnvironmentName = Annotated[
    str,
    matching(
        r"^[A-Z][A-Z0-9_]{0,63}$",
        "upper-case letters, digits and `_`, starting with a letter, 64 at most",
    ),
    Except(["SESSIONS"], "the session store's binding"),
]
Hostname = Annotated[
    str,
    Field(max_length=253),
    matching(
        rf"^(\*\.)?{_HOST}$",
        "a hostname in lower case such as app.example.com or *.example.com, with no scheme, port or path",
    ),
]
Url = Annotated[
    str,
    Field(max_length=2048),
    matching(_URL, "an http or https URL with no user, password or fragment"),
]
Path = Annotated[
    str,
    matching(
        r"^/[A-Za-z0-9._~/-]{0,127}$",
        "a path that starts with `/`, of letters, digits and `._~/-`, 128 at most",
    ),
    Except(["/healthz", "/readyz"], "the health checks"),
]
Date = Annotated[
    str,
    matching(r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", "a date such as 2026-11-22"),
]
