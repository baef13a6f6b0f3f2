"""Each monitor that is chosen gets a configuration, which holds no secret and begins no session."""

import base64
import json
import re
import shlex
import subprocess
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import yaml
from macros import call
from monitor_rules import Answer, gatus, holds, openstatus, passes, registry
from strategies import OUTPUTS

from scaffolder.bundle import bundle
from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.manifest import Loaded, load, parse
from scaffolder.manifest.model import Output
from scaffolder.providers import profiles
from scaffolder.render import Tree, render
from scaffolder.rules import warnings

URL = "https://notes.example.com/mcp"
TARGETS = ["cloudflare", "deno", "vercel", "bun"]
TOOL = {
    "name": "look",
    "inputSchema": {"type": "object", "properties": {"b": {}, "2": {}, "1": {"minimum": 1.0}}},
}

FILES = {
    "github-actions": {".github/workflows/deploy.yml", ".github/workflows/probe.yml"},
    "gatus": {"monitor/gatus.yaml"},
    "prometheus": {f"monitor/prometheus/{name}.yml" for name in ("blackbox", "scrape", "alerts")},
    "openstatus": {"monitor/openstatus.yaml"},
    "checkly": {
        f"monitor/checkly/{name}"
        for name in ("package.json", "tsconfig.json", "checkly.config.ts", "mcp.check.ts")
    },
}
GENERATOR = yaml.safe_load((bundle() / "templates/_data/versions.yml").read_text())["generator"]
WATCHED = {"target_options": {target: {"url": URL} for target in TARGETS}}


def project(**changes: Any) -> Tree:
    """Return the project of a manifest, by default with every monitor at every target."""
    everything = {**WATCHED, "monitor": {"outputs": OUTPUTS}}
    return render({"name": "notes", "targets": TARGETS, "tools": [TOOL], **everything, **changes})


def beside(path: str) -> str:
    """Return what monitor.json means by a path."""
    return normpath(f"monitor/{path}")


def chosen(tree: Tree) -> set[str]:
    """Return the files that a project has for the sake of a monitor, but for those that all projects have."""
    always = {f"monitor/{name}" for name in ("monitor.json", "monitor.schema.json", "tools.json")}
    return {path for path in tree if path.startswith(("monitor/", ".github/"))} - always


def configurations(tree: Tree) -> Iterator[tuple[str, str]]:
    """Return the files that a monitor reads."""
    return ((path, tree[path].decode()) for path in sorted(chosen(tree)))


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_monitor_has_its_files_when_it_is_chosen(output: str) -> None:
    """They are there with it alone, and none of another's."""
    assert chosen(project(monitor={"outputs": [output]})) == FILES[output]


def test_the_choices_are_those_of_the_manifest() -> None:
    """Whatever the manifest accepts has files, and the default is the workflow."""
    assert set(typing.get_args(Output)) == set(FILES) == set(OUTPUTS)
    assert chosen(project(monitor={})) == FILES["github-actions"]
    assert chosen(project(monitor={"outputs": []})) == set()


def test_nothing_watches_a_server_that_has_no_address() -> None:
    """The workflow still checks and deploys; it asks nobody, and the others come with the first URL."""
    tree = project(target_options={})
    assert chosen(tree) == {".github/workflows/deploy.yml"}
    assert "mcp-scaffold probe" not in tree[".github/workflows/deploy.yml"].decode()


def test_a_deploy_that_nobody_can_ask_about_says_so() -> None:
    """Of a target without a URL, in each run; where all have one, nothing is said."""
    told = [
        step
        for step in workflow("deploy", target_options={"deno": {"url": URL}})["jobs"]["deploy"]["steps"]
        if step.get("if") == "matrix.url == ''"
    ]
    assert [step["run"].split("::")[1] for step in told] == ["notice title=Not probed"]
    assert "matrix.url == ''" not in project()[".github/workflows/deploy.yml"].decode()


@pytest.mark.parametrize("name", ["notes", "clock", "drafts", "everything", "minimal"])
def test_monitor_json_holds_to_its_schema(name: str) -> None:
    """The schema is beside it, and is itself one; what is not in it is refused."""
    loaded = load(Path(__file__).parent / f"manifests/valid/{name}.yaml")
    assert isinstance(loaded, Loaded)
    tree = render(loaded.raw)
    document = json.loads(tree["monitor/monitor.json"])
    schema = json.loads(tree[beside(document["$schema"])])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, format_checker=jsonschema.FormatChecker())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "tool_hash": ""}, schema)


