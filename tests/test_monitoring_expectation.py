"""What is expected comes from a URL, a manifest or a monitor.json; credentials, from the environment."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from projects import make

from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.declared import of_monitor, of_project
from scaffolder.monitoring.expectation import Credential, Expectation, ExpectationError, is_personal
from scaffolder.monitoring.terms import Terms, choice, choose, of_url, read_call, read_headers
from scaffolder.probe import LEGACY, MODERN, Era
from scaffolder.workbench import InvalidProjectError

URL = "https://notes.example.com/mcp"

MANIFEST: dict[str, Any] = {
    "name": "notes",
    "version": "1.2.3",
    "targets": ["deno", "vercel", "bun"],
    "target_options": {"deno": {"url": URL}, "vercel": {"url": "https://notes.vercel.app/mcp"}},
    "tools": [
        {"name": "look", "description": "Look.", "inputSchema": {"type": "object"}},
        {"name": "add", "inputSchema": {"type": "object"}, "state": "session"},
    ],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project."""
    return make(tmp_path / "notes", MANIFEST)


def edit(project: Path, change: Any) -> Path:
    """Change the monitor.json of a project, and return its path."""
    path = project / "monitor/monitor.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    return path


def test_a_url() -> None:
    """Of any server nothing is expected but an answer within ten seconds, in one of the eras."""
    assert of_url(URL) == Expectation("notes.example.com", URL)
    assert of_url("http://127.0.0.1:8000/mcp").name == "127.0.0.1:8000"


@pytest.mark.parametrize(
    "url",
    [
        *("", "notes.example.com/mcp", "ftp://x/", "https://", "http://[", "http://x:0/", "http://x:99999/"),
        *("http://x/\x1b[2J", "http://x/\u202e", "http://x/a b"),
    ],
)
def test_what_is_no_url(url: str) -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ExpectationError, match="is no http or https URL"):
        of_url(url)


def test_a_url_holds_no_credentials() -> None:
    """They would be in argv, and in every report."""
    with pytest.raises(ExpectationError, match="the argument holds credentials") as raised:
        of_url("https://user:secret@x.example/")
    assert "secret" not in str(raised.value)


def test_a_manifest(project: Path) -> None:
    """All that a manifest declares is expected of each of its targets that has a URL."""
    deno, vercel = of_project(project)
    assert (deno.name, deno.url, vercel.name) == ("deno", URL, "vercel")
    assert (deno.timeout_ms, deno.down_ms) == (1000, 10_000)
    assert (deno.server, deno.version) == ("notes", "1.2.3")
    assert deno.eras == (Era.MODERN, Era.LEGACY)
    assert {MODERN, LEGACY} <= set(deno.revisions)
    assert deno.readiness
    assert not deno.auth
    assert deno.tools is not None
    assert [tool["name"] for tool in deno.tools] == ["look", "add"]
    assert deno.tools_hash == tools_hash(deno.tools)
    assert deno.definitions_hash == definitions_hash(deno.tools)


def test_a_monitor_says_the_same_as_its_manifest(project: Path) -> None:
    """It can be probed where the manifest is not; who said it is known."""
    of_file, of_manifest = of_monitor(project / "monitor/monitor.json"), of_project(project)
    assert [each.says for each in (of_file[0], of_manifest[0])] == ["expected is", "mcp.yaml has"]
    assert tuple(replace(each, of_manifest=True) for each in of_file) == of_manifest


def test_the_manifest_is_what_counts(project: Path) -> None:
    """A manifest that was edited and not regenerated is expected of its target all the same."""
    text = (project / "mcp.yaml").read_text()
    (project / "mcp.yaml").write_text(text.replace("name: look", "name: see"))
    first, _ = of_project(project)
    assert first.tools is not None
    assert first.tools[0]["name"] == "see"


def test_some_targets(project: Path) -> None:
    """Those that are named, in that order, once."""
    assert [each.name for each in of_project(project, ["vercel", "deno", "vercel"])] == ["vercel", "deno"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("cloudflare", "cloudflare: not among the targets of .*mcp.yaml, which are deno, vercel, bun"),
        ("bun", "bun has no URL in .*mcp.yaml"),
    ],
)
def test_a_target_that_cannot_be_probed(target: str, message: str, project: Path) -> None:
    """It is said why."""
    with pytest.raises(ExpectationError, match=message):
        of_project(project, [target])


