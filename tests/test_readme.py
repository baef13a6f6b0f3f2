"""What the README says is so: its commands run, its examples hold."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from toolchain import Toolchain

from scaffolder.manifest import Loaded, parse
from scaffolder.render import render
from scaffolder.writing import create

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [text.strip() for kind, text in BLOCKS if kind == "sh"]
MANIFEST = next(text for kind, text in BLOCKS if kind == "yaml")
HANDLER = next(text for kind, text in BLOCKS if kind == "ts")


def test_there_are_two_commands() -> None:
    """One does the main job, one runs the tests, and CI runs the second."""
    assert len(COMMANDS) == 2
    assert COMMANDS[1] in (ROOT / ".ci/run").read_text()


def test_the_manifest_is_valid() -> None:
    """The first thing to copy works."""
    assert isinstance(parse(MANIFEST), Loaded)


def test_the_diagnostic_is_what_check_prints(tmp_path: Path) -> None:
    """The message shown is a real one."""
    shown = next(text for kind, text in BLOCKS if kind == "text" and text.startswith("error["))
    (tmp_path / "mcp.yaml").write_text("name: notes\ntargets: [denno]\ntools: []\n")
    command = [sys.executable, "-m", "scaffolder", "check", "mcp.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(shown)
    assert done.returncode == 1


def test_the_table_of_the_manifest_is_complete() -> None:
    """Every top-level key stands in it, and every key of a tool."""
    text = (ROOT / "README.md").read_text()
    schema = yaml.safe_load((ROOT / "templates/_data/manifest.schema.json").read_text())
    tool = schema["$defs"]["Tool"]["properties"]
    supported = {key for key, rule in tool.items() if "x-unsupported" not in rule}
    for key in {*schema["properties"], *supported}:
        assert f"`{key}`" in text, key


@pytest.mark.slow
def test_the_handler_compiles(tmp_path: Path, toolchain: Toolchain) -> None:
    """The function shown satisfies the contract of the manifest shown."""
    project = tmp_path / "project"
    create(project, render(yaml.safe_load(MANIFEST)))
    (project / "src/tools/lookup_user.ts").write_text(HANDLER)
    (project / "node_modules").symlink_to(toolchain.node_modules)
    command = [str(toolchain.bin("tsc")), "-p", str(project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=toolchain.env)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_main_command_works_on_a_fresh_machine(tmp_path: Path, toolchain: Toolchain) -> None:
    """A clone, the first command, and four targets have answered on their real runtimes."""
    clone = tmp_path / "clone"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    # Neither the tests' runtimes nor anything of this machine's user; the registries' settings stay.
    environment = {
        **{
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("VIRTUAL", "PYTHON", "MCP_"))
        },
        **{
            key: value
            for key, value in toolchain.env.items()
            if key not in ("PATH", "MCP_SCAFFOLD_TOOLCHAIN")
        },
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        ["bash", "-c", COMMANDS[0]], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    passed = {row[0] for row in rows if row and row[-1] == "passed"}
    assert passed == {"cloudflare", "deno", "vercel", "bun"}, done.stdout