@pytest.mark.parametrize("name", ["notes", "clock", "drafts", "everything", "minimal"])
def test_the_expected_tools_have_the_expected_hashes(name: str) -> None:
    """What tools.json holds is what the hashes in monitor.json were made from."""
    loaded = load(Path(__file__).parent / f"manifests/valid/{name}.yaml")
    assert isinstance(loaded, Loaded)
    tree = render(loaded.raw)
    document = json.loads(tree["monitor/monitor.json"])
    tools = json.loads(tree[beside(document["tools"])])["tools"]
    assert (document["tools_hash"], document["definitions_hash"]) == (
        tools_hash(tools),
        definitions_hash(tools),
    )


def test_what_can_be_typed_into_alivemcp() -> None:
    """Each target with a URL has its fields and a badge, under a name of its own; the others have none."""
    options = {"bun": {"url": URL}, "deno": {"url": URL + "2"}}
    targets = json.loads(project(target_options=options)["monitor/monitor.json"])["targets"]
    assert targets["vercel"]["alivemcp"] is None
    assert targets["bun"]["alivemcp"]["endpoint_url"] == URL
    assert targets["bun"]["alivemcp"]["timeout_ms"] == targets["bun"]["timeout_ms"]
    badges = {targets[target]["alivemcp"]["badge"] for target in options}
    assert badges == {
        f"[![MCP server status](https://alivemcp.com/badge/notes-{target}.svg)](https://alivemcp.com/status/notes-{target})"
        for target in options
    }


def sent(**changes: Any) -> Answer:
    """Return what the server of a manifest answers: its JSON as ECMAScript orders and prints it."""
    name, version = changes.get("name", "notes"), changes.get("version", "0.1.0")
    tools = changes.get(
        "tools",
        '[{"name":"look","inputSchema":{"type":"object","properties":{"1":{"minimum":1},"2":{},"b":{}}}}]',
    )
    named = f'{{"name":"{name}","version":"{version}","title":"N"}}'
    info = f'"_meta":{{"io.modelcontextprotocol/serverInfo":{named}}}'
    return Answer(
        body=f'{{"result":{{"tools":{tools},"resultType":"complete",{info}}},"jsonrpc":"2.0","id":2}}'
    )


