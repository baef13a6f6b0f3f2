"""Reach a server as far as the encryption: its name, its port and its certificate, each by itself."""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from scaffolder.jsonrpc import is_loopback

PORTS: Mapping[str, int] = {"http": 80, "https": 443}

# OpenSSL's codes of what is wrong with a certificate (X509_V_ERR_*).
NOT_YET_VALID, EXPIRED = 9, 10

# X509_V_FLAG_NO_CHECK_TIME: the ssl module has no name for it.
NO_CHECK_TIME = 0x200000

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


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
    if _has_proxy(url, parts):
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


def _has_proxy(url: str, parts: SplitResult) -> bool:
    proxies = getproxies()
    return (
        not is_loopback(url)
        and bool(proxies.get(parts.scheme) or proxies.get("all"))
        and not proxy_bypass(parts.netloc.rpartition("@")[2])
    )


def _resolve(host: str, port: int, deadline: float) -> tuple[LayerResult, list[Address]]:
    """Look up a name. The system's resolver takes no deadline, so it is waited for no longer than that."""
    answers: queue.SimpleQueue[list[Address] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, address) for family, _, _, _, address in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    started = time.perf_counter()
    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=max(deadline - time.monotonic(), 0))
    except queue.Empty:
        return LayerResult(Layer.DNS, ok=False, detail=f"no answer about {host} in time"), []
    ms = (time.perf_counter() - started) * 1000
    if isinstance(answer, OSError | UnicodeError):
        said = answer.strerror if isinstance(answer, OSError) and answer.strerror else str(answer)
        return LayerResult(Layer.DNS, ok=False, detail=f"{host}: {said}", ms=ms), []
    names = list(dict.fromkeys(str(address[0]) for _, address in answer))
    if _is_address(host):
        return LayerResult(Layer.DNS, ok=True, detail="an address needs no name"), answer
    facts = {"addresses": names}
    return LayerResult(Layer.DNS, ok=True, detail=", ".join(names), ms=ms, facts=facts), answer


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _connect(addresses: list[Address], deadline: float) -> tuple[LayerResult, socket.socket | None]:
    """Connect to the first address that takes it; each gets its share of the time that is left."""
    refusals = []
    started = time.perf_counter()
    for index, (family, address) in enumerate(addresses):
        share = max(deadline - time.monotonic(), 0.001) / (len(addresses) - index)
        place = f"[{address[0]}]:{address[1]}" if family == socket.AF_INET6 else f"{address[0]}:{address[1]}"
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(share)
            connection.connect(address)
        except OSError as error:
            connection.close()
            refusals.append(f"{place}: {_said(error)}")
            continue
        ms = (time.perf_counter() - started) * 1000
        facts = {"address": place, **({"refusals": refusals} if refusals else {})}
        return LayerResult(Layer.TCP, ok=True, detail=place, ms=ms, facts=facts), connection
    ms = (time.perf_counter() - started) * 1000
    return LayerResult(Layer.TCP, ok=False, detail="; ".join(refusals) or "no address", ms=ms), None


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
        return LayerResult(Layer.TLS, ok=False, detail=f"{host}: {_said(error)}")
    detail = f"{version}, certificate until {_day(dates['expires'])}"
    return LayerResult(Layer.TLS, ok=True, detail=detail, ms=ms, facts={"version": version, **dates})


def _with_dates(
    refused: LayerResult, addresses: list[Address], host: str, trust: ssl.SSLContext, deadline: float
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