def test_no_target_has_a_url(tmp_path: Path) -> None:
    """It is said where the URL goes."""
    project = make(tmp_path / "x", {**MANIFEST, "target_options": {}})
    with pytest.raises(ExpectationError, match="has no target with a URL") as raised:
        of_project(project)
    assert raised.value.help == ("set `target_options.deno.url` in mcp.yaml, and regenerate",)


def test_no_project(tmp_path: Path) -> None:
    """A folder without a manifest is none."""
    with pytest.raises(ExpectationError, match="so it is no project"):
        of_project(tmp_path)


def test_a_manifest_that_is_not_valid(project: Path) -> None:
    """All that is wrong with it is told, as `check` does."""
    (project / "mcp.yaml").write_text("name: 5\n")
    with pytest.raises(InvalidProjectError) as raised:
        of_project(project)
    assert len(raised.value.invalid.diagnostics) > 1


def test_a_server_that_refuses_the_legacy_era(tmp_path: Path) -> None:
    """No other era is expected of it."""
    project = make(tmp_path / "x", {**MANIFEST, "transport": {"legacy": "reject"}})
    assert of_project(project)[0].eras == (Era.MODERN,)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("tools_hash"),
        lambda document: document["targets"].update(deno=None),
        lambda document: document["targets"]["deno"].update(timeout_ms=None),
        lambda document: document["targets"]["deno"].update(timeout_ms="soon"),
        lambda document: document["targets"]["deno"].update(down_ms=float("nan")),
        lambda document: document["targets"].update({"a\x1b[2J": document["targets"]["deno"]}),
        lambda document: document["targets"]["deno"].update(
            credentials=[{"header": "a b", "prefix": "", "variable": "X"}]
        ),
        lambda document: document["targets"]["deno"].update(
            credentials=[{"header": "a", "prefix": "\r\nb: ", "variable": "X"}]
        ),
    ],
)
def test_a_monitor_that_was_not_generated(change: Any, project: Path) -> None:
    """It is the user's to mend, and no crash."""
    with pytest.raises(ExpectationError, match="is not as `regenerate` writes it"):
        of_monitor(edit(project, change))


def test_a_monitor_that_is_no_json(tmp_path: Path) -> None:
    """Likewise."""
    (tmp_path / "monitor.json").write_text("{")
    with pytest.raises(ExpectationError, match="is no JSON"):
        of_monitor(tmp_path / "monitor.json")


def test_a_monitor_without_the_tools(project: Path) -> None:
    """The hashes are enough; what has changed is then not known in detail."""
    (project / "monitor/tools.json").unlink()
    first, _ = of_monitor(project / "monitor/monitor.json")
    assert first.tools is None
    assert first.tools_hash is not None