HEALTHY, SLOW = sent(), Answer(body=sent().body, milliseconds=3_000)
# Everything but the first and the last differs from the manifest.
ANSWERS = {
    "healthy": (HEALTHY, True),
    "another schema": (sent(tools='[{"name":"look","inputSchema":{"type":"object"}}]'), False),
    "one tool more": (
        sent(tools=sent().body.split("]")[0].split('"tools":')[1] + ',{"name":"more"}]'),
        False,
    ),
    "no tool": (sent(tools="[]"), False),
    "another server": (sent(name="notes-staging"), False),
    "another version": (sent(version="0.2.0"), False),
    "a page": (Answer(body="<!doctype html>"), False),
    "an error": (Answer(status=500, body=sent().body), False),
    "an event stream": (Answer(body=f"event: message\ndata: {sent().body}\n\n"), True),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_each_monitor_knows_the_right_server(case: str) -> None:
    """Gatus, Prometheus and OpenStatus agree on an answer, whatever is wrong with it."""
    answer, healthy = ANSWERS[case]
    tree = project(transport={"response": "sse"} if case == "an event stream" else {})
    endpoint = gatus(tree["monitor/gatus.yaml"].decode(), {})[0]
    assert all(holds(condition, answer) for condition in endpoint["conditions"]) is healthy
    monitor = openstatus(tree["monitor/openstatus.yaml"].decode())["notes-deno-tools"]
    assert passes(monitor, answer) is healthy
    module = yaml.safe_load(tree["monitor/prometheus/blackbox.yml"])["modules"]["notes-bun-tools"]["http"]
    found = [re.search(pattern, answer.body) for pattern in module["fail_if_body_not_matches_regexp"]]
    assert (all(found) and answer.status in module["valid_status_codes"]) is healthy


TWO = [{"name": name, "inputSchema": {"type": "object", "title": "*[?\\ == "}} for name in ("a", "b")]


@pytest.mark.parametrize(
    ("tools", "same"),
    [
        (TWO, True),
        (TWO[:1], False),
        (TWO[::-1], False),
        ([*TWO, {**TWO[1], "name": "c"}], False),
        ([TWO[0], {**TWO[0], "name": "c"}, TWO[1]], False),
        ([*TWO, *TWO], False),
        ([TWO[0], {**TWO[1], "description": "Anything."}], False),
    ],
)
def test_gatus_looks_for_the_tools_one_by_one(tools: list[Any], same: bool) -> None:  # noqa: FBT001
    """A text as long as all of them would take it minutes not to find; it is as exact, for it counts them."""
    endpoint = gatus(project(tools=TWO)["monitor/gatus.yaml"].decode(), {})[0]
    answer = sent(tools=json.dumps(tools, separators=(",", ":")))
    assert all(holds(condition, answer) for condition in endpoint["conditions"]) is same
    looked_for = next(each for each in endpoint["conditions"] if '"tools":' in each)
    assert max(map(len, re.split(r"(?<!\\)\*", looked_for))) < 100


def test_a_slow_answer_is_no_outage() -> None:
    """Gatus shows it beside, without an alert; the others have a threshold of their own for it."""
    tree = project()
    endpoints = {each["name"]: each for each in gatus(tree["monitor/gatus.yaml"].decode(), {})}
    tools, speed = endpoints["bun tools"], endpoints["bun speed"]
    assert all(holds(condition, SLOW) for condition in tools["conditions"])
    assert not all(holds(condition, SLOW) for condition in speed["conditions"])
    assert "alerts" in tools
    assert "alerts" not in speed
    monitor = openstatus(tree["monitor/openstatus.yaml"].decode())["notes-bun-tools"]
    assert (monitor["degradedAfter"], monitor["timeout"]) == (1000, 5000)
    checks = tree["monitor/checkly/mcp.check.ts"].decode()
    assert re.findall(r"(?:degradedResponse|maxResponse)Time: (\d+)", checks)[-2:] == ["1000", "5000"]


def test_no_monitor_follows_a_redirect() -> None:
    """A page to sign in on, which answers 200, is not the server that was asked."""
    tree = project()
    endpoints = gatus(tree["monitor/gatus.yaml"].decode(), {})
    assert all(each["client"]["ignore-redirect"] is True for each in endpoints)
    monitors = openstatus(tree["monitor/openstatus.yaml"].decode())
    assert all(each["request"]["followRedirects"] is False for each in monitors.values())
    modules = yaml.safe_load(tree["monitor/prometheus/blackbox.yml"])["modules"]
    assert all(each["http"]["follow_redirects"] is False for each in modules.values())
    checks = tree["monitor/checkly/mcp.check.ts"].decode()
    assert checks.count("followRedirects: false") == checks.count("new ApiCheck(") == 2


@pytest.mark.parametrize("name", ["null", "true", "yes", "n", "on"])
def test_a_name_that_is_a_word_of_yaml_stays_a_name(name: str) -> None:
    """In every file, and in the labels by which rules find the series."""
    tree = project(name=name)
    files = {
        path: yaml.safe_load(text) for path, text in configurations(tree) if path.endswith(("yaml", "yml"))
    }
    assert {each["group"] for each in files["monitor/gatus.yaml"]["endpoints"]} == {name}
    (job,) = files["monitor/prometheus/scrape.yml"]["scrape_configs"]
    assert {job["job_name"], *(each["labels"]["server"] for each in job["static_configs"])} == {name}
    assert files["monitor/prometheus/alerts.yml"]["groups"][0]["name"] == name


@pytest.mark.parametrize(("interval", "measured"), [(10, 100), (60, 5_450), (86_400, 400_000)])
def test_the_exporter_is_granted_the_time_of_the_longest_probe(interval: int, measured: int) -> None:
    """It takes half a second off for its own answer, and one probe is over before the next."""
    observed = {target: {"p95_ms": measured} for target in TARGETS}
    tree = project(monitor={"outputs": OUTPUTS, "interval_seconds": interval, "observed": observed})
    (job,) = yaml.safe_load(tree["monitor/prometheus/scrape.yml"])["scrape_configs"]
    timeout, between = (int(job[key].removesuffix("s")) for key in ("scrape_timeout", "scrape_interval"))
    modules = yaml.safe_load(tree["monitor/prometheus/blackbox.yml"])["modules"]
    longest = max(int(module["timeout"].removesuffix("ms")) for module in modules.values())
    assert longest / 1000 + 0.5 <= timeout <= max(between, timeout) == between
    assert between == max(interval, timeout)


def test_an_exporter_without_ipv6_calls_nobody_down() -> None:
    """It does not try the other kind of address when the first that it prefers leads nowhere."""
    modules = yaml.safe_load(project()["monitor/prometheus/blackbox.yml"])["modules"]
    assert {module["http"]["preferred_ip_protocol"] for module in modules.values()} == {"ip4"}


def test_what_puts_in_credentials_finds_no_other_place_for_them() -> None:
    """A tool whose text is the name of the variable keeps it, and the monitor looks for exactly that."""
    text = "Costs $MONITOR_TOKEN, or ${MONITOR_TOKEN}, or $5."
    tool = {**TOOL, "description": text}
    tree = project(tools=[tool], title=text, monitor={"outputs": OUTPUTS, "bearer": "MONITOR_TOKEN"})
    written = tree["monitor/openstatus.yaml"].decode()
    # As envsubst does for the variables that the file tells it to replace.
    replaced = re.sub(r"^(?!#)(.*)\$\{?MONITOR_TOKEN\}?", r"\1secret", written, flags=re.MULTILINE)
    for monitor in openstatus(replaced).values():
        assert monitor["request"]["headers"]["authorization"] == "Bearer secret"
        assert text in monitor["name"]
    found = openstatus(replaced)["notes-bun-tools"]["assertions"][1]["target"]
    assert text in found


def test_a_lock_that_holds_credentials_is_not_committed() -> None:
    """OpenStatus' holds the monitors it made, and what they send; without credentials it belongs there."""

    def ignored(**changes: Any) -> bool:
        return (
            b"\nopenstatus.lock\n"
            in project(targets=["bun"], target_options={"bun": {"url": URL}}, **changes)[".gitignore"]
        )

    assert ignored(monitor={"outputs": ["openstatus"], "bearer": "MONITOR_TOKEN"})
    assert not ignored(monitor={"outputs": ["openstatus"]})
    assert not ignored(monitor={"outputs": ["gatus"], "bearer": "MONITOR_TOKEN"})


@pytest.mark.parametrize("legacy", ["stateless", "sessions", "reject"])
def test_no_monitor_begins_a_session(legacy: str) -> None:
    """A handshake once a minute would fill the store, so none of them sends one."""
    for path, text in configurations(project(transport={"legacy": legacy})):
        assert "initialize" not in text, path


def test_credentials_are_named_and_never_there() -> None:
    """Each monitor takes them from where it keeps its secrets; only Vercel has a wall of its own."""
    tree = project(monitor={"outputs": OUTPUTS, "bearer": "MONITOR_TOKEN"})
    bypass, token = "VERCEL_AUTOMATION_BYPASS_SECRET", "MONITOR_TOKEN"
    environment = {bypass: "open", token: "secret"}
    for each in gatus(tree["monitor/gatus.yaml"].decode(), environment):
        assert each["headers"]["authorization"] == "Bearer secret"
        walled = each["name"].startswith("vercel")
        assert each["headers"].get("x-vercel-protection-bypass") == ("open" if walled else None)
    targets = json.loads(tree["monitor/monitor.json"])["targets"]
    bearer = {"header": "authorization", "prefix": "Bearer ", "variable": token}
    assert targets["bun"]["credentials"] == [bearer]
    assert [each["variable"] for each in targets["vercel"]["credentials"]] == [bypass, token]
    for workflow in ("deploy", "probe"):
        text = tree[f".github/workflows/{workflow}.yml"].decode()
        assert f"{bypass}: ${{{{ secrets.{bypass} }}}}" in text
        assert f"{token}: ${{{{ secrets.{token} }}}}" in text
    assert "Bearer ${MONITOR_TOKEN}" in tree["monitor/openstatus.yaml"].decode()
    assert f'"{{{{{bypass}}}}}"' in tree["monitor/checkly/mcp.check.ts"].decode()
    modules = yaml.safe_load(tree["monitor/prometheus/blackbox.yml"])["modules"]
    files = {module["http"]["authorization"]["credentials_file"] for module in modules.values()}
    assert files == {f"/etc/prometheus/secrets/{token}"}


def test_without_credentials_no_header_asks_for_any() -> None:
    """A server that anybody may call is called without."""
    tree = project(targets=["bun"], target_options={"bun": {"url": URL}})
    for path, text in configurations(tree):
        assert "authorization" not in text, path
        assert "secrets.TOKEN" not in text, path


def workflow(name: str, **changes: Any) -> Mapping[Any, Any]:
    """Return a workflow; YAML 1.1 reads its key `on` as true."""
    loaded: Mapping[Any, Any] = yaml.safe_load(project(**changes)[f".github/workflows/{name}.yml"])
    return loaded


def steps(name: str) -> Iterator[Mapping[str, Any]]:
    """Return all steps of a workflow."""
    for job in workflow(name)["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("name", ["deploy", "probe"])
def test_a_workflow_can_do_no_more_than_it_has_to(name: str) -> None:
    """It reads the repository, runs actions by commit, and hands no expression to a shell."""
    # To find out whether a deploy is on its way.
    more = {"actions": "read"} if name == "probe" else {}
    assert workflow(name)["permissions"] == {"contents": "read", **more}
    for step in steps(name):
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]) if "uses" in step else step["run"]
        assert "${{" not in step.get("run", "")
        assert step.get("with", {}).get("persist-credentials", False) is False


