"""Find the way to a server: its addresses, a connection to the first that answers, or a proxy."""

import ipaddress
import queue
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

# How long an address has to answer before the next is tried beside it, as clients do (RFC 8305).
STAGGER = 0.25

PROXIES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a server, and its port."""

    family: socket.AddressFamily
    host: str
    """The IP address, with its zone if it needs one."""
    port: int

    def __str__(self) -> str:
        """Give it the form that a URL has."""
        return f"[{self.host}]:{self.port}" if self.family == socket.AF_INET6 else f"{self.host}:{self.port}"


class Closable(Protocol):
    """A connection, whoever makes it."""

    def close(self) -> None:
        """Hang up."""


C = TypeVar("C", bound=Closable)


@dataclass(frozen=True, slots=True)
class Dialled(Generic[C]):
    """What became of some addresses."""

    connection: C | None
    address: Address | None
    """Of the connection."""
    refusals: tuple[tuple[Address, Exception], ...] = ()
    """Of those that were tried, and did not answer first."""


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment has for a URL; it reaches the world, not this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_usable(proxy: str) -> bool:
    """Tell whether this program can go through a proxy: it speaks HTTP to it, and no SOCKS."""
    try:
        parts = urlsplit(proxy)
        return parts.scheme in PROXIES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def resolve(host: str, port: int, deadline: float) -> tuple[Address, ...]:
    """Look up a name. The system's resolver takes no deadline, so it is waited for no longer than that.

    Raises TimeoutError at the deadline (of the monotonic clock), and OSError or UnicodeError where the name
    has no address.
    """
    answers: queue.SimpleQueue[tuple[Address, ...] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(
                tuple(
                    Address(family, str(address[0]), int(address[1]))
                    for family, _, _, _, address in found
                    if family in {socket.AF_INET, socket.AF_INET6}
                )
            )
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=max(deadline - time.monotonic(), 0))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def dial(addresses: Sequence[Address], connect: Callable[[Address, float], C], deadline: float) -> Dialled[C]:
    """Connect to the first address that answers. One that does not is no reason to wait for it alone.

    `connect` takes an address and the seconds that it has; what it raises is kept as a refusal.
    """
    waiting = _interleaved(addresses)
    done: queue.SimpleQueue[tuple[Address, C | Exception]] = queue.SimpleQueue()
    lock = threading.Lock()
    over = False

    def attempt(address: Address) -> None:
        try:
            made: C | Exception = connect(address, max(deadline - time.monotonic(), 0.001))
        except Exception as error:  # noqa: BLE001 - it is the reason for which an address was not taken
            made = error
        with lock:
            if over and not isinstance(made, Exception):
                made.close()
            else:
                done.put((address, made))

    began: list[Address] = []
    refusals: dict[Address, Exception] = {}
    winner: tuple[Address, C] | None = None
    while winner is None and (waiting or len(refusals) < len(began)):
        if waiting:
            began.append(waiting.pop(0))
            threading.Thread(target=attempt, args=(began[-1],), daemon=True).start()
        left = deadline - time.monotonic()
        try:
            # The last ones are given the time to say themselves that theirs is over.
            address, made = done.get(timeout=max(min(left, STAGGER) if waiting else left + STAGGER, 0.001))
        except queue.Empty:
            if left <= 0:
                break
            continue
        if isinstance(made, Exception):
            refusals[address] = made
        else:
            winner = (address, made)
    with lock:
        over = True
    _hang_up(done)
    best, connection = winner or (None, None)
    silent = {each: TimeoutError() for each in began if each != best}
    return Dialled(connection, best, tuple({**silent, **refusals}.items()))


def _hang_up(done: queue.SimpleQueue[tuple[Address, C | Exception]]) -> None:
    """Close the connections that were made too late."""
    with suppress(queue.Empty):
        while True:
            _, late = done.get_nowait()
            if not isinstance(late, Exception):
                late.close()


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Put the families in turns: where one has no way out, the next address is of the other."""
    seen: Counter[socket.AddressFamily] = Counter()
    turns = []
    for index, address in enumerate(dict.fromkeys(addresses)):
        turns.append((seen[address.family], index, address))
        seen[address.family] += 1
    return [address for _, _, address in sorted(turns, key=lambda turn: turn[:2])]


class Backend(httpcore.SyncBackend):
    """Lets httpx connect as clients do: within one time for the name and all of its addresses."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect; raise what httpcore does where that is not possible."""
        deadline = time.monotonic() + (timeout or 60.0)
        inner = super().connect_tcp

        def connect(address: Address, seconds: float) -> httpcore.NetworkStream:
            return inner(address.host, address.port, seconds, local_address, socket_options)

        try:
            dialled = dial(resolve(host, port, deadline), connect, deadline)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no answer about {host} in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        if dialled.connection is not None:
            return dialled.connection
        reasons = [f"{address}: {str(error) or 'no answer in time'}" for address, error in dialled.refusals]
        raise httpcore.ConnectError("; ".join(reasons) or f"{host} has no address")
