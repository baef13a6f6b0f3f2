"""Versions are pinned once, and say what is true."""

import json
import subprocess
from pathlib import Path

import pytest
from toolchain import MONITORS, PACKAGE_JSON, Toolchain

from scaffolder.providers import profiles, versions


def test_the_tests_run_what_is_generated() -> None:
    """A version that the tests pin is the one that projects get, and that `verify` installs."""
    tested = json.loads(PACKAGE_JSON.read_text())
    for pins in (versions()["packages"], versions()["toolchain"]["packages"]):
        assert {name: tested["dependencies"].get(name) for name in pins} == pins
    assert tested["overrides"] == versions()["toolchain"]["overrides"]
    judges = json.loads(MONITORS.read_text())["dependencies"]
    assert {name: judges.get(name) for name in versions()["monitors"]} == versions()["monitors"]


def test_every_package_of_a_provider_is_pinned() -> None:
    """No profile names a package that has no version."""
    for profile in profiles().values():
        named = [*profile.packages.dependencies, *profile.packages.dev_dependencies]
        assert set(named) <= set(versions()["packages"])
        assert set(profile.verify.tools) <= set(versions()["toolchain"]["packages"])


@pytest.mark.slow
def test_the_sdk_serves_the_revisions_that_are_named(tmp_path: Path, toolchain: Toolchain) -> None:
    """The revisions that monitors expect are those of the pinned SDK."""
    script = (
        'import { SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/server";'
        "console.log(JSON.stringify(SUPPORTED_PROTOCOL_VERSIONS));"
    )
    (tmp_path / "node_modules").symlink_to(toolchain.node_modules)
    (tmp_path / "versions.mjs").write_text(script)
    command = [str(toolchain.node), "versions.mjs"]
    done = subprocess.run(
        command, cwd=tmp_path, env=toolchain.env, capture_output=True, text=True, check=True
    )
    named = versions()["protocol_versions"]
    assert set(named["legacy"]) <= set(json.loads(done.stdout))