@pytest.mark.parametrize("name", ["TARGET", "GH_TOKEN"])
def test_a_credential_may_have_any_name(name: str) -> None:
    """No step of a workflow has a variable of that name already, which GitHub would refuse."""
    tree = project(monitor={"bearer": name})
    for workflow in ("deploy", "probe"):
        text = tree[f".github/workflows/{workflow}.yml"].decode()
        for block in re.findall(r"^( +)env:\n((?:\1  .*\n)+)", text, re.MULTILINE):
            keys = [line.split(":")[0].strip() for line in block[1].splitlines()]
            assert len(keys) == len(set(keys)), block


@pytest.mark.parametrize("name", ["deploy", "probe"])
def test_a_workflow_holds_shell(name: str) -> None:
    """Bash can parse each script."""
    for script in (step["run"] for step in steps(name) if "run" in step):
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), script


def test_the_workflow_deploys_each_target_and_asks_it() -> None:
    """In a matrix, once the project is checked; each with its own secrets, and then the probe."""
    jobs = workflow("deploy")["jobs"]
    commands = [step.get("run", "") for step in jobs["check"]["steps"]]
    for command in ("mcp-scaffold regenerate --check", "npx tsc", "mcp-scaffold verify"):
        assert command in commands
    deploy = jobs["deploy"]
    assert deploy["needs"] == "check"
    assert "refs/heads/main" in deploy["if"]
    assert [each["target"] for each in deploy["strategy"]["matrix"]["include"]] == TARGETS
    assert deploy["strategy"]["fail-fast"] is False
    for target, profile in profiles().items():
        own = [step for step in deploy["steps"] if step.get("if") == f"matrix.target == '{target}'"]
        assert f"npm run deploy:{target}" in own[-1]["run"] or "rsync" in own[-1]["run"]
        needed = {*profile.workflow.secrets, *profile.workflow.variables}
        assert set(own[-1]["env"]) == needed
        assert all(name in own[-1]["env"][name] for name in needed)
    assert "mcp-scaffold probe --allow-slow --target" in deploy["steps"][-1]["run"]


