"""Put what somebody's server said into a message: short, on one line, and by its name if it has one."""

import re
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit, urlunsplit

QUOTED = 300

# As much of a body as is looked at to say what it is.
DECODED = 8 * QUOTED

# As much of a page as a line of a terminal holds.
LINE = 120

HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL
)

# What a proxy answers when there is nobody behind it; some have numbers of their own.
UNAVAILABLE = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT, *range(520, 531)}
)

# In the address of a page where one logs in: in its path, and in a host that is another.
LOGIN = re.compile(
    r"log[-_]?in|sign[-_]?in|\bsso|saml|\boauth|authori[sz]e|\bauth\b|\baccounts?\.|access\.", re.IGNORECASE
)


def quote(text: str) -> str:
    """Shorten what a server said to what a message can hold."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def excerpt(body: str) -> str:
    """Cut a body to a line."""
    text = " ".join(body[:DECODED].split())
    return text if len(text) <= LINE else f"{text[:LINE]}…"


def is_html(kind: str, body: str) -> bool:
    """Tell a page for people by how it begins, and by its media type where there is no more to go by."""
    marked = kind in {"text/html", "application/xhtml+xml"} and body.lstrip().startswith("<")
    return marked or bool(HTML.match(body[:DECODED]))


def page(status: int) -> str:
    """Say what a page for people is where a message of a protocol should be."""
    if status in UNAVAILABLE:
        return "a page of HTML: something in front of the server answers for it"
    return "a page of HTML: it is no MCP server"


def destination(url: str, location: str) -> str:
    """Say where a redirection leads: of another host the origin alone, for the rest may be a secret."""
    try:
        parts = urlsplit(urljoin(url, location))
        elsewhere = parts.hostname != urlsplit(url).hostname
        place = parts.netloc.rpartition("@")[2]
        return quote(urlunsplit((parts.scheme, place, "" if elsewhere else parts.path, "", "")))
    except ValueError:
        return "no URL"


def is_login(url: str, location: str) -> bool:
    """Tell whether a redirection looks like one to a page where one logs in."""
    try:
        parts = urlsplit(urljoin(url, location))
        elsewhere = parts.hostname != urlsplit(url).hostname
        return bool(LOGIN.search(f"{parts.netloc}{parts.path}" if elsewhere else parts.path))
    except ValueError:
        return False
