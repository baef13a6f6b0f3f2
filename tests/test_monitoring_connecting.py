"""A server is reached as its clients reach it: by any of its addresses, in time, or through a proxy."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fake_servers import healthy, server

from scaffolder.connecting import Address, dial, is_loopback, is_usable, proxy_of
from scaffolder.diagnostics import UserError
from scaffolder.httpclient import open_client
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import probe
from scaffolder.monitoring.verdict import State

V4, V6 = socket.AF_INET, socket.AF_INET6

ANY = Expectation("any", "", down_ms=30_000)

FIRST, SECOND, THIRD = (Address(V4, f"192.0.2.{last}", 443) for last in (1, 2, 3))


@dataclass
class Line:
    """A connection of a test."""

    to: Address
    closed: bool = False

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_an_address_that_does_not_answer_is_not_waited_for() -> None:
    """The next is tried beside it, and what was learnt of the first is kept."""
    release = threading.Event()

    def connect(address: Address, seconds: float) -> Line:
        assert seconds > 20
        if address == FIRST:
            release.wait(30)
            raise TimeoutError
        return Line(address)

    dialled = dial((FIRST, SECOND), connect, time.monotonic() + 30)
    release.set()
    assert (dialled.connection, dialled.address) == (Line(SECOND), SECOND)
    [(address, error)] = dialled.refusals
    assert address == FIRST
    assert isinstance(error, TimeoutError)


def test_a_refusal_is_followed_at_once() -> None:
    """There is nothing to wait for."""

    def connect(address: Address, _: float) -> Line:
        if address == THIRD:
            return Line(address)
        raise ConnectionRefusedError(address.host)

    dialled = dial((FIRST, SECOND, THIRD), connect, time.monotonic() + 30)
    assert dialled.address == THIRD
    assert [(address, str(error)) for address, error in dialled.refusals] == [
        (FIRST, FIRST.host),
        (SECOND, SECOND.host),
    ]


def test_nobody_answers() -> None:
    """It is said of each, and no later than was agreed."""
    release = threading.Event()

    def connect(address: Address, _: float) -> Line:
        if address == FIRST:
            raise ConnectionRefusedError
        release.wait(30)
        raise TimeoutError

    started = time.monotonic()
    dialled = dial((FIRST, SECOND, THIRD), connect, started + 2)
    assert time.monotonic() - started < 20
    release.set()
    assert dialled.connection is None
    assert {address for address, _ in dialled.refusals} == {FIRST, SECOND, THIRD}
    assert dial((), connect, time.monotonic() + 1).refusals == ()


def test_a_connection_that_comes_too_late_is_closed() -> None:
    """Nobody would use it."""
    release = threading.Event()
    late = Line(FIRST)

    def connect(address: Address, _: float) -> Line:
        if address == FIRST:
            release.wait(30)
            return late
        return Line(address)

    assert dial((FIRST, SECOND), connect, time.monotonic() + 30).address == SECOND
    assert not late.closed
    release.set()
    deadline = time.monotonic() + 30
    while not late.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert late.closed


def test_the_families_take_turns() -> None:
    """Where one has no way out, its many addresses do not hold up the other."""
    six = [Address(V6, f"2001:db8::{last}", 443) for last in (1, 2)]
    tried = []

    def connect(address: Address, _: float) -> Line:
        tried.append(address)
        raise OSError

    dial((*six, FIRST, FIRST, SECOND), connect, time.monotonic() + 30)
    assert tried == [six[0], FIRST, six[1], SECOND]
    assert str(six[0]) == "[2001:db8::1]:443"


@contextmanager
def full() -> Iterator[int]:
    """Give a port that takes no more connections, and refuses none: who connects is left waiting."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(listening.getsockname())
            waiting.append(client)
        yield listening.getsockname()[1]
        for client in waiting:
            client.close()