def test_auth_and_credentials_of_a_monitor(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file names the variables; a value that the environment does not have is left out."""

    def change(document: dict[str, Any]) -> None:
        entries = [
            {"header": "Authorization", "prefix": "Bearer ", "variable": "TOKEN"},
            {"header": "X-Bypass", "prefix": "", "variable": "BYPASS"},
        ]
        document["targets"]["deno"] |= {"auth": True, "credentials": entries}

    path = edit(project, change)
    monkeypatch.delenv("BYPASS", raising=False)
    monkeypatch.setenv("TOKEN", "a-long-secret\n")
    first, second = of_monitor(path)
    assert first.auth
    assert not second.auth
    assert first.headers == {"authorization": "Bearer a-long-secret"}
    assert [str(each) for each in first.brought] == ["`authorization` from TOKEN"]
    assert [str(each) for each in first.missing] == ["`x-bypass` from BYPASS"]
    assert "a-long-secret" not in repr(first)
    assert not second.headers or "authorization" not in second.headers
    monkeypatch.setenv("TOKEN", "é")
    with pytest.raises(ExpectationError, match="the value of TOKEN is not one that a header can carry"):
        of_monitor(path)


def test_headers_are_read_from_the_environment() -> None:
    """The arguments name a variable, so no process list shows a secret."""
    environment = {"MCP_TOKEN": "Bearer x\n", "BYPASS": "y"}
    assert read_headers(["Authorization=MCP_TOKEN", "X-Bypass = BYPASS"], environment) == {
        "authorization": "Bearer x",
        "x-bypass": "y",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Authorization", "`Authorization` is not of the form NAME=VARIABLE"),
        ("=X", "is not of the form"),
        ("Authorization=ABSENT", "the environment has no ABSENT"),
        ("Authorization=EMPTY", "the environment has no EMPTY"),
        ("Authorization=ODD", "the value of ODD is not one that a header can carry"),
        ("a b=GOOD", "`a b` is not the name of a header"),
    ],
)
def test_a_header_that_cannot_be_sent(given: str, message: str) -> None:
    """Nothing is asked without what it needs, and no value is repeated."""
    environment = {"EMPTY": " ", "ODD": "a\nb-secret", "GOOD": "x"}
    with pytest.raises(ExpectationError, match=message) as raised:
        read_headers([given], environment)
    assert "b-secret" not in str(raised.value)


def test_a_call_is_a_name_and_arguments() -> None:
    """Without any there are none."""
    assert read_call("look") == ("look", {})
    assert read_call('look={"a": "b=c"}') == ("look", {"a": "b=c"})
    for given in ("look={", "look=[1]", "look=5"):
        with pytest.raises(ExpectationError, match="the arguments of `look` are no JSON"):
            read_call(given)


def test_arguments_choose_what_to_expect(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL, a folder, targets of a folder or of the one that the user is in, or a monitor.json."""
    monkeypatch.setenv("TOKEN", "x")
    terms = Terms(("Authorization=TOKEN",), "look", 2.5)
    (any_server,) = choose(URL, (), None, terms)
    assert any_server == Expectation(
        "notes.example.com",
        URL,
        {"authorization": "x"},
        (Credential("authorization", "TOKEN"),),
        down_ms=2500,
        call=("look", {}),
    )
    of_folder = choose(str(project), (), None, terms)
    assert [each.name for each in of_folder] == ["deno", "vercel"]
    assert {each.down_ms for each in of_folder} == {2500}
    assert all(each.headers["authorization"] == "x" for each in of_folder)
    assert choose(str(project), ("deno",), None, terms) == of_folder[:1]
    of_file = choose(None, (), project / "monitor/monitor.json", terms)
    assert tuple(replace(each, of_manifest=True) for each in of_file) == of_folder
    monkeypatch.chdir(project)
    assert [str(each.url) for each in choose(None, (), None, terms)] == [each.url for each in of_folder]
    assert choose(None, ("deno",), None, terms) == of_folder[:1]


@pytest.mark.parametrize(
    ("where", "advice"),
    [
        ("memo", ()),
        ("../memo", ()),
        ("x" * 5000, ()),
        (__file__, ("it is a file: give the folder of the project that it is in",)),
        ("/nonexistent", ()),
        ("127.0.0.1:4311/mcp", ("did you mean http://127.0.0.1:4311/mcp?",)),
        ("[::1]:4311/mcp", ("did you mean http://[::1]:4311/mcp?",)),
        ("notes.example.com/mcp", ("did you mean https://notes.example.com/mcp?",)),
        ("a\x1b[2J.example", ()),
    ],
)
def test_neither_a_folder_nor_a_url(where: str, advice: tuple[str, ...]) -> None:
    """What was meant is said where it can be guessed."""
    with pytest.raises(ExpectationError, match="no such folder, and no URL: a URL begins with") as raised:
        choose(where, (), None, Terms())
    assert raised.value.help == advice
    assert str(raised.value).isprintable()


def test_a_url_and_targets() -> None:
    """A target is one of a project."""
    with pytest.raises(ExpectationError, match="a URL and `--target` exclude each other"):
        choose(URL, ("deno",), None, Terms())
    with pytest.raises(ExpectationError, match="nowhere: no such folder"):
        choose("nowhere", ("deno",), None, Terms())


def test_targets_in_one_word(project: Path) -> None:
    """An option is repeated, and says so."""
    with pytest.raises(ExpectationError, match="deno,bun: not among the targets") as raised:
        choose(str(project), ("deno,bun",), None, Terms())
    assert raised.value.help == ("repeat the option: --target deno --target bun",)
    with pytest.raises(ExpectationError) as raised:
        choose(str(project), ("deno,nope",), None, Terms())
    assert raised.value.help == ()


def test_a_file_that_is_no_monitor(project: Path, tmp_path: Path) -> None:
    """The right one lies beside it, or has to be made."""
    with pytest.raises(ExpectationError, match=r"tools\.json is no monitor\.json: it has no") as raised:
        choose(None, (), project / "monitor/tools.json", Terms())
    assert raised.value.help == (f"give {project / 'monitor/monitor.json'} instead",)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ExpectationError, match=r"is no monitor\.json") as raised:
        choose(None, (), tmp_path / "other.json", Terms())
    assert raised.value.help == ("mcp-scaffold regenerate",)


