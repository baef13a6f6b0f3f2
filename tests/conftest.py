"""Fixtures and options that every test shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from toolchain import Toolchain, prepare

if TYPE_CHECKING:
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites tests/golden."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        default=False,
        help="rewrite tests/golden with what is generated now, instead of comparing with it",
    )


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to rewrite the golden projects."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """Return the real runtimes; one that is missing fails the test, for a skip would prove nothing.

    The first run installs them, in about a minute, into the user's cache. With MCP_SCAFFOLD_TOOLCHAIN=FOLDER
    in the environment, a folder whose node_modules holds the same versions is used as it is.
    """
    scratch: Path = tmp_path_factory.mktemp("toolchain")
    return prepare(scratch)