def leading_to(*ports: int, then: Callable[[], None] = lambda: None) -> Callable[..., list[Any]]:
    """Resolve every name to some ports of this machine; an address remains what it is."""
    system = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host == "127.0.0.1":
            return system(host, *rest, **options)
        then()
        return [(V4, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

    return look_up


def test_a_name_whose_first_address_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """All layers are passed, as by a client; the address that nobody answers at is named."""
    with server(healthy) as (url, seen), full() as dead:
        port = int(url.rpartition(":")[2].partition("/")[0])
        monkeypatch.setattr(socket, "getaddrinfo", leading_to(dead, port))
        started = time.monotonic()
        one = probe(replace(ANY, url=f"http://notes.example.com:{port}/mcp"))
        took = time.monotonic() - started
    assert one.verdict.state is State.HEALTHY, one.verdict.reason
    assert took < 20
    tcp = next(layer for layer in one.examination.layers if layer.layer is Layer.TCP)
    assert tcp.detail == f"127.0.0.1:{port}; 127.0.0.1:{dead}: no answer in time"
    assert {headers["host"] for _, headers in seen} == {f"notes.example.com:{port}"}


def test_a_resolver_that_hangs_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP looks the name up once more, and waits for it no longer than was agreed."""
    release = threading.Event()
    calls = []

    def hang() -> None:
        calls.append(1)
        if len(calls) > 1:
            release.wait(60)

    with server(healthy) as (url, _):
        port = int(url.rpartition(":")[2].partition("/")[0])
        monkeypatch.setattr(socket, "getaddrinfo", leading_to(port, then=hang))
        started = time.monotonic()
        verdict = probe(replace(ANY, url=f"http://notes.example.com:{port}/mcp", down_ms=1500)).verdict
        took = time.monotonic() - started
        release.set()
    assert (verdict.state, verdict.findings[0].layer) == (State.DOWN, Layer.HTTP)
    assert "no answer about notes.example.com in time" in verdict.reason
    assert took < 30


def test_a_server_on_ipv6_alone() -> None:
    """Its address stands in brackets."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with server(healthy, host="::1") as (url, _):
            one = probe(replace(ANY, url=url))
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert one.verdict.state is State.HEALTHY
    assert one.examination.layers[1].detail.startswith("[::1]:")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment without proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_the_proxy_of_a_url(environment: pytest.MonkeyPatch) -> None:
    """By its scheme, or the one for all; not for this machine, nor for what is excepted."""
    assert proxy_of("https://notes.example.com/mcp") is None
    environment.setenv("ALL_PROXY", "proxy.example.com:3128")
    environment.setenv("https_proxy", "http://secure.example.com:1")
    environment.setenv("no_proxy", "excepted.example.com")
    assert proxy_of("http://notes.example.com/mcp") == "http://proxy.example.com:3128"
    assert proxy_of("https://notes.example.com/mcp") == "http://secure.example.com:1"
    for url in ("https://excepted.example.com/mcp", "https://127.0.0.1/mcp", "http://[::1]:1/", "http://["):
        assert proxy_of(url) is None
    assert [is_loopback(url) for url in ("http://[", "http://a.localhost/", "http://127.9.9.9/")] == [
        *(False, True, True)
    ]
    assert is_usable("https://proxy.example.com:3128")
    assert not is_usable("socks5h://127.0.0.1:1080")


def test_through_a_proxy(environment: pytest.MonkeyPatch) -> None:
    """The server is probed through it, by its own name; what only the proxy can know is left to it."""
    with server(healthy) as (url, seen):
        environment.setenv("http_proxy", url.removesuffix("/mcp"))
        one = probe(replace(ANY, url="http://notes.example.com/mcp"))
    assert one.verdict.state is State.HEALTHY, one.verdict.reason
    assert one.examination.layers[0].detail == "left to the proxy of the environment"
    assert {headers["host"] for _, headers in seen} == {"notes.example.com"}


def test_a_proxy_that_refuses(environment: pytest.MonkeyPatch) -> None:
    """It is the proxy that is blamed, and what it was told in confidence is not repeated."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        environment.setenv("https_proxy", f"http://user:secret@127.0.0.1:{listening.getsockname()[1]}")
        one = probe(replace(ANY, url="https://notes.example.com/mcp"))
        listening.shutdown(socket.SHUT_RDWR)
    assert one.verdict.reason == (
        "it does not answer as MCP: the proxy of the environment refuses: 407 Proxy Authentication Required"
    )
    assert "secret" not in repr(one)


def test_a_proxy_that_is_none_of_http(environment: pytest.MonkeyPatch) -> None:
    """It is the user's to mend, wherever a client is opened."""
    environment.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(UserError, match="a proxy that is not one of HTTP"):
        open_client("https://notes.example.com/mcp", None, 1.0)
    open_client("http://127.0.0.1:1/mcp", None, 1.0).close()