def test_a_manifest_with_a_bearer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says which token a monitor sends says that nobody gets in without one; options say it likewise."""
    project = make(tmp_path / "x", {**MANIFEST, "monitor": {"bearer": "MONITOR_TOKEN"}})
    document = json.loads((project / "monitor/monitor.json").read_bytes())
    assert {each["auth"] for each in document["targets"].values()} == {True}
    monkeypatch.delenv("MONITOR_TOKEN", raising=False)
    deno, vercel = of_project(project)
    assert deno.auth
    assert [each.variable for each in deno.missing] == ["MONITOR_TOKEN"]
    assert [each.is_personal for each in vercel.missing] == [False, True]
    monkeypatch.setenv("MONITOR_TOKEN", "x")
    assert of_project(project)[0].missing == ()
    for auth in (True, False):
        for where in (str(project), URL):
            chosen = choose(where, (), None, Terms(auth=auth))
            assert {each.auth for each in chosen} == {auth}


def test_what_is_given_goes_ahead_of_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token by another name is a token."""
    project = make(tmp_path / "x", {**MANIFEST, "monitor": {"bearer": "MONITOR_TOKEN"}})
    monkeypatch.delenv("MONITOR_TOKEN", raising=False)
    monkeypatch.setenv("OTHER", "Bearer x")
    (deno,) = choose(str(project), ("deno",), None, Terms(("Authorization = OTHER",)))
    assert deno.missing == ()
    assert deno.credentials == (Credential("authorization", "OTHER"),)


@pytest.mark.parametrize(
    ("header", "personal"),
    [
        ("Authorization", True),
        ("Cookie", True),
        ("X-API-Key", True),
        ("apikey", True),
        ("X-Auth-Token", True),
        ("X-Auth-Key", True),
        ("Private-Token", True),
        ("x-vercel-protection-bypass", False),
        ("CF-Access-Client-Secret", False),
        ("Proxy-Authorization", False),
        ("X-Tenant", False),
    ],
)
def test_headers_that_say_who_asks(header: str, personal: bool) -> None:  # noqa: FBT001 - a parameter
    """They are what somebody without credentials does not send; the others open the way to the server."""
    assert is_personal(header) is personal


def test_targets_without_a_url_are_told_of(project: Path) -> None:
    """They are left out, and not in silence; who names targets has left out the others."""
    assert choice(str(project), (), None, Terms()).unprobed == ("bun",)
    assert choice(None, (), project / "monitor/monitor.json", Terms()).unprobed == ("bun",)
    assert choice(str(project), ("deno",), None, Terms()).unprobed == ()
    assert choice(URL, (), None, Terms()).unprobed == ()


@pytest.mark.parametrize("tools", [[{}], [5], [{"name": 5}]])
def test_tools_that_are_none(tools: list[Any], project: Path) -> None:
    """They are the user's to mend, and no crash."""
    (project / "monitor/tools.json").write_text(json.dumps({"tools": tools}))
    with pytest.raises(ExpectationError, match="is not as `regenerate` writes it"):
        of_monitor(project / "monitor/monitor.json")


@pytest.mark.parametrize("seconds", [1e-9, 1e9, 1e300])
def test_a_time_that_no_clock_counts(seconds: float) -> None:
    """It is cut to one that can be waited for."""
    (any_server,) = choose(URL, (), None, Terms(seconds=seconds))
    assert 1 <= any_server.down_ms <= 3_600_000


def test_a_long_url() -> None:
    """It is the name of no file, and still a URL."""
    long = f"{URL}?{'a' * 5000}"
    assert choose(long, (), None, Terms())[0].url == long


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "gopher://x:1", "http://", "http://[:1"])
def test_a_proxy_that_is_none_of_http(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is sent: nobody knows how the server is."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    with pytest.raises(ExpectationError, match="through a proxy that is not one of HTTP"):
        of_url(URL)
    assert of_url("https://127.0.0.1:1/mcp")
