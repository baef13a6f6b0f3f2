"""No text of a manifest breaks a generated file, or changes on its way into one."""

import json
import re
import string
import subprocess
from pathlib import Path
from typing import Any

import json5
import pytest
import yaml
from formatting import complaints
from monitor_rules import Answer, gatus, holds, openstatus, passes
from strategies import OUTPUTS, TRAPS
from toolchain import Toolchain

from scaffolder.manifest.faults import validate
from scaffolder.render import Tree, render
from scaffolder.writing import write

URL = "https://notes.example.com/mcp"

# Every ASCII character by itself, in the middle and at both ends; the traps, alone and in pairs.
SPECIAL = [chr(code) for code in range(128)] + list(
    "\x80\x85\x9f\xa0\xad\u061c\u200b\u200e\u2028\u2029\u202e\u2066\ufeff\ufffd\uffff😀\U0010ffff"
)
HOSTILE = list(
    dict.fromkeys(
        [
            *TRAPS,
            *SPECIAL,
            *(f"a{char}b" for char in SPECIAL if char not in string.ascii_letters),
            *(f"{first}{second}" for first in TRAPS[:14] for second in TRAPS[-8:]),
        ]
    )
)


def manifest(text: str) -> dict[str, Any]:
    """Put one text into every field that takes a free one."""
    # A name that every JavaScript object has is refused at the root, and stays below it.
    root: dict[str, Any] = {text: {"type": "string", "title": text, "default": text, "examples": [text]}}
    if text in ("__proto__", "constructor"):
        root = {}
    schema = {
        "type": "object",
        "description": text,
        "properties": {
            **root,
            "choice": {"enum": [text, "other"], "const": text},
            "session": {"type": "object", "properties": {text: {"pattern": text}}},
        },
        "required": list(root),
    }
    annotations = {"title": text, "readOnlyHint": True}
    tool = {"title": text, "description": text, "inputSchema": schema, "annotations": annotations}
    return {
        "name": "notes",
        "title": text,
        "description": text,
        "instructions": text,
        "targets": ["cloudflare", "deno", "vercel", "bun"],
        "target_options": {"bun": {"url": URL}, "vercel": {"url": URL}},
        "monitor": {"outputs": OUTPUTS, "bearer": "MONITOR_TOKEN"},
        "registry": {"name": "com.example/notes"},
        "secrets": {"SECRET": text},
        "vars": {"VARIABLE": text},
        "tools": [
            {"name": "plain", **tool},
            {"name": "stateful", **tool, "state": "session", "outputSchema": schema},
        ],
    }


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Path, Tree]]:
    """Make a project for each text."""
    root = tmp_path_factory.mktemp("hostile")
    made = {}
    for index, text in enumerate(HOSTILE):
        assert validate(manifest(text))[0], text
        tree = render(manifest(text))
        (root / str(index)).mkdir()
        write(root / str(index), tree)
        made[str(index)] = (text, root / str(index), tree)
    return made


def test_there_are_enough_hostile_strings() -> None:
    """The promise is at least 300."""
    assert len(HOSTILE) >= 300


@pytest.mark.slow
def test_typescript_holds_the_text(projects: dict[str, tuple[str, Path, Tree]], toolchain: Toolchain) -> None:
    """Node reads every module, and finds the manifest's text in what it exports."""
    root = next(iter(projects.values()))[1].parent
    script = Path(__file__).parent / "read_projects.mjs"
    command = [str(toolchain.node), str(script), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=toolchain.env)
    assert done.returncode == 0, done.stderr
    for index, found in json.loads(done.stdout).items():
        text = projects[index][0]
        expected = manifest(text)
        for tool, read in zip(expected["tools"], found["tools"], strict=True):
            definition = {key: value for key, value in tool.items() if key != "state"}
            assert read["definition"] == definition
        assert found["server"]["info"]["title"] == (text or "notes")
        assert found["server"].get("instructions", "") == text
        assert found["env"] == {"SECRET": "set", "VARIABLE": text}
        assert found["handlers"] == ["function", "function"]