def ask(script: str, folder: Path, answers: str, environment: Mapping[str, str]) -> tuple[int, int, str]:
    """Run a step's script with a stand-in for the program, which exits with one of the answers after another.

    Returns the step's exit status, how often it asked, and what it printed.
    """
    stand_in = (
        f"n=$(cat asked 2>/dev/null || echo 0); echo $((n + 1)) > asked; set -- {answers}; shift $n; exit $1"
    )
    for name, text in {"mcp-scaffold": stand_in, "sleep": "exit 0"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    done = subprocess.run(
        # As GitHub runs a script that names no shell.
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = folder / "asked"
    return done.returncode, int(asked.read_text()) if asked.exists() else 0, done.stdout + done.stderr


def asking(name: str) -> str:
    """Return the script that probes, of a server with a wall."""
    (job,) = [
        job
        for key, job in workflow(name, monitor={"bearer": "MONITOR_TOKEN"})["jobs"].items()
        if key != "check"
    ]
    (script,) = [step["run"] for step in job["steps"] if "mcp-scaffold probe" in step.get("run", "")]
    assert isinstance(script, str)
    return script


@pytest.mark.parametrize(("name", "times"), [("deploy", 10), ("probe", 3)])
def test_a_workflow_asks_again_before_it_fails(name: str, times: int, tmp_path: Path) -> None:
    """The version before may answer for a while; drift that stays fails, also on the last attempt."""
    environment = {"MONITOR_TOKEN": "secret", "target": "bun"}
    (tmp_path / "late").mkdir()
    assert ask(asking(name), tmp_path / "late", "1 " * (times - 1) + "0", environment)[:2] == (0, times)
    (tmp_path / "never").mkdir()
    assert ask(asking(name), tmp_path / "never", "1 " * 99, environment)[:2] == (1, times)


@pytest.mark.parametrize("name", ["deploy", "probe"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_workflow_does_not_ask_without_its_credential(name: str, value: str | None, tmp_path: Path) -> None:
    """GitHub makes an empty variable of a secret that is not there; it would only see the wall."""
    environment = {} if value is None else {"MONITOR_TOKEN": value}
    status, asked, printed = ask(asking(name), tmp_path, "0", environment)
    assert (status, asked) == (1, 0)
    assert "MONITOR_TOKEN" in printed


def test_nobody_is_asked_while_a_deploy_is_on_its_way() -> None:
    """Between a push and the end of its deploy, mcp.yaml is ahead of what is deployed, which is no drift."""
    found = list(steps("probe"))
    question, probe = (
        next(step for step in found if word in step.get("run", "")) for word in ("gh run", "--monitor")
    )
    assert probe["if"] == f"steps.{question['id']}.outputs.running == 'false'"
    assert "--workflow deploy.yml" in question["run"]
    assert found.index(question) < found.index(probe)


@pytest.mark.parametrize(
    ("answer", "running"),
    [("echo true", "true"), ("echo false", "false"), ("echo HTTP 502 >&2; exit 1", "false")],
)
def test_the_servers_are_asked_where_nobody_knows_of_a_deploy(
    answer: str, running: str, tmp_path: Path
) -> None:
    """GitHub may not answer, and a deploy that waits for somebody's approval can do so for days."""
    (script,) = [step["run"] for step in steps("probe") if step.get("id") == "deploy"]
    (tmp_path / "gh").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "gh").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_OUTPUT": "found"}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "found").read_text() == f"running={running}\n"
    assert 'IN("queued", "pending", "in_progress")' in script


def test_the_runtimes_are_kept_from_one_check_to_the_next() -> None:
    """By version and targets, in the job that has no secrets alone."""
    jobs = workflow("deploy")["jobs"]
    kept = [step["with"] for step in jobs["check"]["steps"] if "actions/cache@" in step.get("uses", "")]
    assert kept == [{"path": "~/.cache/mcp-scaffold", "key": f"mcp-scaffold-{GENERATOR}-{'-'.join(TARGETS)}"}]
    assert not [step for step in jobs["deploy"]["steps"] if "actions/cache@" in step.get("uses", "")]


@pytest.mark.parametrize(
    ("interval", "cron"),
    [
        (10, "3-59/5 * * * *"),
        (300, "3-59/5 * * * *"),
        (301, "3-59/10 * * * *"),
        (1800, "3-59/30 * * * *"),
        (1801, "7 */1 * * *"),
        (3600, "7 */1 * * *"),
        (20_000, "7 */6 * * *"),
        (43_201, "7 4 * * *"),
        (86_400, "7 4 * * *"),
    ],
)
def test_the_scheduled_probe_is_as_often_as_it_can_be(interval: int, cron: str) -> None:
    """Not oftener than the manifest says, nor than GitHub does."""
    found = workflow("probe", monitor={"interval_seconds": interval})[True]["schedule"]
    assert found == [{"cron": cron}]


@pytest.mark.parametrize(
    ("interval", "openstatus_has", "checkly_has"),
    [(10, "30s", "10S"), (60, "1m", "1M"), (61, "5m", "2M"), (3600, "1h", "1H"), (86_400, "1h", "24H")],
)
def test_an_interval_is_the_next_that_a_monitor_has(
    interval: int, openstatus_has: str, checkly_has: str
) -> None:
    """Each has its own choice of them."""
    tree = project(monitor={"outputs": OUTPUTS, "interval_seconds": interval})
    monitors = openstatus(tree["monitor/openstatus.yaml"].decode())
    assert {each["frequency"] for each in monitors.values()} == {openstatus_has}
    assert f"Frequency.EVERY_{checkly_has}," in tree["monitor/checkly/mcp.check.ts"].decode()


def test_limits_of_a_monitor_are_kept() -> None:
    """However slow a server may be, however long its title, and however many failures make an outage."""
    measured = {"outputs": OUTPUTS, "failures": 100, "observed": {"bun": {"p95_ms": 400_000}}}
    tree = project(monitor=measured, title="x" * 300, targets=["bun"])
    for each in openstatus(tree["monitor/openstatus.yaml"].decode()).values():
        assert (each["timeout"], each["retry"]) == (60_000, 10)
    checks = tree["monitor/checkly/mcp.check.ts"].decode()
    assert "maxResponseTime: 30000," in checks
    assert "runBasedEscalation(5)" in checks


def test_the_registry_has_one_remote_a_public_target() -> None:
    """Under the manifest's name; without one, or an address that others can reach, there is no entry."""
    named = {"name": "io.github.octocat/notes"}
    options = {
        "bun": {"url": "http://localhost:3000/mcp"},
        "deno": {"url": URL},
        "vercel": {"url": URL + "2"},
    }
    long = {"title": "t" * 101, "description": "d" * 101}
    entry = json.loads(project(registry=named, target_options=options, **long)["server.json"])
    assert entry["remotes"] == [{"type": "streamable-http", "url": url} for url in (URL, URL + "2")]
    assert (entry["name"], entry["version"]) == ("io.github.octocat/notes", "0.1.0")
    assert {len(entry[key]) for key in ("title", "description")} == {100}
    registry(entry)
    assert json.loads(project(registry=named)["server.json"])["description"] == "Notes"
    assert "server.json" not in project()
    assert "server.json" not in project(registry=named, target_options={"bun": options["bun"]})


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://notes.example.com/mcp", True),
        ("http://notes.example.com/mcp", False),
        ("https://localhost/mcp", False),
        ("https://127.0.0.1/mcp", False),
        ("https://notes.internal/mcp", False),
        ("https://[fd00::1]:8443/mcp", False),
    ],
)
def test_an_entry_of_an_address_that_nobody_can_reach_is_worth_a_word(url: str, public: bool) -> None:  # noqa: FBT001
    """The Registry would refuse it, or list a server that none of its readers can call."""
    manifest = {
        "name": "notes",
        "targets": ["bun"],
        "tools": [TOOL],
        "target_options": {"bun": {"url": url}},
        "registry": {"name": "com.example/notes"},
    }
    loaded = parse(yaml.safe_dump(manifest))
    assert isinstance(loaded, Loaded)
    assert ("without-address" not in {each.code for each in warnings(loaded)}) is public


@pytest.mark.parametrize("name", ["notes", "clock", "drafts", "everything", "minimal"])
@pytest.mark.parametrize("text", [None, " ", "*/ ${x} {y} \u2028"])
def test_the_registry_takes_the_entry(name: str, text: str | None) -> None:
    """Whatever the server is called, and also when its clients have to send a token."""
    loaded = load(Path(__file__).parent / f"manifests/valid/{name}.yaml")
    assert isinstance(loaded, Loaded)
    target = loaded.raw["targets"][0]
    changes = {
        "registry": {"name": "com.example/notes"},
        "target_options": {target: {"url": URL}},
        "monitor": {"bearer": "MONITOR_TOKEN"},
        **({} if text is None else {"title": text, "description": text}),
    }
    entry = json.loads(render({**loaded.raw, **changes})["server.json"])
    registry(entry)
    (header,) = entry["remotes"][0]["headers"]
    assert (header["name"], header["value"], header["isSecret"]) == ("Authorization", "Bearer {token}", True)
    assert header["variables"]["token"]["isSecret"] is True


def client_entries(page: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return what each client is told of the servers: by its files, and by its links."""
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    found = {
        client: list(block["servers" if client == "vscode" else "mcpServers"].values())
        for client, block in zip(("claude", "vscode", "cursor"), blocks, strict=True)
    }
    links = [parse_qs(urlsplit(link).query) for link in re.findall(r"\((https:[^)]+)\)", page)]
    for query in links[: len(links) // 2]:
        assert json.loads(query.get("inputs", ["[]"])[0]) == blocks[1].get("inputs", [])
    configs = [query["config"][0] for query in links]
    found["vscode links"] = [json.loads(each) for each in configs[: len(links) // 2]]
    found["cursor links"] = [json.loads(base64.b64decode(each)) for each in configs[len(links) // 2 :]]
    return found


def test_clients_are_given_the_addresses() -> None:
    """The page's JSON and its links name each deployed target, or the addresses of this machine."""
    page = project()["docs/clients.md"].decode()
    http, bare = {"type": "http", "url": URL}, {"url": URL}
    assert client_entries(page) == {
        "claude": [http] * 4,
        "vscode": [http] * 4,
        "cursor": [bare] * 4,
        "vscode links": [http] * 4,
        "cursor links": [bare] * 4,
    }
    # GitHub shows no link of another scheme.
    assert not re.findall(r"\]\((?!https:)", page)
    alone = project(targets=["bun"], target_options={})["docs/clients.md"].decode()
    assert "claude mcp add --transport http notes http://127.0.0.1:3000/mcp\n" in alone


def test_clients_are_told_where_a_token_is_and_not_the_token() -> None:
    """Each in its own notation: a variable of the environment, or a question."""
    page = project(monitor={"bearer": "MONITOR_TOKEN"})["docs/clients.md"].decode()
    entries = client_entries(page)
    tokens = {
        client: {entry["headers"]["Authorization"] for entry in each} for client, each in entries.items()
    }
    assert tokens == {
        "claude": {"Bearer ${NOTES_TOKEN}"},
        "vscode": {"Bearer ${input:notes-token}"},
        "cursor": {"Bearer ${env:NOTES_TOKEN}"},
        "vscode links": {"Bearer ${input:notes-token}"},
        "cursor links": {"Bearer ${env:NOTES_TOKEN}"},
    }
    assert page.count('--header "Authorization: Bearer $NOTES_TOKEN"') == len(TARGETS)
    (question,) = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[1])["inputs"]
    assert (question["id"], question["password"]) == ("notes-token", True)
    # The monitor's own token is none of theirs.
    assert "MONITOR_TOKEN" not in page


def test_an_address_is_quoted_for_the_shell() -> None:
    """It may hold what a shell would take for its own."""
    url = "https://[2001:db8::1]:8443/x/mcp?a='b'&c=$d;(e)*"
    page = project(targets=["bun"], target_options={"bun": {"url": url}})["docs/clients.md"].decode()
    (command,) = re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)
    assert shlex.split(command) == ["claude", "mcp", "add", "--transport", "http", "notes", url]
    assert {entry["url"] for each in client_entries(page).values() for entry in each} == {url}


