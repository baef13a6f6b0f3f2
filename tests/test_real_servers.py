"""Tool definitions of real servers generate, compile and stay what they were."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from formatting import complaints
from toolchain import Toolchain

from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.manifest import Loaded, load
from scaffolder.render import render
from scaffolder.writing import create

SERVERS = sorted((Path(__file__).parent / "real_servers").glob("*.json"))

# What a manifest's tool takes of an entry; the rest is the vendor's own (`_meta`, `execution`, `id`).
KEYS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
HINTS = ("title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


def tools(path: Path) -> list[dict[str, Any]]:
    """Read the definitions that a server listed."""
    listed = json.loads(path.read_text())["tools"]
    made = [{key: tool[key] for key in KEYS if key in tool} for tool in listed]
    for tool in made:
        if "annotations" in tool:
            tool["annotations"] = {
                key: tool["annotations"][key] for key in HINTS if key in tool["annotations"]
            }
    return made


def manifest(path: Path) -> dict[str, Any]:
    """Declare a server with the tools of a real one."""
    return {"name": path.stem.replace("_", "-"), "targets": ["deno"], "tools": tools(path)}


@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.stem)
def test_a_real_server_makes_a_valid_manifest(path: Path, tmp_path: Path) -> None:
    """JSON is YAML: what `tools/list` gives can be pasted."""
    (tmp_path / "mcp.yaml").write_text(json.dumps(manifest(path), ensure_ascii=False))
    assert isinstance(load(tmp_path / "mcp.yaml"), Loaded)


@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.stem)
def test_the_templates_and_the_program_agree_on_the_hashes(path: Path) -> None:
    """Canonical JSON in Jinja is the canonical JSON of a library."""
    monitor = json.loads(render(manifest(path))["monitor/monitor.json"])
    assert monitor["tools_hash"] == tools_hash(tools(path))
    assert monitor["definitions_hash"] == definitions_hash(tools(path))


@pytest.mark.slow
@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.stem)
def test_a_real_server_compiles(path: Path, tmp_path: Path, toolchain: Toolchain) -> None:
    """Its types hold, every new handler satisfies its contract, and Node reads back each definition."""
    project = tmp_path / "projects" / path.stem
    create(project, render(manifest(path)))
    (tmp_path / "node_modules").symlink_to(toolchain.node_modules)
    done = subprocess.run(
        [str(toolchain.bin("tsc")), "-p", str(project)],
        capture_output=True,
        text=True,
        check=False,
        env=toolchain.env,
    )
    assert done.returncode == 0, done.stdout
    script = Path(__file__).parent / "read_projects.mjs"
    read = subprocess.run(
        [str(toolchain.node), str(script), str(project.parent)],
        capture_output=True,
        text=True,
        check=False,
        env=toolchain.env,
    )
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout)[path.stem]["tools"]
    assert [tool["definition"] for tool in found] == tools(path)
    assert complaints(project, toolchain) == ""