def test_configuration_holds_the_text(projects: dict[str, tuple[str, Path, Tree]]) -> None:
    """Each vendor's file parses, and the variables in it are the manifest's."""
    for text, _, tree in projects.values():
        wrangler = json5.loads(tree["wrangler.jsonc"].decode())
        assert wrangler["vars"] == {"VARIABLE": text}
        assert wrangler["secrets"] == {"required": ["SECRET"]}
        for path in ("package.json", "vercel.json", "monitor/monitor.json", "server.json"):
            assert json.loads(tree[path])


def test_monitors_look_for_the_text(projects: dict[str, tuple[str, Path, Tree]]) -> None:
    """Each is content with the tools as they are sent, and not when a letter of one is another."""
    environment = {"MONITOR_TOKEN": "token"}
    for text, _, tree in projects.values():
        tools = json.loads(tree["monitor/tools.json"])["tools"]
        good, bad = answer(tools), answer([{**tools[0], "description": text + "."}, *tools[1:]])
        watched = gatus(tree["monitor/gatus.yaml"].decode(), environment)[0]
        assert all(holds(condition, good) for condition in watched["conditions"]), text
        assert not all(holds(condition, bad) for condition in watched["conditions"]), text
        assert watched["headers"]["authorization"] == "Bearer token"
        monitor = openstatus(tree["monitor/openstatus.yaml"].decode())["notes-vercel-tools"]
        assert (passes(monitor, good), passes(monitor, bad)) == (True, False), text
        modules = yaml.safe_load(tree["monitor/prometheus/blackbox.yml"])["modules"]
        patterns = modules["notes-vercel-tools"]["http"]["fail_if_body_not_matches_regexp"]
        assert all(re.search(pattern, good.body) for pattern in patterns), text
        assert not all(re.search(pattern, bad.body) for pattern in patterns), text


def answer(tools: list[dict[str, Any]]) -> Answer:
    """Answer tools/list as a generated server does: the order of keys is theirs, since none is a number."""
    meta = {"io.modelcontextprotocol/serverInfo": {"name": "notes", "version": "0.1.0", "title": "Notes"}}
    result = {"result": {"tools": tools, "resultType": "complete", "_meta": meta}, "jsonrpc": "2.0", "id": 2}
    return Answer(body=json.dumps(result, separators=(",", ":"), ensure_ascii=False))


def test_workflows_hold_no_text(projects: dict[str, tuple[str, Path, Tree]]) -> None:
    """GitHub expands expressions wherever they stand, so nothing of the manifest's is there to be one."""
    paths = [".github/workflows/deploy.yml", ".github/workflows/probe.yml", "monitor/prometheus/alerts.yml"]
    for path in paths:
        assert len({tree[path] for _, _, tree in projects.values()}) == 1


def test_snapshot_and_manifest_hold_the_text(projects: dict[str, tuple[str, Path, Tree]]) -> None:
    """The snapshot in JSON Lines and the manifest in YAML say what the manifest said."""
    for text, _, tree in projects.values():
        expected = manifest(text)
        lines = [json.loads(line) for line in tree[".mcp-scaffold/manifest.jsonl"].splitlines()]
        snapshot = {key: value for line in lines for key, value in line.items()}
        snapshot["tools"] = [line["tool"] for line in lines if "tool" in line]
        assert {key: snapshot[key] for key in expected} == expected
        written = yaml.safe_load(tree["mcp.yaml"])
        assert {"description": "", "instructions": "", **written} == {"version": "0.1.0", **expected}


@pytest.mark.slow
def test_shells_read_the_examples(projects: dict[str, tuple[str, Path, Tree]]) -> None:
    """Sourcing an example file sets empty variables and runs nothing."""
    files = [
        str(folder / name)
        for _, folder, _ in projects.values()
        for name in (".env.example", ".dev.vars.example")
    ]
    script = 'for file; do env -i bash -c \'set -eu; . "$1"; [ -z "$SECRET" ]\' - "$file" || exit 1; done'
    done = subprocess.run(["bash", "-c", script, "-", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_formatter_finds_nothing_to_do(
    projects: dict[str, tuple[str, Path, Tree]], toolchain: Toolchain
) -> None:
    """Biome parses every source and configuration file and would change none."""
    assert complaints(next(iter(projects.values()))[1].parent, toolchain) == ""