def test_every_fact_about_a_monitor_has_a_source() -> None:
    """Where it was read, and when."""
    known = yaml.safe_load((bundle() / "templates/_data/monitors.yml").read_text())
    sources = known.pop("sources")
    named = set(re.findall(r"'source': '([^']+)'", str(known)))
    assert named == set(sources)
    assert all(
        re.match(r"https://", each["url"]) and re.match(r"\d{4}-", each["date"]) for each in sources.values()
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "10": 2, "9": 3, "a": {"1": 0, "0": 1}}, '{"9":3,"10":2,"b":1,"a":{"0":1,"1":0}}'),
        (
            {"01": 1, "-1": 2, "4294967295": 3, "4294967294": 4},
            '{"4294967294":4,"01":1,"-1":2,"4294967295":3}',
        ),
        ([1.0, 1e21, 1e-7, -0.0, 0.1], "[1,1e+21,1e-7,0,0.1]"),
        (["\u2028", "\x7f", "é", '"\\', "\n"], '["\u2028","\x7f","é","\\"\\\\","\\n"]'),
        ({}, "{}"),
        ([None, True, {"a": []}], '[null,true,{"a":[]}]'),
    ],
)
def test_text_is_looked_for_as_ecmascript_prints_it(value: Any, text: str) -> None:
    """Keys that are indices come first, numbers are the shortest, and what need not be escaped is not."""
    assert call("monitoring", "stringified", value) == text
