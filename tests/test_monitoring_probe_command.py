"""`probe` on the command line: what it prints, in which form, and how it exits."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_servers import TOOL, Handler, healthy, server
from projects import make

from scaffolder.monitoring.probing import probe
from scaffolder.monitoring.terms import Terms, choice
from scaffolder.probe import LEGACY, MODERN
from scaffolder.reports.probe import Form, Telling

PAGES = {"/readyz": (200, '{"status": "ready"}')}


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "scaffolder", "probe", *map(str, words)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def notes(handler: Handler, message: dict[str, Any]) -> None:
    """Answer as the server of `project` does."""
    info = {"name": "notes", "version": "1.0.0"}
    if message["method"] == "initialize":
        handler.reply(message, {"protocolVersion": LEGACY, "capabilities": {}, "serverInfo": info})
    elif message["method"] == "server/discover":
        result = {"supportedVersions": [MODERN], "capabilities": {}, "resultType": "complete"}
        handler.reply(message, {**result, "serverInfo": info})
    else:
        healthy(handler, message)


def drifted(handler: Handler, message: dict[str, Any]) -> None:
    """Answer likewise, with another tool."""
    if message["method"] == "tools/list":
        modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
        changed = {**TOOL, "inputSchema": {"type": "object", "required": ["x"]}}
        handler.reply(message, {"tools": [changed], **modern})
    else:
        notes(handler, message)


def project(folder: Path, *, monitor: Mapping[str, Any] | None = None, **urls: str) -> Path:
    """Make a project whose targets are at some URLs."""
    manifest = {
        "name": "notes",
        "version": "1.0.0",
        "targets": ["deno", "bun"],
        "target_options": {target: {"url": url} for target, url in urls.items()},
        # Nothing here is about how fast this machine is.
        "monitor": {
            "observed": {target: {"p95_ms": 15_000} for target in ("deno", "bun")},
            **(monitor or {}),
        },
        "tools": [TOOL],
    }
    return make(folder / "notes", manifest)


def test_any_server(tmp_path: Path) -> None:
    """Its URL is enough: the verdict first, then each layer."""
    with server(healthy) as (url, _):
        done = run(url, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith(url)
    assert lines[1].startswith("healthy: it answers with 1 tool")
    shown = [line.split()[:2] for line in lines[2:] if line]
    assert shown == [
        ["ok", layer]
        for layer in ("dns", "tcp", "http", "json-rpc", "protocol", "protocol", "hashes", "latency")
    ]


def test_the_targets_of_a_project(tmp_path: Path) -> None:
    """Each is judged by the manifest; what has changed is said, and what to do."""
    with server(notes, pages=PAGES) as (first, _), server(drifted, pages=PAGES) as (second, _):
        folder = project(tmp_path, deno=first, bun=second)
        done = run("--target", "deno", "--target", "bun", folder, cwd=tmp_path)
        alone = run("--target", "deno", cwd=folder)
    assert done.returncode == 1
    change = 'mcp.yaml has no `$.inputSchema.required`, the server has ["x"]'
    assert f"drifted: the contract of its tools differs: of the tool `a.b` {change}" in done.stdout
    assert f"drift: of the tool `a.b` {change}" in done.stdout
    assert "    FAIL  hashes" in done.stdout
    table = done.stdout.splitlines()[-3:]
    assert [line.split()[:2] for line in table] == [
        ["target", "state"],
        ["deno", "healthy"],
        ["bun", "drifted"],
    ]
    # The project is what it is, and the server is what may be old.
    assert done.stderr == (
        "\nbun:\n  = help: the server does not have what mcp.yaml says: deploy it (`npm run deploy:bun`, or "
        "see deploy/bun.md), or take the change out of mcp.yaml\n"
    )
    assert "Not probed" not in done.stderr
    assert (alone.returncode, alone.stderr) == (0, "")


def test_a_monitor_as_json(tmp_path: Path) -> None:
    """One object, tagged with its schema: verdicts, layers, hashes and what has changed."""
    with server(notes, pages=PAGES) as (first, _), server(drifted, pages=PAGES) as (second, _):
        folder = project(tmp_path, deno=first, bun=second)
        done = run("--monitor", folder / "monitor/monitor.json", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    document = json.loads(done.stdout)
    assert (document["schema"], document["ok"]) == ("mcp-scaffold/probe@1", False)
    deno, bun = document["targets"]
    assert (deno["target"], deno["state"], deno["exit_status"]) == ("deno", "healthy", 0)
    assert deno["tools_hash"] == deno["expected"]["tools_hash"]
    assert all(layer["ok"] for layer in deno["layers"])
    assert (bun["state"], bun["findings"][0]["layer"]) == ("drifted", "hashes")
    assert bun["tools_hash"] != bun["expected"]["tools_hash"]
    assert bun["drift"] == {
        "added": [],
        "removed": [],
        "repeated": [],
        "changed": [
            {
                "tool": "a.b",
                "kind": "added",
                "path": "$.inputSchema.required",
                "before": None,
                "after": ["x"],
                "contract": True,
            }
        ],
    }


def test_the_project_that_the_user_is_in(tmp_path: Path) -> None:
    """It needs no argument."""
    with server(notes, pages=PAGES) as (url, _):
        done = run(cwd=project(tmp_path, deno=url, bun=url))
    assert done.returncode == 0
    assert done.stderr == ""
    blocks = done.stdout.split("\n\n")
    assert [block.split()[0] for block in blocks] == ["deno", "bun", "target"]


def test_the_order_of_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of the table, whoever answers first; a program is told as soon as it can be."""
    with server(notes, pages=PAGES) as (url, _):
        known = choice(str(project(tmp_path, deno=url, bun=url)), (), None, Terms())
        first, second = map(probe, known.expectations)
    printed = {}
    for form in (Form.TEXT, Form.LINES):
        telling = Telling(known, form)
        telling.told(second)
        early = capsys.readouterr().out
        telling.told(first)
        assert telling.ended() == 0
        printed[form] = (early, capsys.readouterr().out)
    early, rest = printed[Form.TEXT]
    assert early == ""
    assert [block.split()[0] for block in rest.split("\n\n")] == ["deno", "bun", "target"]
    assert [json.loads(text)["target"] for text in printed[Form.LINES]] == ["bun", "deno"]


