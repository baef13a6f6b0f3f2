"""The rules that hold the program together, checked on its source."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scaffolder"
MODULES = sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    """Name a module from the package on."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


# Down the data flow: a module may import from those above it, never from below.
ORDER = [
    ["__init__"],
    ["bundle", "cache", "diagnostics"],
    ["providers", "manifest.fields", "render"],
    ["manifest.names"],
    ["manifest.model"],
    ["manifest.faults", "manifest.schema"],
    ["manifest.positions"],
    ["manifest.wording"],
    ["manifest.findings", "manifest.syntax"],
    ["manifest.explain"],
    ["manifest"],
    ["rules.remarks", "rules.ignores", "rules.subschemas", "rules.networks"],
    ["rules.runtime", "rules.client", "rules.secret", "rules.setting", "rules.rename", "rules.address"],
    ["rules.schema", "rules.handle"],
    ["rules", "rules.page_texts"],
    ["rules.pages"],
    ["merging.three_way", "merging.hunks", "merging.lines", "merging.jsonc"],
    ["merging.diff3", "merging.layout", "amend.parts"],
    ["merging.keywise", "amend.brackets"],
    ["amend.splice"],
    ["amend.roundtrip"],
    ["amend", "merging"],
    ["disk", "durable", "fresh", "writing", "renames"],
    ["baseline"],
    ["plan"],
    ["draft", "journal"],
    ["handlers"],
    ["merge"],
    ["regenerate"],
    ["watch"],
    ["hashing", "processes", "connecting", "quoting"],
    ["exchanges", "httpclient"],
    ["bodies"],
    ["project", "jsonrpc", "toolchain"],
    ["probe", "redis_rest", "workbench"],
    ["serving"],
    ["inspection"],
    ["verify"],
    ["monitoring", "monitoring.layers", "monitoring.drift", "monitoring.expectation"],
    ["monitoring.declared"],
    ["monitoring.terms"],
    ["monitoring.redaction", "monitoring.walls"],
    ["monitoring.examination"],
    ["monitoring.verdict"],
    ["monitoring.probing"],
    ["monitoring.prometheus", "monitoring.advice"],
    ["monitoring.alarms", "monitoring.calibration", "monitoring.histogram"],
    ["monitoring.hands", "monitoring.stopping", "monitoring.state"],
    ["monitoring.ledger", "monitoring.webhook", "monitoring.sampling", "monitoring.observing"],
    ["monitoring.watchkeeping", "monitoring.series"],
    ["monitoring.duty"],
    ["console", "reports.telling", "reports.terminal", "reports"],
    ["reports.manifest"],
    ["reports.project", "reports.verify", "reports.probe", "reports.monitor", "reports.calibrate"],
    ["options"],
    ["editing", "watching"],
    ["cli"],
    ["__main__"],
]


def test_every_module_has_a_place_in_the_order() -> None:
    """A new module is put into the data flow on purpose."""
    placed = {module for layer in ORDER for module in layer}
    assert {name(path) for path in MODULES} == placed


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_run_one_way(path: Path) -> None:
    """No module imports one that comes after it in the data flow."""
    rank = {module: index for index, layer in enumerate(ORDER) for module in layer}
    later = {module for module in imported(path) if rank[module] > rank[name(path)]}
    assert not later


@pytest.mark.parametrize("path", MODULES, ids=name)
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
    modules = {name(other) for other in MODULES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("scaffolder"):
            package = node.module.removeprefix("scaffolder").removeprefix(".")
            inside = {f"{package}.{alias.name}".removeprefix(".") for alias in node.names} & modules
            # A function of a package may have the name of one of its modules.
            others = {
                alias.name
                for alias in node.names
                if f"{package}.{alias.name}".removeprefix(".") not in modules
            }
            found |= inside | ({package} if others and package else set())
        assert not isinstance(node, ast.Import) or not any(
            alias.name.startswith("scaffolder") for alias in node.names
        )
    return found
