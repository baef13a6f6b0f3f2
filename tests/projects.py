"""Projects on the disk for the tests of regeneration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scaffolder.manifest import Invalid
from scaffolder.project import Made, generate
from scaffolder.regenerate import Regenerated, regenerate

NOTES = Path(__file__).parent / "golden/notes/mcp.yaml"


def write_manifest(project: Path, manifest: Mapping[str, Any]) -> None:
    """Write `mcp.yaml`."""
    (project / "mcp.yaml").write_text(yaml.safe_dump(dict(manifest), sort_keys=False, allow_unicode=True))


def make(project: Path, manifest: Mapping[str, Any]) -> Path:
    """Make a project, as `new --manifest` does."""
    project.mkdir(parents=True, exist_ok=True)
    write_manifest(project, manifest)
    assert isinstance(generate(project, project / "mcp.yaml"), Made)
    return project


def notes() -> dict[str, Any]:
    """Return the manifest of the golden project."""
    manifest: dict[str, Any] = yaml.safe_load(NOTES.read_bytes())
    return manifest


def change(project: Path, manifest: Mapping[str, Any]) -> Regenerated:
    """Write another manifest, and regenerate."""
    write_manifest(project, manifest)
    return again(project)


def again(project: Path, **options: Any) -> Regenerated:
    """Regenerate a project whose manifest is valid."""
    done = regenerate(project, **options)
    assert not isinstance(done, Invalid)
    return done


def files(project: Path) -> dict[str, bytes]:
    """Read every file of a project."""
    found = [path for path in project.rglob("*") if path.is_file()]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in found}


def verbs(done: Regenerated) -> dict[str, str]:
    """Tell what happened to each file."""
    return {change.path: str(change.verb) for change in done.changes}
