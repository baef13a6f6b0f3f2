"""Reach a server as far as the encryption: its name, its port and its certificate, each by itself."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from scaffolder.connecting import Address, dial, proxy_of, resolve

PORTS: Mapping[str, int] = {"http": 80, "https": 443}

# OpenSSL's codes of what is wrong with a certificate (X509_V_ERR_*).
NOT_YET_VALID, EXPIRED = 9, 10

# What OpenSSL makes of an answer that is no TLS at all, by release.
PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})

# X509_V_FLAG_NO_CHECK_TIME: the ssl module has no name for it.
NO_CHECK_TIME = 0x200000


class Layer(StrEnum):
    """What is examined, from the bottom to the top."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    JSON_RPC = "json-rpc"
    PROTOCOL = "protocol"
    AUTH = "auth"
    HASHES = "hashes"
    READINESS = "readiness"
    CALL = "call"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class LayerResult:
    """What became of one layer."""

    layer: Layer
    ok: bool
    detail: str
    """In words: what was found, or what is wrong."""
    ms: float | None = None
    """How long it took; None for what takes no time of its own."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs: JSON values."""


def printable(text: str) -> str:
    """Take out of what a server said what would steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def reach(url: str, trust: ssl.SSLContext | None, seconds: float) -> tuple[LayerResult, ...]:
    """Go through the layers of a URL until one fails; `seconds` is for all of them together.

    `trust` says whose certificates are believed, and may be None for a URL without any.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if proxy_of(url) is not None:
        # What is between the proxy and the server is the proxy's to know.
        return (LayerResult(Layer.TCP, ok=True, detail="left to the proxy of the environment"),)
    deadline = time.monotonic() + seconds
    dns, addresses = _resolve(host, port, deadline)
    if not dns.ok:
        return (dns,)
    tcp, connection = _connect(addresses, deadline)
    if connection is None:
        return dns, tcp
    with connection:
        if parts.scheme != "https" or trust is None:
            return dns, tcp
        tls = _encrypt(connection, host, trust, deadline)
    if tls.facts.get("code") in {NOT_YET_VALID, EXPIRED}:
        tls = _with_dates(tls, addresses, host, trust, deadline)
    return dns, tcp, tls


def _resolve(host: str, port: int, deadline: float) -> tuple[LayerResult, tuple[Address, ...]]:
    """Look up a name, which an address does not need."""
    started = time.perf_counter()
    try:
        found = resolve(host, port, deadline)
    except TimeoutError:
        return LayerResult(Layer.DNS, ok=False, detail=f"no answer about {host} in time"), ()
    except (OSError, UnicodeError) as error:
        ms = (time.perf_counter() - started) * 1000
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return LayerResult(Layer.DNS, ok=False, detail=f"{host}: {said}", ms=ms), ()
    ms = (time.perf_counter() - started) * 1000
    names = list(dict.fromkeys(address.host for address in found))
    if _is_address(host):
        return LayerResult(Layer.DNS, ok=True, detail="an address needs no name"), found
    facts = {"addresses": names}
    return LayerResult(Layer.DNS, ok=True, detail=", ".join(names), ms=ms, facts=facts), found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _connect(addresses: Sequence[Address], deadline: float) -> tuple[LayerResult, socket.socket | None]:
    """Connect to the first address that answers, and say which ones did not."""
    started = time.perf_counter()
    dialled = dial(addresses, _open, deadline)
    ms = (time.perf_counter() - started) * 1000
    refusals = [
        f"{address}: {_said(error) if isinstance(error, OSError | ValueError) else error}"
        for address, error in dialled.refusals
    ]
    if dialled.connection is None:
        return LayerResult(Layer.TCP, ok=False, detail="; ".join(refusals) or "no address", ms=ms), None
    place = str(dialled.address)
    facts = {"address": place, **({"refusals": refusals} if refusals else {})}
    detail = "; ".join([place, *refusals])
    return LayerResult(Layer.TCP, ok=True, detail=detail, ms=ms, facts=facts), dialled.connection


def _open(address: Address, seconds: float) -> socket.socket:
    connection = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((address.host, address.port))
    except OSError:
        connection.close()
        raise
    return connection


def _encrypt(connection: socket.socket, host: str, trust: ssl.SSLContext, deadline: float) -> LayerResult:
    """Agree on encryption with a server, which shows its certificate."""
    started = time.perf_counter()
    try:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        with trust.wrap_socket(connection, server_hostname=host) as encrypted:
            ms = (time.perf_counter() - started) * 1000
            version, dates = encrypted.version(), _dates(encrypted)
    except ssl.SSLCertVerificationError as error:
        code = {"code": error.verify_code}
        return LayerResult(Layer.TLS, ok=False, detail=f"{host}: {error.verify_message}", facts=code)
    except (OSError, ValueError) as error:
        if isinstance(error, ssl.SSLError) and error.reason in PLAIN:
            text = f"{host}: the server speaks no TLS at this port"
            return LayerResult(Layer.TLS, ok=False, detail=text, facts={"plain": True})
        return LayerResult(Layer.TLS, ok=False, detail=f"{host}: {_said(error)}")
    detail = f"{version}, certificate until {_day(dates['expires'])}"
    return LayerResult(Layer.TLS, ok=True, detail=detail, ms=ms, facts={"version": version, **dates})


def _with_dates(
    refused: LayerResult, addresses: Sequence[Address], host: str, trust: ssl.SSLContext, deadline: float
) -> LayerResult:
    """Ask again for a certificate whose time is wrong, to say what its time is."""
    flags = trust.verify_flags
    trust.verify_flags = ssl.VerifyFlags(flags | NO_CHECK_TIME)
    try:
        _, connection = _connect(addresses, deadline)
        if connection is None:
            return refused
        with connection:
            shown = _encrypt(connection, host, trust, deadline)
    finally:
        trust.verify_flags = flags
    if not shown.ok:
        return refused
    if refused.facts["code"] == EXPIRED:
        detail = f"{host}: the certificate expired on {_day(shown.facts['expires'])}"
    else:
        detail = f"{host}: the certificate is valid only from {_day(shown.facts['starts'])}"
    return LayerResult(Layer.TLS, ok=False, detail=detail, facts={**shown.facts, **refused.facts})


def _dates(encrypted: ssl.SSLSocket) -> dict[str, float]:
    """Return from when to when the certificate is valid, in seconds since 1970."""
    shown = encrypted.getpeercert() or {}
    return {
        key: float(ssl.cert_time_to_seconds(str(shown[name])))
        for key, name in (("starts", "notBefore"), ("expires", "notAfter"))
    }


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _said(error: OSError | ValueError) -> str:
    """Say what the system has refused, in its own words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
