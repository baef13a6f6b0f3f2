"""A verdict ends with what somebody can do about it, where there is something."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fake_servers import TOOL, Answer, Handler, healthy, server

from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.advice import advice
from scaffolder.monitoring.expectation import Credential, Expectation
from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import Probed, probe
from scaffolder.monitoring.verdict import State
from scaffolder.probe import Era
from scaffolder.quoting import destination, excerpt, is_html, is_login

ANY = Expectation("any", "")
OURS = replace(
    ANY,
    name="deno",
    server="s",
    tools=(TOOL,),
    tools_hash=tools_hash([TOOL]),
    definitions_hash=definitions_hash([TOOL]),
    eras=(Era.MODERN, Era.LEGACY),
    readiness=True,
    of_manifest=True,
)
DEPLOY = (
    "the server does not have what mcp.yaml says: deploy it (`npm run deploy:deno`, or see deploy/deno.md), "
    "or take the change out of mcp.yaml"
)
READY = {"/readyz": (200, '{"status": "ready"}')}


def saying(status: int, body: str, kind: str = "text/plain", **headers: str) -> Answer:
    """Answer everything alike."""

    def answer(handler: Handler, _: dict[str, Any]) -> None:
        handler.extra = headers
        handler.send(status, body, kind)

    return answer


def listing(tool: Mapping[str, Any], *, name: str = "s") -> Answer:
    """List one tool, and have a name."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
            handler.reply(message, {"tools": [tool], **modern})
        else:
            healthy(Named(handler, name), message)  # type: ignore[arg-type] # it has what is used

    return answer


class Named:
    """A handler whose server calls itself something else."""

    def __init__(self, handler: Handler, name: str) -> None:
        """Wrap one."""
        self.handler, self.name = handler, name

    def send(self, *words: Any) -> None:
        """Pass on."""
        self.handler.send(*words)

    def reply(self, message: dict[str, Any], result: dict[str, Any], *, stream: bool = False) -> None:
        """Pass on, under another name."""
        if "serverInfo" in result:
            result = {**result, "serverInfo": {"name": self.name}}
        self.handler.reply(message, result, stream=stream)


def asked(answer: Answer, expectation: Expectation, path: str = "/mcp", **pages: tuple[int, str]) -> Probed:
    """Probe a server that does something."""
    beside = {f"/{name}": page for name, page in pages.items()} or READY
    with server(answer, pages=beside) as (url, _):
        return probe(replace(expectation, url=url.removesuffix("/mcp") + path))


def test_a_healthy_server_needs_nothing() -> None:
    """There is nothing to do."""
    one = asked(healthy, OURS)
    assert (one.verdict.state, advice(one)) == (State.HEALTHY, ())


def test_what_was_not_deployed() -> None:
    """A manifest is not what is old; a file that was generated from one may be."""
    other = {**TOOL, "description": "another"}
    assert advice(asked(listing(other), OURS)) == (DEPLOY,)
    of_file = replace(OURS, of_manifest=False)
    (line,) = advice(asked(listing(other), of_file))
    assert line == "if mcp.yaml is newer than what is expected here, regenerate; then deploy what that gives"
    # To deploy would not help, for it is another one that is asked.
    (line,) = advice(asked(listing(other, name="staging"), OURS))
    assert line == "see whether `target_options.deno.url` in mcp.yaml is right"


TOKEN = "`--header Authorization=VARIABLE`, where VARIABLE holds `Bearer <token>`"
WALL = saying(401, "", **{"www-authenticate": "Bearer"})


@pytest.mark.parametrize(
    ("expectation", "lines"),
    [
        (ANY, (f"pass {TOKEN}",)),
        (OURS, (f"name the variable that holds a token in `monitor.bearer` of mcp.yaml, or pass {TOKEN}",)),
        (
            replace(ANY, credentials=(Credential("authorization", "MONITOR_TOKEN"),)),
            ("set MONITOR_TOKEN in the environment",),
        ),
        (
            replace(
                ANY,
                credentials=(Credential("authorization", "T"),),
                headers={"authorization": "a-token-alone"},
            ),
            ("T has to hold the whole value of the header, as `Bearer <token>`",),
        ),
        (
            replace(
                ANY,
                credentials=(Credential("authorization", "T"),),
                headers={"authorization": "Bearer an-old-token"},
            ),
            ("see whether what T holds is still valid",),
        ),
    ],
)
def test_a_wall(expectation: Expectation, lines: tuple[str, ...]) -> None:
    """Who stands in front of it is told which key it takes."""
    one = asked(WALL, expectation)
    assert (one.verdict.state, advice(one)) == (State.WALLED, lines)


def test_a_wall_behind_another() -> None:
    """What the platform's front takes is not what the server asks for, and the other way round."""
    both = (Credential("authorization", "T"), Credential("x-bypass", "B"))
    known = replace(ANY, credentials=both, headers={"authorization": "Bearer an-old-token"})
    assert advice(asked(WALL, known)) == ("see whether what T holds is still valid",)
    assert advice(asked(saying(401, "<html>"), known)) == ("set B in the environment",)


