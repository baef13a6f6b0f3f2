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

from scaffolder.probe import LEGACY, MODERN

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
    change = '$.inputSchema.required is new: ["x"]'
    assert (
        "drifted: the contract of its tools has changed: the tool `a.b` has changed: " + change in done.stdout
    )
    assert f"drift: the tool `a.b` has changed: {change}" in done.stdout
    assert "    FAIL  hashes" in done.stdout
    table = done.stdout.splitlines()[-3:]
    assert [line.split()[:2] for line in table] == [
        ["target", "state"],
        ["deno", "healthy"],
        ["bun", "drifted"],
    ]
    assert "mcp-scaffold regenerate" in done.stderr
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give a URL or a project's folder, or --target, or --monitor"),
        (("http://x/", "--monitor", "monitor.json"), "give a URL or a project's folder"),
        (("nonsense",), "the argument is no http or https URL: nonsense"),
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
