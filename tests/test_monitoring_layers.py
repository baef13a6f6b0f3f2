"""A server is reached layer by layer, and where that ends it is said why."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import certificates
import pytest
from fake_servers import healthy, server

from scaffolder.diagnostics import UserError
from scaffolder.httpclient import trust
from scaffolder.monitoring.layers import Layer, LayerResult, printable, reach

DAYS_AGO, IN_DAYS = timedelta(days=-80), timedelta(days=10)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> certificates.Authority:
    """Found an authority that this process believes."""
    founded = certificates.found(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(founded.file))
    return founded


@contextmanager
def listening() -> Iterator[int]:
    """Give the port of a server that takes connections and never says anything."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


def names(results: tuple[LayerResult, ...]) -> list[tuple[str, bool]]:
    """Say which layers were reached, and whether they were passed."""
    return [(str(result.layer), result.ok) for result in results]


def test_a_sound_certificate(authority: certificates.Authority) -> None:
    """All three layers are passed, and it is known until when the certificate is valid."""
    encryption = authority.encryption(starts=DAYS_AGO, ends=IN_DAYS)
    with server(healthy, encryption=encryption) as (url, _):
        results = reach(url, trust(), 10)
    assert names(results) == [("dns", True), ("tcp", True), ("tls", True)]
    facts = results[-1].facts
    assert facts["version"] == "TLSv1.3"
    assert abs(facts["expires"] - facts["starts"] - 90 * 86_400) < 2


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [
        (DAYS_AGO, timedelta(days=-1), "the certificate expired on "),
        (timedelta(days=1), IN_DAYS, "the certificate is valid only from "),
    ],
)
def test_a_certificate_whose_time_is_wrong(
    starts: timedelta, ends: timedelta, said: str, authority: certificates.Authority
) -> None:
    """It is refused, and its date is told all the same."""
    with server(healthy, encryption=authority.encryption(starts=starts, ends=ends)) as (url, _):
        result = reach(url, trust(), 10)[-1]
    moment = time.gmtime(result.facts["expires" if ends < timedelta() else "starts"])
    assert (result.layer, result.ok) == (Layer.TLS, False)
    assert result.detail == f"127.0.0.1: {said}{time.strftime('%Y-%m-%d', moment)}"


def test_a_certificate_for_another_name(authority: certificates.Authority) -> None:
    """It is refused, in the words of OpenSSL."""
    encryption = authority.encryption(starts=DAYS_AGO, ends=IN_DAYS, address="127.0.0.2")
    with server(healthy, encryption=encryption) as (url, _):
        result = reach(url, trust(), 10)[-1]
    assert (result.layer, result.ok) == (Layer.TLS, False)
    assert "mismatch" in result.detail


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """An unknown authority is none."""
    encryption = certificates.found(tmp_path).encryption(starts=DAYS_AGO, ends=IN_DAYS)
    with server(healthy, encryption=encryption) as (url, _):
        result = reach(url, trust(), 10)[-1]
    assert (result.layer, result.ok) == (Layer.TLS, False)
    assert "unable to get local issuer certificate" in result.detail


def test_a_certificate_that_the_server_has_signed_itself(authority: certificates.Authority) -> None:
    """It is refused, in the words of OpenSSL."""
    encryption = authority.encryption(starts=DAYS_AGO, ends=IN_DAYS, own=True)
    with server(healthy, encryption=encryption) as (url, _):
        result = reach(url, trust(), 10)[-1]
    assert (result.layer, result.ok) == (Layer.TLS, False)
    assert result.detail == "127.0.0.1: self-signed certificate"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the user's to mend, and says where they were to be found."""
    file = tmp_path / "authorities.pem"
    if content:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(UserError, match="the certificates that SSL_CERT_FILE or SSL_CERT_DIR names"):
        trust()


def test_encryption_where_there_is_none() -> None:
    """A server that speaks HTTP at an https URL fails at TLS, not above."""
    with server(healthy) as (url, _):
        result = reach(url.replace("http:", "https:"), trust(), 10)[-1]
    assert (result.layer, result.ok) == (Layer.TLS, False)


def test_a_handshake_that_never_ends() -> None:
    """Who takes the connection and says nothing is waited for no longer than was agreed."""
    with listening() as port:
        result = reach(f"https://127.0.0.1:{port}/mcp", trust(), 0.3)[-1]
    assert (result.layer, result.ok, result.detail) == (Layer.TLS, False, "127.0.0.1: no answer in time")


def test_a_connection_that_is_refused() -> None:
    """The port is named, and the system's own words are given."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        results = reach(f"http://127.0.0.1:{port}/mcp", None, 10)
    assert names(results) == [("dns", True), ("tcp", False)]
    assert results[-1].detail == f"127.0.0.1:{port}: Connection refused"


def test_a_name_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing above DNS is tried."""

    def gone(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    results = reach("https://notes.example.com/mcp", trust(), 10)
    assert names(results) == [("dns", False)]
    assert results[0].detail == "notes.example.com: Name or service not known"


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for no longer than was agreed."""

    def hang(*_: Any, **__: Any) -> list[Any]:
        time.sleep(1)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    results = reach("https://notes.example.com/mcp", trust(), 0.2)
    assert names(results) == [("dns", False)]
    assert results[0].detail == "no answer about notes.example.com in time"


def test_a_name_that_no_resolver_knows() -> None:
    """For real: `.invalid` is reserved for names that are none (RFC 2606)."""
    assert names(reach("https://notes.invalid/mcp", trust(), 30)) == [("dns", False)]


@pytest.mark.parametrize("host", ["a" * 64 + ".example.com", "a..example.com"])
def test_a_name_that_is_none(host: str) -> None:
    """What no resolver can be asked about fails at DNS as well."""
    assert names(reach(f"http://{host}/", None, 10)) == [("dns", False)]


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an address that nobody is at leads to the one that answers."""
    with server(healthy) as (url, _), socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = int(url.rpartition(":")[2].partition("/")[0])
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", unused.getsockname()[1])),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        results = reach("http://notes.example.com/mcp", None, 10)
    assert names(results) == [("dns", True), ("tcp", True)]
    assert results[1].facts["address"] == f"127.0.0.1:{port}"
    assert "Connection refused" in results[1].facts["refusals"][0]


def test_what_a_proxy_knows_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that only the proxy can resolve is not called gone; what is excepted from it is examined."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://user:secret@proxy.example.com:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "excepted.invalid")
    (only,) = reach("https://notes.example.com/mcp", trust(), 10)
    assert (only.layer, only.ok) == (Layer.TCP, True)
    assert only.detail == "left to the proxy of the environment"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    assert names(reach("https://excepted.invalid/mcp", trust(), 10)) == [("dns", True), ("tcp", False)]


def test_nothing_steers_a_terminal() -> None:
    """Escape sequences and changes of direction of a server's texts are spaces."""
    assert printable("a\x1b[31mb\u202ec\n\x9bd é 😀") == "a [31mb c  d é 😀"
