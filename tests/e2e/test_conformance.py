"""The official conformance suite on each real runtime: a scenario passes, or there is a reason against it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from e2e import conformance, servers
from e2e.contract import LEGACY, MODERN, Endpoint
from toolchain import Toolchain

from scaffolder.serving import serving

pytestmark = pytest.mark.slow


def declare(targets: list[str], **transport: str) -> dict[str, Any]:
    """Declare a server of the suite's tools."""
    tools = [dict(tool) for tool in conformance.TOOLS]
    return {"name": "conformance", "targets": targets, "tools": tools, "transport": transport}


@pytest.fixture(scope="module", params=["sessions", "stateless"])
def served(
    request: pytest.FixtureRequest, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Mapping[str, Endpoint]]]:
    """Serve all five runtimes at once, for the clients of 2025 in one way or the other."""
    legacy = request.param
    manifest = declare(["cloudflare", "deno", "vercel", "bun"], legacy=legacy)
    folder = tmp_path_factory.mktemp(legacy)
    with servers.using(toolchain):
        projects = servers.generate_pair(folder, manifest, toolchain, conformance.HANDLERS)
        with servers.serving_all(projects) as each:
            yield legacy, {name: Endpoint(name, one.url, one.headers) for name, one in each.items()}


@pytest.mark.parametrize("version", [LEGACY, MODERN])
@pytest.mark.parametrize("name", list(servers.TARGETS))
def test_the_suite_passes(
    name: str,
    version: str,
    served: tuple[str, Mapping[str, Endpoint]],
    toolchain: Toolchain,
    tmp_path: Path,
) -> None:
    """All that is said of tools and of sessions holds, and no scenario is left out without a reason."""
    legacy, endpoints = served
    results = conformance.run(toolchain, endpoints[name], version, tmp_path)
    passing = conformance.PASSING[version]
    foreign = {scenario for scenarios in conformance.FOREIGN.values() for scenario in scenarios}
    assert results.keys() - foreign == set(passing)
    if (legacy, version) == ("stateless", LEGACY):
        passing = [scenario for scenario in passing if scenario not in conformance.OF_SESSIONS]
    assert list(conformance.problems(results, passing)) == []


def test_the_suite_passes_with_event_streams(toolchain: Toolchain, tmp_path: Path) -> None:
    """A session is begun and ended in the same way where each answer is a stream."""
    manifest = declare(["bun"], legacy="sessions", response="sse")
    with servers.using(toolchain):
        project = servers.generate(tmp_path / "project", manifest, toolchain, conformance.HANDLERS)
        with serving(project, "bun") as one:
            endpoint = Endpoint("bun", one.url, one.headers)
            results = conformance.run(toolchain, endpoint, LEGACY, tmp_path / "results")
    assert list(conformance.problems(results, conformance.PASSING[LEGACY])) == []