def test_an_era_that_fails(tmp_path: Path) -> None:
    """Where the other is served, the row says which one is not; one that nobody needs is no failure."""

    def legacy_fails(handler: Handler, message: dict[str, Any]) -> None:
        if "_meta" in message.get("params", {}):
            notes(handler, message)
        else:
            handler.send(500, "oh   no\n" * 100, "text/plain")

    with server(legacy_fails, pages=PAGES) as (url, _):
        ours = run("-t", "deno", project(tmp_path, deno=url), cwd=tmp_path)
        any_server = run(url, cwd=tmp_path)
    assert "FAIL  http" in ours.stdout
    assert "FAIL  protocol" in ours.stdout
    assert "not needed" not in ours.stdout
    assert "answers, but fails in the legacy era\n" in ours.stdout
    assert ours.stdout.count("oh no oh no") == 10 + 10
    assert any_server.returncode == 0
    assert "FAIL" not in any_server.stdout
    assert "    -   protocol" in any_server.stdout
    assert "not needed: legacy: initialize: HTTP 500: oh no oh no" in any_server.stdout


def test_the_wrong_version_is_marked_in_both_eras(tmp_path: Path) -> None:
    """It is one finding to who reads, and two rows."""

    def old(handler: Handler, message: dict[str, Any]) -> None:
        info = {"name": "notes", "version": "0.9.0"}
        if message["method"] == "initialize":
            handler.reply(message, {"protocolVersion": LEGACY, "capabilities": {}, "serverInfo": info})
        elif message["method"] == "server/discover":
            result = {"supportedVersions": [MODERN], "capabilities": {}, "resultType": "complete"}
            handler.reply(message, {**result, "serverInfo": info})
        else:
            healthy(handler, message)

    with server(old, pages=PAGES) as (url, _):
        done = run("-t", "deno", project(tmp_path, deno=url), cwd=tmp_path)
    assert done.stdout.count("FAIL  protocol") == 2
    assert "also drifted" not in done.stdout
    assert "an older or newer deployment of it answers: its version is 0.9.0 instead of 1.0.0" in done.stdout
    assert "npm run deploy:deno" in done.stderr


