"""The golden projects: what is generated, for a person to review, and what the vendors say of it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import json5
import jsonschema
import pytest
import yaml
from formatting import complaints
from toolchain import Toolchain

from scaffolder.manifest import Loaded, load
from scaffolder.render import Tree, render
from scaffolder.writing import write

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
NAMES = ["notes", "clock", "drafts"]
PROFILES = yaml.safe_load((HERE.parent / "templates/_data/providers.yml").read_text())["providers"]


def rendered(name: str) -> Tree:
    """Make a golden project anew; the schema is checked elsewhere and would only repeat itself."""
    loaded = load(HERE / f"manifests/valid/{name}.yaml")
    assert isinstance(loaded, Loaded)
    return render(loaded.raw, skip=frozenset({".mcp-scaffold/manifest.schema.json"}))


@pytest.fixture(scope="module")
def installed(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Copy the golden projects and give them their packages."""
    made = {}
    for name in NAMES:
        made[name] = tmp_path_factory.mktemp("golden") / name
        shutil.copytree(GOLDEN / name, made[name])
        shutil.copytree(
            toolchain.node_modules, made[name] / "node_modules", symlinks=True, copy_function=os.link
        )
    yield made
    for folder in made.values():
        shutil.rmtree(folder / "node_modules")


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_project_is_current(name: str, *, update_golden: bool) -> None:
    """What is generated today is what was reviewed; `--update-golden` shows a change as a diff."""
    tree = rendered(name)
    if update_golden:
        shutil.rmtree(GOLDEN / name, ignore_errors=True)
        (GOLDEN / name).mkdir(parents=True)
        write(GOLDEN / name, tree)
    found = {
        path.relative_to(GOLDEN / name).as_posix(): path.read_bytes()
        for path in (GOLDEN / name).rglob("*")
        if path.is_file()
    }
    assert found == tree


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target"),
    [("notes", target) for target in PROFILES]
    + [("clock", "cloudflare"), ("clock", "vercel")]
    + [("drafts", target) for target in PROFILES],
)
def test_the_vendors_own_tools_have_nothing_to_say(
    name: str, target: str, installed: dict[str, Path], toolchain: Toolchain, tmp_path: Path
) -> None:
    """Types, dry deploys and builds end well, without a warning about the project."""
    steps = PROFILES[target]["verify"]
    folder = installed[name]
    for path, content in steps["files"].items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)
    path = f"{toolchain.bin('tsc').parent}{os.pathsep}{toolchain.env['PATH']}"
    environment = {**toolchain.env, "PATH": path}
    environment |= {
        key: value.replace("{scratch}", str(tmp_path)) for key, value in steps["environment"].items()
    }
    for command in [["tsc"], *steps["check"], *steps["build"]]:
        words: list[str] = [word.replace("{scratch}", str(tmp_path)) for word in command]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        printed = (done.stdout + done.stderr).replace("WARNING! Build not running on Vercel", "")
        assert done.returncode == 0, printed
        assert not re.search(r"warn", printed, re.IGNORECASE), printed


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_formatter_finds_no_diff(name: str, toolchain: Toolchain) -> None:
    """A user's formatter changes nothing in a new project."""
    assert complaints(GOLDEN / name, toolchain) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_wrangler_knows_every_key(name: str, toolchain: Toolchain) -> None:
    """The configuration of Workers holds to wrangler's own schema, which its warnings do not enforce."""
    schema = json.loads((toolchain.node_modules / "wrangler/config-schema.json").read_text())
    config = json5.loads((GOLDEN / name / "wrangler.jsonc").read_text())
    jsonschema.validate(config, {**schema, "$ref": "#/definitions/RawConfig"})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**config, "varz": {}}, {**schema, "$ref": "#/definitions/RawConfig"})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_vercel_knows_every_key(name: str, installed: dict[str, Path], toolchain: Toolchain) -> None:
    """The configuration of Vercel is one by the types of Vercel's own package."""
    text = (GOLDEN / name / "vercel.json").read_text()
    file = installed[name] / "vercel.check.ts"
    file.write_text(
        'import type { VercelConfig } from "@vercel/config/v1/types";\n'
        f"export const config = {text.strip()} satisfies VercelConfig & {{ $schema?: string }};\n"
    )
    command = [
        str(toolchain.bin("tsc")),
        "--noEmit",
        "--skipLibCheck",
        "--ignoreConfig",
        "--module",
        "esnext",
    ]
    done = subprocess.run(
        [*command, "--moduleResolution", "bundler", "--strict", str(file)],
        cwd=installed[name],
        env=toolchain.env,
        capture_output=True,
        text=True,
        check=False,
    )
    file.unlink()
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_vercel_publishes_nothing_but_public(
    installed: dict[str, Path], toolchain: Toolchain, tmp_path: Path
) -> None:
    """Neither sources nor configuration can be downloaded, and the function is what was asked for."""
    folder = installed["notes"]
    (folder / ".vercel").mkdir(exist_ok=True)
    (folder / ".vercel/project.json").write_text('{"settings":{}}')
    environment = {**toolchain.env, "VERCEL_INSTALL_COMPLETED": "1", "HOME": str(tmp_path)}
    command = [str(toolchain.bin("vercel")), "build", "--output", str(tmp_path / "output")]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    static = {path.name for path in (tmp_path / "output/static").rglob("*")}
    assert static == {path.name for path in (folder / "public").iterdir()}
    config = json.loads((tmp_path / "output/functions/api/mcp.func/.vc-config.json").read_text())
    assert config["runtime"] == "nodejs24.x"
    assert config["supportsCancellation"] is True
    assert (
        config["maxDuration"]
        == json.loads((folder / "vercel.json").read_text())["functions"]["api/mcp.ts"]["maxDuration"]
    )
