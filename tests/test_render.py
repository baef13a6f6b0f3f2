"""Plain Copier and the program's own renderer give the same project, byte for byte."""

import itertools
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy
from copier.errors import CopierError
from hypothesis import HealthCheck, given, settings
from strategies import manifests

from scaffolder.bundle import bundle
from scaffolder.manifest import Loaded, load
from scaffolder.manifest.faults import validate
from scaffolder.render import Tree, render

ROOT = Path(__file__).parent.parent
VALID = sorted((Path(__file__).parent / "manifests/valid").glob("*.yaml"))


def wrong_as_data(path: Path) -> bool:
    """Tell whether a manifest is wrong in what it says; Copier does not see how it is written."""
    try:
        data = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return False
    return isinstance(data, dict) and validate(data)[0] is None


INVALID = [
    path
    for path in sorted((Path(__file__).parent / "manifests/invalid").glob("*.yaml"))
    if wrong_as_data(path)
]
PROVIDERS = list(yaml.safe_load((ROOT / "templates/_data/providers.yml").read_text())["providers"])


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what Copier reads out of the checkout: it would clone a git repository each time."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copy(bundle() / "copier.yml", folder)
    shutil.copytree(bundle() / "templates", folder / "templates")
    return folder


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_copier_renders_the_same_bytes(path: Path, template: Path, tmp_path: Path) -> None:
    """Each manifest of the collection gives one project, whichever way it is made."""
    loaded = load(path)
    assert isinstance(loaded, Loaded)
    assert copied(template, tmp_path / "project", loaded.raw) == render(loaded.raw)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(manifest=manifests())
def test_copier_renders_the_same_bytes_of_any_manifest(
    manifest: dict[str, Any], template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No text, name or number makes the two disagree."""
    destination = tmp_path_factory.mktemp("copy") / "project"
    assert copied(template, destination, manifest) == render(manifest)


@pytest.mark.slow
@pytest.mark.parametrize(
    "targets",
    [list(chosen) for n in range(1, 5) for chosen in itertools.combinations(PROVIDERS, n)],
    ids="+".join,
)
def test_every_combination_of_targets(targets: list[str], copie: Any, template: Path) -> None:
    """Copier makes the project of any set of targets from its answers alone."""
    result = copie.copy(extra_answers={"name": "notes", "targets": targets}, template_dir=template)
    assert result.exception is None
    assert files(result.project_dir) == render({"name": "notes", "targets": targets})


@pytest.mark.slow
def test_the_copier_command_works_on_the_repository(tmp_path: Path) -> None:
    """A user without this program makes a project from the repository and a manifest."""
    copier = [sys.executable, "-m", "copier", "copy", "--vcs-ref", "HEAD", "--defaults", "--quiet"]
    command = [*copier, "--data-file", str(VALID[0]), str(ROOT), str(tmp_path / "project")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = load(VALID[0])
    assert isinstance(loaded, Loaded)
    assert files(tmp_path / "project") == render(loaded.raw)


def test_copier_keeps_a_manifest_that_is_there(template: Path, tmp_path: Path) -> None:
    """The comments of an mcp.yaml in the destination survive."""
    text = "# mine\nname: notes\ntargets: [deno]\ntools: []\n"
    (tmp_path / "mcp.yaml").write_text(text)
    copied(template, tmp_path, yaml.safe_load(text))
    assert (tmp_path / "mcp.yaml").read_text() == text


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_copier_refuses_an_invalid_manifest(path: Path, template: Path, tmp_path: Path) -> None:
    """Plain Copier says what is wrong with a manifest, and writes nothing."""
    data = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    with pytest.raises(CopierError) as caught:
        copied(template, tmp_path / "project", data)
    assert "mcp.yaml is not valid" in str(caught.value)
    assert not (tmp_path / "project").exists()


def test_rendering_twice_gives_the_same() -> None:
    """Nothing of one rendering stays for the next."""
    manifest = {"name": "notes", "targets": ["deno"], "tools": []}
    first = render(manifest)
    render({})
    assert render(manifest) == first


def test_a_written_manifest_reads_back(tmp_path: Path) -> None:
    """The mcp.yaml of a project made from answers is valid, and makes the same project."""
    tree = render({})
    (tmp_path / "mcp.yaml").write_bytes(tree["mcp.yaml"])
    loaded = load(tmp_path / "mcp.yaml")
    assert isinstance(loaded, Loaded)
    assert render(loaded.raw) == tree


def copied(template: Path, destination: Path, manifest: Mapping[str, Any]) -> Tree:
    """Make a project with Copier, as a user without --trust does."""
    run_copy(str(template), destination, data=dict(manifest), defaults=True, quiet=True, unsafe=False)
    return files(destination)


def files(project: Path) -> Tree:
    """Read a project back."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file()
    }