def test_hashes_are_short_unless_they_differ(tmp_path: Path) -> None:
    """Who compares by eye needs twelve digits; JSON has them all."""
    with server(notes, pages=PAGES) as (good, _), server(drifted, pages=PAGES) as (bad, _):
        fine = run(good, cwd=tmp_path)
        printed = json.loads(run(good, "--json", cwd=tmp_path).stdout)["targets"][0]
        differing = run("-t", "deno", project(tmp_path, deno=bad), cwd=tmp_path)
    digits = printed["tools_hash"].removeprefix("sha256:")
    assert f"tools {digits[:12]}, definitions " in fine.stdout
    assert "sha256:" not in fine.stdout
    assert differing.stdout.count("sha256:") == 2


def test_the_latency_is_called_by_one_name(tmp_path: Path) -> None:
    """The reason has what the row has."""
    with server(healthy) as (url, _):
        lines = run(url, cwd=tmp_path).stdout.splitlines()
    latency = lines[1].partition(", ")[2].split()
    assert latency[0] == "latency"
    assert lines[-1].split()[1:8] == [*latency, "the", "slowest", "of", "server/discover"]


def test_a_slow_server_may_pass(tmp_path: Path) -> None:
    """A deploy is not refused for a cold start; the state is what it is."""
    with server(notes, pages=PAGES) as (url, _):
        folder = project(tmp_path, deno=url)
        file = folder / "monitor/monitor.json"
        document = json.loads(file.read_text())
        document["targets"]["deno"]["timeout_ms"] = 0
        file.write_text(json.dumps(document))
        slow = [run("--monitor", file, "--json", *words, cwd=tmp_path) for words in ((), ("--allow-slow",))]
    # No answer takes less than the shortest threshold there is, but for those of a very fast machine.
    for done, code in zip(slow, (1, 0), strict=True):
        document = json.loads(done.stdout)
        [one] = document["targets"]
        if one["latency_ms"] > 1:
            assert (done.returncode, one["state"], one["exit_status"]) == (code, "degraded", code)
            assert document["ok"] == (code == 0)


def test_the_help_says_what_a_header_is_made_of(tmp_path: Path) -> None:
    """The variable holds more than a token."""
    text = " ".join(run("--help", cwd=tmp_path, COLUMNS="200").stdout.split())
    assert "the variable that holds the whole value, as `Bearer …`" in text
    assert "--allow-slow" in text


def test_a_mistaken_call(tmp_path: Path) -> None:
    """It is no state of the server."""
    with server(healthy) as (url, _):
        unknown, writing = (run(url, "--call", name, cwd=tmp_path) for name in ("c", "a.b"))
        printed = run(url, "--call", "c", "--json", cwd=tmp_path)
    assert [done.returncode for done in (unknown, writing, printed)] == [2, 2, 2]
    assert unknown.stderr == "error: `--call c`: the server lists no such tool\n  = help: it lists a.b\n"
    assert "`readOnlyHint: true`" in writing.stderr
    assert json.loads(printed.stdout)["error"].startswith("`--call c`")


def test_json_steers_no_terminal(tmp_path: Path) -> None:
    """What is not printable is escaped, and the value is the same."""
    evil = "\x9b2J\u202e\u2028\U000e0001é"

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
            handler.reply(message, {"tools": [TOOL, {**TOOL, "name": evil}], **modern})
        else:
            notes(handler, message)

    with server(answer, pages=PAGES) as (url, _):
        folder = project(tmp_path, deno=url)
        printed, lines = (run(folder, word, cwd=tmp_path).stdout for word in ("--json", "--jsonl"))
    for text in (printed, lines):
        assert all(char.isprintable() or char == "\n" for char in text)
    assert json.loads(printed)["targets"][0]["drift"]["added"] == [evil]
    assert json.loads(lines)["drift"]["added"] == [evil]


