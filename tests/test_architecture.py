"""The rules that hold the program together, checked on its source."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scaffolder"
MODULES = sorted(PACKAGE.glob("*.py"))

# Down the data flow: a module may import from those above it, never from below.
ORDER = [
    ["bundle", "cache", "diagnostics"],
    ["providers", "fields", "render"],
    ["names"],
    ["model"],
    ["faults", "schema"],
    ["positions"],
    ["wording"],
    ["findings", "syntax"],
    ["explain"],
    ["manifest"],
    ["remarks", "ignores"],
    ["runtime_rules", "client_rules", "schema_rules", "secret_rules", "setting_rules"],
    ["rules", "page_texts"],
    ["pages"],
    ["three_way", "hunks", "lines", "jsonc"],
    ["diff3", "layout", "parts"],
    ["keywise", "splice"],
    ["roundtrip"],
    ["amend"],
    ["baseline", "renames", "disk", "fresh", "writing"],
    ["plan"],
    ["merge", "journal", "telling"],
    ["regenerate"],
    ["watch"],
    ["hashing", "processes"],
    ["project", "jsonrpc", "toolchain"],
    ["probe", "redis_rest", "workbench"],
    ["serving"],
    ["inspection"],
    ["verify"],
    ["console"],
    ["manifest_report"],
    ["project_report", "verify_report"],
    ["cli"],
    ["__main__"],
]


def test_every_module_has_a_place_in_the_order() -> None:
    """A new module is put into the data flow on purpose."""
    placed = {name for layer in ORDER for name in layer}
    assert {path.stem for path in MODULES} - {"__init__"} <= placed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_run_one_way(path: Path) -> None:
    """No module imports one that comes after it in the data flow."""
    rank = {name: index for index, layer in enumerate(ORDER) for name in layer}
    mine = rank.get(path.stem, -1)
    later = {name for name in imported(path) if rank[name] > mine}
    assert not later


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_provider_is_named_in_the_program(path: Path) -> None:
    """What belongs to one provider stands in its folder and in providers.yml."""
    providers = yaml.safe_load((ROOT / "templates/_data/providers.yml").read_text())["providers"]
    words = {*providers, "wrangler", "workerd", "upstash"}
    assert not words & set(re.findall(r"[a-z]+", path.read_text().lower()))


def test_every_provider_has_one_folder() -> None:
    """A provider's files land in the project's root if it is a target, and nowhere if not."""
    providers = yaml.safe_load((ROOT / "templates/_data/providers.yml").read_text())["providers"]
    folders = {path.name for path in (ROOT / "templates/project").iterdir() if "root." in path.name}
    assert folders == {"{{ root." + name + " }}" for name in providers}


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a module imports anywhere in its source."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("scaffolder"):
            module = node.module.removeprefix("scaffolder").removeprefix(".")
            found |= {module} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("scaffolder.")
                for alias in node.names
                if alias.name.startswith("scaffolder.")
            }
    return found
