"""Open an HTTP client for one server: whom it believes, which way it takes, and that it keeps no cookies."""

import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from scaffolder.connecting import Backend, is_usable, proxy_of
from scaffolder.diagnostics import UserError


def open_client(url: str, headers: Mapping[str, str] | None, timeout: float) -> httpx.Client:
    """Return an HTTP client for one server, which keeps no cookies: clients of MCP do not either.

    Raises UserError where the certificates that are to be believed cannot be read, or the proxy of the
    environment is none of HTTP.
    """
    # To read the certificates takes longer than a local server takes to answer.
    verify = not url.lower().startswith("http:") and trust()
    proxy = proxy_of(url)
    if proxy is not None and not is_usable(proxy):
        raise UserError("the environment has a proxy that is not one of HTTP")
    return httpx.Client(
        headers=headers,
        timeout=timeout,
        # What the environment says of proxies is read in one place, for every layer alike.
        trust_env=False,
        proxy=proxy,
        verify=verify,
        transport=None if proxy else _Transport(verify),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class _Transport(httpx.HTTPTransport):
    """Connects to the first address that answers."""

    def __init__(self, verify: ssl.SSLContext | bool) -> None:  # noqa: FBT001 - as httpx has it
        super().__init__(verify=verify, trust_env=False)
        # httpx has no parameter for it.
        self._pool: httpcore.ConnectionPool = httpcore.ConnectionPool(
            ssl_context=verify if isinstance(verify, ssl.SSLContext) else None, network_backend=Backend()
        )


def trust() -> ssl.SSLContext:
    """Return whose certificates are believed: the public authorities', or those in SSL_CERT_FILE.

    Raises UserError where those cannot be read.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise UserError(
            f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}"
        ) from error