def test_json_lines(tmp_path: Path) -> None:
    """One object a line, as soon as it is known, each tagged."""
    with server(notes, pages=PAGES) as (first, _), server(drifted, pages=PAGES) as (second, _):
        folder = project(tmp_path, deno=first, bun=second)
        done = run(folder, "--jsonl", "--jobs", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["schema"], line["target"], line["state"]) for line in lines] == [
        ("mcp-scaffold/probe-target@1", "deno", "healthy"),
        ("mcp-scaffold/probe-target@1", "bun", "drifted"),
    ]


def test_metrics(tmp_path: Path) -> None:
    """What a textfile collector of Prometheus picks up."""
    with server(notes, pages=PAGES) as (url, _):
        folder = project(tmp_path, deno=url)
        done = run(folder, "--prometheus", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f'mcp_probe_success{{target="deno",url="{url}"}} 1\n' in done.stdout


def test_targets_that_cannot_be_probed(tmp_path: Path) -> None:
    """Those without a URL are named, on stderr for people and in the object for programs."""
    with server(notes, pages=PAGES) as (url, _):
        folder = project(tmp_path, deno=url)
        told, printed, asked = (
            run(folder, *words, cwd=tmp_path) for words in ((), ("--json",), ("--target", "deno"))
        )
    assert (told.returncode, printed.returncode, asked.returncode) == (0, 0, 0)
    assert told.stderr == (
        "\nNot probed, without a URL: bun\n"
        "  = help: set `target_options.bun.url` in mcp.yaml, and regenerate\n"
    )
    assert (json.loads(printed.stdout)["unprobed"], printed.stderr) == (["bun"], "")
    assert asked.stderr == ""


def guarded(handler: Handler, message: dict[str, Any]) -> None:
    """Answer who has the token, and challenge everybody else."""
    if handler.headers.get("authorization") == "Bearer a-long-secret":
        notes(handler, message)
    else:
        handler.extra = {"www-authenticate": "Bearer"}
        handler.send(401, "")


def test_a_wall_that_is_expected(tmp_path: Path) -> None:
    """With `--auth` a server that challenges everybody is as it should be, in every form of the report."""
    with server(guarded) as (url, _), server(notes) as (open_door, _):
        text, printed, metrics = (
            run(url, "--auth", *words, cwd=tmp_path) for words in ((), ("--json",), ("--prometheus",))
        )
        unexpected = run(url, cwd=tmp_path)
        wrong = run(open_door, "--auth", cwd=tmp_path)
        known = run(
            url, "--auth", "--header", "Authorization=TOKEN", cwd=tmp_path, TOKEN="Bearer a-long-secret"
        )
    assert [done.returncode for done in (text, printed, metrics, unexpected, wrong, known)] == [
        *(0, 0, 0, 1, 1, 0)
    ]
    assert "auth-walled: it asks for credentials, and the probe has none" in text.stdout
    assert "FAIL" not in text.stdout
    [one] = json.loads(printed.stdout)["targets"]
    assert (one["state"], one["expected"]["auth"], one["missing"]) == ("auth-walled", True, [])
    assert all(layer["ok"] for layer in one["layers"])
    assert f'mcp_probe_success{{target="{url[7:-4]}",url="{url}"}} 1\n' in metrics.stdout
    layers = [line for line in metrics.stdout.splitlines() if line.startswith("mcp_probe_layer_success")]
    assert {line.rpartition(" ")[2] for line in layers} == {"1"}
    assert "drifted: it lets in whoever asks, without any credentials\n" in wrong.stdout
    assert "healthy" in known.stdout


def test_a_token_that_was_forgotten(tmp_path: Path) -> None:
    """The manifest names its variable: without it CI does not pass, and is told what to set."""
    with server(guarded, pages=PAGES) as (url, _):
        folder = project(tmp_path, monitor={"bearer": "MONITOR_TOKEN"}, deno=url)
        right = run(folder, "-t", "deno", cwd=tmp_path, MONITOR_TOKEN="a-long-secret")
        wrong = run(folder, "-t", "deno", cwd=tmp_path, MONITOR_TOKEN="another-secret")
        forgotten = run(folder, "-t", "deno", "--json", cwd=tmp_path, MONITOR_TOKEN="")
    assert (right.returncode, wrong.returncode, forgotten.returncode) == (0, 1, 1)
    assert "auth-walled: it refuses the credentials of the probe, `authorization` from" in wrong.stdout
    [one] = json.loads(forgotten.stdout)["targets"]
    assert (one["state"], one["missing"]) == ("auth-walled", ["MONITOR_TOKEN"])
    assert one["reason"].endswith("and MONITOR_TOKEN is not set, which the probe takes `authorization` from")


def test_nothing_steers_the_terminal_of_whoever_looks(tmp_path: Path) -> None:
    """Tools may be named as anything, and say what looks like a verdict: it stays within its line."""
    evil = "\x1b]0;owned\x07\r\nhealthy: all is well\x9b2J\u202e"

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            tool = {"name": evil, "description": evil, "inputSchema": {"type": "object", evil: evil}}
            modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
            handler.reply(message, {"tools": [tool, {**TOOL, "description": evil}], **modern})
        else:
            notes(handler, message)

    with server(answer, pages={"/readyz": (503, evil)}) as (url, _):
        folder = project(tmp_path, deno=url)
        forms = [run(folder, *words, cwd=tmp_path).stdout for words in ((), ("--json",), ("--prometheus",))]
    for text in forms:
        assert not [char for char in text if ord(char) < 32 and char != "\n"]
        assert not [line for line in text.splitlines() if line.startswith("healthy")]
    assert not [char for char in forms[0] + forms[2] if char != "\n" and not char.isprintable()]


def test_very_much_drift(tmp_path: Path) -> None:
    """People are shown the beginning, and programs all of it."""

    def answer(handler: Handler, message: dict[str, Any]) -> None:
        if message["method"] == "tools/list":
            modern = {"resultType": "complete"} if "_meta" in message["params"] else {}
            tools = [{**TOOL, "name": f"t{number}"} for number in range(100)]
            handler.reply(message, {"tools": tools, **modern})
        else:
            notes(handler, message)

    with server(answer, pages=PAGES) as (url, _):
        folder = project(tmp_path, deno=url)
        text, printed = (run(folder, *words, cwd=tmp_path).stdout for words in ((), ("--json",)))
    assert text.count("\ndrift: ") == 21
    assert "drift: and 81 more, which `--json` has" in text
    assert len(json.loads(printed)["targets"][0]["drift"]["added"]) == 100


def test_credentials_come_from_the_environment(tmp_path: Path) -> None:
    """The argument names a variable; what the server got is nowhere in the output."""

    def guarded(handler: Handler, message: dict[str, Any]) -> None:
        if handler.headers.get("authorization") == "Bearer a-long-secret":
            healthy(handler, message)
        else:
            handler.send(401, str(handler.headers.get("authorization")))

    with server(guarded) as (url, _):
        given = run(url, "--header", "Authorization=TOKEN", cwd=tmp_path, TOKEN="Bearer a-long-secret")
        other = run(url, "--header", "Authorization=TOKEN", cwd=tmp_path, TOKEN="Bearer another-secret")
        none = run(url, cwd=tmp_path)
    assert (given.returncode, other.returncode, none.returncode) == (0, 1, 1)
    assert "auth-walled: it refuses the credentials of the probe" in other.stdout
    assert "auth-walled: it asks for credentials, and the probe has none" in none.stdout
    assert "FAIL  http" in none.stdout
    assert none.stderr == (
        "\n  = help: pass `--header Authorization=VARIABLE`, where VARIABLE holds `Bearer <token>`\n"
    )
    assert "another-secret" not in other.stdout + other.stderr


def test_a_server_that_does_not_answer_in_time(tmp_path: Path) -> None:
    """The time is the user's to set."""
    import time  # noqa: PLC0415 - for the server alone

    def hanging(handler: Handler, _: dict[str, Any]) -> None:
        time.sleep(1.5)
        handler.close_connection = True

    with server(hanging) as (url, _):
        done = run(url, "--timeout", "0.2", cwd=tmp_path)
    assert done.returncode == 1
    assert "down: it does not answer as MCP: server/discover: no answer in 0.2 s" in done.stdout


def test_an_interruption_does_not_wait_for_a_server(tmp_path: Path) -> None:
    """Who hangs is left behind, however long it would have been given."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        command = [sys.executable, "-m", "scaffolder", "probe", url, "--timeout", "500"]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            # One connection to see whether there is somebody, and one to speak.
            accepted = [silent.accept()[0] for _ in range(2)]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        for connection in accepted:
            connection.close()
    assert (process.returncode, said) == (130, "Interrupted.\n")


def test_an_interruption_tells_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One server hangs; the others have been looked at."""
    with socket.socket() as silent, server(notes, pages=PAGES) as (url, _):
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        folder = project(tmp_path, deno=url, bun=hanging)
        command = [sys.executable, "-m", "scaffolder", "probe", "--timeout", "500", str(folder)]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("deno")
            assert process.stdout.readline().startswith("healthy: ")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        known = choice(str(folder), (), None, Terms())
        one = probe(known.expectations[0])
    assert process.returncode == 130
    assert said == "\nNot known: bun\nInterrupted.\n"
    telling = Telling(known, Form.JSON)
    telling.interrupted()
    assert capsys.readouterr().out == ""
    telling.told(one)
    telling.interrupted()
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["interrupted"]) == (False, ["bun"])
    assert [one["target"] for one in document["targets"]] == ["deno"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give the folder of a project, or the URL of any MCP server"),
        (("http://x/", "--monitor", "monitor.json"), "and --monitor, exclude each other"),
        (("http://x/", "--target", "deno"), "a URL and `--target` exclude each other"),
        (("nonsense",), "nonsense: no such folder, and no URL: a URL begins with http:// or https://"),
        (("http://x/\x1b[2J",), 'the argument is no http or https URL: "http://x/\\u001b[2J"'),
        (("http://127.0.0.1:1/", "--timeout", "inf"), "should be less than or equal to 3600"),
        (("http://127.0.0.1:1/", "--timeout", "nan"), "Invalid value for '--timeout'"),
        (("http://127.0.0.1:1/", "--timeout", "1e300"), "should be less than or equal to 3600"),
        (("http://127.0.0.1:1/", "--jobs", "0"), "should be greater than or equal to 1"),
        ((".",), "so it is no project"),
        (("--target", "deno"), "so it is no project"),
        (("--monitor", "absent.json"), "absent.json: no such file or directory"),
        (("http://127.0.0.1:1/", "--header", "A=ABSENT"), "the environment has no ABSENT"),
        (("http://127.0.0.1:1/", "--call", "x={"), "the arguments of `x` are no JSON"),
        (("http://127.0.0.1:1/", "--jsonl", "--prometheus"), "--jsonl and --prometheus exclude each other"),
    ],
)
def test_what_cannot_work(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """Exit status 2, and nothing in the place of a result."""
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_what_cannot_work_as_json(tmp_path: Path) -> None:
    """A program gets an object even then."""
    done = run("nonsense", "--json", cwd=tmp_path)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert (document["schema"], document["ok"]) == ("mcp-scaffold/probe@1", False)


def test_a_manifest_that_is_not_valid(tmp_path: Path) -> None:
    """It is told as `check` does, and exits as that."""
    (tmp_path / "mcp.yaml").write_text("name: notes\ntargets: [denno]\ntools: []\n")
    done = run("--target", "deno", cwd=tmp_path)
    assert done.returncode == 1
    assert "did you mean `deno`?" in done.stderr
    assert done.stderr.endswith("Nothing was probed: what is expected stands in mcp.yaml.\n")
