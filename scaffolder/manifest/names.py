"""The forms that names, hosts, URLs and the like must have in a manifest, and how to say them."""

from typing import Annotated

from pydantic import Field

from scaffolder.manifest.fields import Except, Text, matching
from scaffolder.providers import profiles

# What every object of JavaScript has.
_PROTOTYPE = (
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
)

_HOST = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
# A last label that starts with a digit would make clients read the whole as an IPv4 address.
_ANY_CASE = r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"({_BYTE}\.){{3}}{_BYTE}"
_GROUP = "[0-9A-Fa-f]{1,4}"
_END = f"({_GROUP}:{_GROUP}|{_IPV4})"
# RFC 3986, section 3.2.2: the two colons stand for the groups that are missing, wherever they are.
_IPV6 = "|".join(
    [
        f"({_GROUP}:){{6}}{_END}",
        f"::({_GROUP}:){{5}}{_END}",
        *(f"(({_GROUP}:){{0,{before}}}{_GROUP})?::({_GROUP}:){{{4 - before}}}{_END}" for before in range(5)),
        f"(({_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
        f"(({_GROUP}:){{0,6}}{_GROUP})?::",
    ]
)
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_URL = (
    rf"^https?://({_ANY_CASE}|{_IPV4}|\[({_IPV6})\])(:{_PORT})?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$"
)

# No URL holds a segment of one or two dots: whoever reads one resolves it.
_SEGMENT = r"/([A-Za-z0-9_~-]|\.[A-Za-z0-9_~-]|\.\.[A-Za-z0-9._~-])[A-Za-z0-9._~-]*"

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
_ENVIRONMENT_NAME = matching(
    r"^[A-Z][A-Z0-9_]{0,63}$",
    "upper-case letters, digits and `_`, starting with a letter, 64 at most",
)
_RESERVED = {name: profile.title for profile in profiles().values() for name in profile.reserved}
EnvironmentName = Annotated[str, _ENVIRONMENT_NAME, Except(_RESERVED)]
# A workflow would find its own token there, and send it to the server.
TokenName = Annotated[str, _ENVIRONMENT_NAME, Except({**_RESERVED, "GITHUB_*": "GitHub Actions"})]
PropertyName = Annotated[
    Text,
    # The validator of the generated servers asks with `in`, which finds these in any object.
    Except(dict.fromkeys(_PROTOTYPE, "JavaScript, whose objects all have one that passes for the argument")),
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
    matching(_URL, "an http or https URL with a valid host and port, and no user, password or fragment"),
]
Path = Annotated[
    str,
    Field(max_length=128),
    matching(
        rf"^(/|({_SEGMENT})+)$",
        "a path such as `/mcp`, of letters, digits and `._~-`, "
        "with no `.`, `..` or empty segment and no `/` at its end",
    ),
    Except(
        {
            "/healthz": "the health checks",
            "/readyz": "the health checks",
            "/robots.txt": "crawlers",
            "/api/mcp": "the function behind the endpoint",
        }
    ),
]
RegistryName = Annotated[
    str,
    Field(max_length=200),
    matching(
        r"^[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]/[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$",
        "a namespace and a name, as in `io.github.octocat/notes`, each with letters or digits at its ends",
    ),
]
Date = Annotated[
    str,
    matching(r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", "a date such as 2026-11-22"),
]