def test_a_wall_that_is_not_there() -> None:
    """It may be open on purpose."""
    purpose = "if it is open to everybody on purpose, "
    asks = replace(OURS, auth=True)
    assert advice(asked(healthy, asks)) == (f"{purpose}probe without `--auth`, or with `--no-auth`",)
    has = replace(
        asks, credentials=(Credential("authorization", "T"),), headers={"authorization": "Bearer abc"}
    )
    assert advice(asked(healthy, has)) == (
        f"{purpose}take `monitor.bearer` out of mcp.yaml, or probe with `--no-auth`",
    )


def test_the_wrong_path() -> None:
    """At the root there is a page, or nothing."""
    for answer in (saying(404, "nothing"), saying(405, ""), saying(200, "<html>", "text/html")):
        one = asked(answer, ANY, "/")
        url = one.expectation.url
        assert advice(one) == (f"MCP servers usually answer at /mcp: mcp-scaffold probe {url}mcp",)
    assert advice(asked(saying(404, ""), ANY)) == ("see whether the URL is right",)
    assert advice(asked(saying(500, "oh"), ANY)) == ()


def test_what_is_missing_there() -> None:
    """The page of the target says how a secret is set."""
    one = asked(healthy, OURS, readyz=(503, '{"status": "not ready", "missing": ["API_KEY"]}'))
    assert advice(one) == ("set what is missing as deploy/deno.md says",)
    assert advice(asked(healthy, OURS, readyz=(503, '{"store": "gone"}'))) == ()


def test_a_redirection() -> None:
    """Where it leads is said, but no secret of another host's address."""
    one = asked(saying(308, "", location="/mcp/?code=x"), ANY)
    there = one.expectation.url + "/"
    assert one.verdict.reason.endswith(f"HTTP 308 leads to {there}, and clients do not follow")
    assert advice(one) == (f"probe where it leads: {there}",)
    login = "https://login.example.com/oauth/authorize?state=a-secret-state"
    one = asked(saying(302, "", location=login), ANY)
    assert one.verdict.reason.endswith(
        "HTTP 302 leads to https://login.example.com, and clients do not follow: "
        "a login page stands in front of the server"
    )
    assert "a-secret-state" not in repr(one)
    assert advice(one)[0].startswith("switch the login off for this deployment")
    one = asked(saying(301, "", location="https://www.example.com/mcp"), OURS)
    assert "login" not in one.verdict.reason
    assert advice(one) == ("set `target_options.deno.url` in mcp.yaml to where it leads, and regenerate",)


@pytest.mark.parametrize(
    ("location", "place", "login"),
    [
        ("/login", "https://a.example/login", True),
        ("/mcp/", "https://a.example/mcp/", False),
        ("http://a.example:80/mcp", "http://a.example:80/mcp", False),
        ("https://user:pw@b.example/x?y#z", "https://b.example", False),
        ("https://vercel.com/sso-api?url=x", "https://vercel.com", True),
        (
            "https://t.cloudflareaccess.com/cdn-cgi/access/login/x",
            "https://t.cloudflareaccess.com",
            True,
        ),
        ("https://accounts.google.com/", "https://accounts.google.com", True),
        ("https://[", "no URL", False),
    ],
)
def test_where_a_redirection_leads(location: str, place: str, login: bool) -> None:  # noqa: FBT001 - a parameter
    """On the same host the path is of use; on another it may be a secret."""
    url = "https://a.example/mcp"
    assert (destination(url, location), is_login(url, location)) == (place, login)


@contextmanager
def plain() -> Iterator[int]:
    """Answer whatever comes in HTTP, without encryption."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_without_encryption() -> None:
    """It is said in words that do not need OpenSSL's source."""
    with plain() as port:
        one = probe(replace(ANY, url=f"https://127.0.0.1:{port}/mcp"))
    assert one.verdict.findings[0].layer is Layer.TLS
    assert one.verdict.reason == "no encryption: 127.0.0.1: the server speaks no TLS at this port"
    assert advice(one) == (
        f"if it is meant to be asked without encryption: mcp-scaffold probe http://127.0.0.1:{port}/mcp",
    )


def test_nobody_there() -> None:
    """The address may be wrong."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        one = probe(replace(OURS, url=f"http://127.0.0.1:{unused.getsockname()[1]}/mcp"))
    assert advice(one) == ("see whether `target_options.deno.url` in mcp.yaml is right",)


def test_a_slow_target_is_measured() -> None:
    """Its threshold may be a guess."""
    one = asked(healthy, replace(OURS, timeout_ms=0))
    assert advice(one) == ("if that is usual, measure it: mcp-scaffold calibrate --target deno",)


def test_a_foreign_page_is_a_line() -> None:
    """Whoever reads it has one screen."""
    assert excerpt(" a\r\n\r\n  b\tc ") == "a b c"
    assert len(excerpt("x " * 5000)) == 121
    assert is_html("text/html", " <p>")
    assert is_html("", "<!-- x --><!DOCTYPE html>")
    assert not is_html("text/html", '{"jsonrpc": "2.0"}')
    assert not is_html("text/html", "")
    assert not is_html("text/plain", "a < b")
