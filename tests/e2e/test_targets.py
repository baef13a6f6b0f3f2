"""Each target answers real clients on its real runtime, with its real store."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e import contract, servers
from e2e.clients.run import MATRIX, run
from toolchain import Toolchain

from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.probe import probe
from scaffolder.render import render
from scaffolder.serving import serving

pytestmark = pytest.mark.slow

TARGETS = list(servers.TARGETS)


@pytest.fixture(scope="module")
def projects(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Make the projects of all five runtimes."""
    manifest = servers.notes(["cloudflare", "deno", "vercel", "bun"])
    with servers.using(toolchain):
        yield servers.generate_pair(tmp_path_factory.mktemp("projects"), manifest, toolchain)


@pytest.fixture(scope="module")
def endpoints(projects: dict[str, Path]) -> Iterator[dict[str, contract.Endpoint]]:
    """Serve all five at once."""
    with servers.serving_all(projects) as served:
        yield {name: contract.Endpoint(name, each.url, each.headers) for name, each in served.items()}


@pytest.mark.parametrize(("client", "mode"), MATRIX, ids=lambda part: part)
def test_a_client_gets_what_the_manifest_declares(
    client: str, mode: str, endpoints: dict[str, contract.Endpoint], toolchain: Toolchain
) -> None:
    """It lists the tools, calls them, keeps a draft across requests and two sessions apart."""
    for report in run(toolchain, client, mode, list(endpoints.values())):
        contract.assert_contract(report, servers.TOOLS)


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (check, name)
        for check in contract.HTTP_CHECKS
        for name in TARGETS
        # Vercel's launcher refuses a chunked body by itself, ahead of the function.
        if (check, name) != (contract.assert_large_stream_refused, "vercel-node")
    ],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_http(
    check: Callable[[contract.Endpoint], None], name: str, endpoints: dict[str, contract.Endpoint]
) -> None:
    """Guards, health and errors are the same on every runtime."""
    check(endpoints[name])


@pytest.mark.parametrize("name", TARGETS)
def test_the_hashes_of_the_manifest_are_those_of_the_server(
    name: str, endpoints: dict[str, contract.Endpoint]
) -> None:
    """monitor.json expects what `tools/list` gives, in both eras, on every runtime."""
    expected = json.loads(render(servers.notes(["bun"]))["monitor/monitor.json"])
    report = probe(endpoints[name].url, endpoints[name].headers)
    for era in (report.legacy, report.modern):
        assert tools_hash(era.tools) == expected["tools_hash"]
        assert definitions_hash(era.tools) == expected["definitions_hash"]


@pytest.mark.parametrize("name", ["deno", "bun", "workerd"])
def test_readyz_names_a_missing_secret(name: str, projects: dict[str, Path]) -> None:
    """A server without its secret is alive and not ready, and says why."""
    target, _ = servers.TARGETS[name]
    with serving(projects["node"], target, environment={"USERS_API_TOKEN": ""}) as served:
        endpoint = contract.Endpoint(name, served.url, served.headers)
        contract.assert_healthy(endpoint)
        contract.assert_ready(endpoint, missing=["USERS_API_TOKEN"])


def test_bun_takes_secrets_from_systemd(projects: dict[str, Path], tmp_path: Path) -> None:
    """A file that LoadCredential hands over is the secret, whatever the environment holds."""
    (tmp_path / "USERS_API_TOKEN").write_text("a token\n")
    environment = {"USERS_API_TOKEN": "", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    with serving(projects["node"], "bun", environment=environment) as served:
        contract.assert_ready(contract.Endpoint("bun", served.url, served.headers))
