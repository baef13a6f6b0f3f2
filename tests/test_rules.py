"""The rules about valid manifests: what is worth a word, where it stands, and the page about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import strategies
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scaffolder.diagnostics import Diagnostic, Severity, Span, UserError, pieces, render
from scaffolder.manifest import Loaded, load, parse
from scaffolder.manifest.model import Output
from scaffolder.providers import facts, profiles
from scaffolder.render import render as render_project
from scaffolder.rules import RULES, Rule, warnings
from scaffolder.rules import secret as secret_rules
from scaffolder.rules.address import DEFAULT_OUTPUTS, DEFAULT_PATH, HOSTED
from scaffolder.rules.page_texts import ERRORS, TOPICS
from scaffolder.rules.pages import explained, names
from scaffolder.rules.pages import render as render_page

ROOT = Path(__file__).parent.parent
MANIFESTS = Path(__file__).parent / "manifests"
VALID = sorted([*(MANIFESTS / "valid").glob("*.yaml"), *(MANIFESTS / "rules").glob("*.yaml")])
CODES = [rule.code for rule in RULES]
RUNTIMES = [
    (provider, name, runtime.deprecated)
    for provider, profile in profiles().items()
    for name, runtime in profile.runtimes.items()
    if "runtime" in profile.options
]
SERVERS = [name for name, profile in profiles().items() if profile.runtimes[profile.default_runtime].stays]

# The guide's tables, a row each, with the pages that cover it: those of rules that a manifest can
# break, or of a topic where no manifest can show it.
CONSTRAINTS = {
    "No persistent process": ["session-on-eventual-store"],
    "No file system": ["local-file"],
    "No native Node.js modules": ["edge-constraints"],
    "CPU time limit (10-60s)": ["over-time-limit", "long-call"],
    "No long-lived connections": ["stream-on-edge"],
}
CHOICES = {
    ("Tools are pure functions", "Tools maintain state across calls"): ["session-on-eventual-store"],
    ("Tool execution takes <30s", "Tool execution takes >60s"): ["long-call", "over-time-limit"],
    ("Global low latency (<50ms)", "Private network access"): ["private-address"],
    ("Burst traffic", "High per-request memory (>256MB) or CPU"): ["edge-or-server"],
    ("Zero infrastructure management", "WebSocket with long-lived connections"): ["stream-on-edge"],
}

# Schemas of a session tool, each with the keyword that refuses the handle, if one does.
SEALED: dict[str, Any] = {"additionalProperties": False}
CLOSED: dict[str, Any] = {"unevaluatedProperties": False}
NUMBER = {"type": "integer"}
TEXT = {"type": "string"}
FIELDS: dict[str, Any] = {"properties": {"a": {}, "b": {}}}
HANDLED: list[tuple[dict[str, Any], str | None]] = [
    (SEALED, None),
    (CLOSED, None),
    ({"additionalProperties": NUMBER}, None),
    ({"patternProperties": {"^s": NUMBER}}, "patternProperties"),
    ({"patternProperties": {"^s": {"type": ["string", "null"]}, "^x-": NUMBER}}, None),
    ({"propertyNames": {"pattern": "^[a-z]+$"}}, "propertyNames"),
    ({"propertyNames": {"pattern": "_"}}, None),
    ({"propertyNames": {"maxLength": 9}}, "propertyNames"),
    ({"propertyNames": {"minLength": 10, "maxLength": 10}}, None),
    ({"propertyNames": {"enum": ["a", "b"]}}, "propertyNames"),
    ({"propertyNames": {"enum": ["a", "session_id"]}}, None),
    ({"propertyNames": {"const": "a"}}, "propertyNames"),
    ({"propertyNames": {"$ref": "#/$defs/n"}, "$defs": {"n": {"maxLength": 9}}}, "propertyNames"),
    ({"propertyNames": {"anyOf": [{"const": "a"}, {"const": "b"}]}}, "propertyNames"),
    ({"propertyNames": {"anyOf": [{"const": "a"}, {"pattern": "_id$"}]}}, None),
    ({"propertyNames": {"allOf": [{"maxLength": 9}, {}]}}, "propertyNames"),
    ({**FIELDS, "maxProperties": 2}, "maxProperties"),
    ({**FIELDS, **SEALED, "maxProperties": 3}, None),
    ({"minProperties": 5, "maxProperties": 5}, "maxProperties"),
    ({"maxProperties": 1}, "maxProperties"),
    ({"maxProperties": 100}, None),
    ({"allOf": [{}, SEALED]}, "additionalProperties"),
    ({"anyOf": [{**FIELDS, **SEALED}, {"required": ["c"]}]}, "additionalProperties"),
    ({"oneOf": [{"allOf": [{"oneOf": [SEALED]}]}]}, "additionalProperties"),
    ({"allOf": [{"additionalProperties": NUMBER}]}, "additionalProperties"),
    ({"allOf": [{"additionalProperties": {**TEXT, "maxLength": 35}}]}, "additionalProperties"),
    ({"allOf": [{"additionalProperties": {**TEXT, "pattern": "^[A-Z]"}}]}, "additionalProperties"),
    ({"allOf": [{"additionalProperties": {**TEXT, "pattern": "^([0-9a-f]+-?)+$"}}]}, None),
    ({"allOf": [{"additionalProperties": {"enum": ["a", "b"]}}]}, "additionalProperties"),
    ({"allOf": [{"additionalProperties": {"type": ["string", "null"]}}]}, None),
    ({"allOf": [{"additionalProperties": True}]}, None),
    ({"allOf": [CLOSED]}, "unevaluatedProperties"),
    ({"allOf": [{**CLOSED, "allOf": [FIELDS]}]}, "unevaluatedProperties"),
    ({"allOf": [{**CLOSED, "allOf": [{"additionalProperties": {}}]}]}, None),
    ({"allOf": [{**CLOSED, "anyOf": [{"patternProperties": {"_id$": {}}}]}]}, None),
    ({"allOf": [{**SEALED, "patternProperties": {"_id$": {}}}]}, None),
    ({"allOf": [{**SEALED, "properties": {"session_id": TEXT}}]}, None),
    ({"allOf": [{"properties": {"session_id": NUMBER}}]}, "properties"),
    ({**FIELDS, "allOf": [{"maxProperties": 2}]}, "maxProperties"),
    ({"if": {"required": ["a"]}, "then": {**FIELDS, **SEALED}}, "additionalProperties"),
    ({"if": {"required": ["a"]}, "else": SEALED}, "additionalProperties"),
    ({"if": SEALED, "then": {}}, None),
    ({"then": SEALED, "else": SEALED}, None),
    ({"not": SEALED}, None),
    ({"dependentSchemas": {"a": {**FIELDS, **SEALED}}}, "additionalProperties"),
    ({"$ref": "#/$defs/a", "$defs": {"a": SEALED}}, "additionalProperties"),
    ({"$ref": "#a", "$defs": {"b": {"$anchor": "a", **SEALED}}}, "additionalProperties"),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": SEALED}},
        "additionalProperties",
    ),
    ({"properties": {"a": SEALED}, "$defs": {"a": SEALED}}, None),
]
# Schemas that lead back to themselves, or nowhere, or that no validator reads.
SENSELESS: list[dict[str, Any]] = [
    {"$ref": "#", **SEALED},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"propertyNames": {"$ref": "#/propertyNames"}},
    {
        "propertyNames": {"$ref": "#/$defs/0"},
        "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(999)},
    },
    {"$ref": "note.json#/a"},
    {"$ref": "#/$defs/a"},
    {"$ref": "#/required", "required": []},
    {"maxProperties": "1", "propertyNames": {"maxLength": True, "pattern": 1, "allOf": 1, "enum": 1}},
    {"allOf": [{"patternProperties": {"(": False}, "properties": 1, "additionalProperties": 1}]},
]


def loaded(text: str) -> Loaded:
    """Return a manifest, which has to be valid."""
    result = parse(text)
    assert isinstance(result, Loaded), render(result.diagnostics[0])
    return result


def judged(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Diagnostic, ...]:
    """Return the warnings about a manifest, which has to be valid, under its bare name."""
    monkeypatch.chdir(path.parent)
    result = load(Path(path.name))
    assert isinstance(result, Loaded)
    return warnings(result)


def odd_schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Put anything where a schema, a list of them or a mapping of them is meant to be."""
    naming = ["properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "required"]
    applying = ["items", "anyOf", "not", "if", "then", "propertyNames", "maxProperties"]
    keywords = st.sampled_from(["type", "$ref", "$anchor", *naming, *applying])
    return st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=4)


def check(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `mcp-scaffold check` as a user does."""
    command = [sys.executable, "-m", "scaffolder", "check", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def minimal(targets: str, more: str = "") -> str:
    """Write a manifest that has all that it should, and something else."""
    return f"name: a\ndescription: It does.\ntargets: [{targets}]\ntools: []\n{more}"


@pytest.mark.parametrize("code", CODES)
def test_a_rule_prints_its_recorded_message(
    code: str, monkeypatch: pytest.MonkeyPatch, *, update_golden: bool
) -> None:
    """It is found in the manifest that is named after it, with place and advice, and nothing else is."""
    path = MANIFESTS / f"rules/{code}.yaml"
    found = judged(path, monkeypatch)
    assert {warning.code for warning in found} == {code}
    printed = "\n\n".join(render(warning) for warning in found) + "\n"
    recorded = path.with_suffix(".txt")
    if update_golden or os.environ.get("UPDATE_GOLDEN"):
        recorded.write_text(printed)
    assert printed == recorded.read_text()


@pytest.mark.parametrize("code", CODES)
def test_a_rule_lets_pass_what_is_fine(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only looks like its mistake gives no warning, of this rule or of any other."""
    assert not judged(MANIFESTS / f"rules/{code}.ok.yaml", monkeypatch)


def test_every_recorded_message_has_its_rule() -> None:
    """No manifest and no message outlives the rule that it is about."""
    kept = {path.name for path in (MANIFESTS / "rules").iterdir()}
    assert kept == {f"{code}{ending}" for code in CODES for ending in (".yaml", ".ok.yaml", ".txt")}
    assert len(set(CODES)) == len(CODES)


@pytest.mark.parametrize("rule", RULES, ids=CODES)
def test_a_place_is_one_of_the_manifest(rule: Rule) -> None:
    """Each step to it is there: a wrong one would end at what stands around it."""
    result = load(MANIFESTS / f"rules/{rule.code}.yaml")
    assert isinstance(result, Loaded)
    remarks = list(rule.find(result))
    assert remarks
    for remark in remarks:
        value: Any = result.raw
        for step in remark.place:
            value = value[step]
        assert remark.place or remark.span


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_warning_reads_as_an_error_does(path: Path) -> None:
    """It has a place, is in lower case without a full stop on one line, and is no error."""
    result = load(path)
    assert isinstance(result, Loaded)
    found = warnings(result)
    assert [warning.span for warning in found] == sorted(
        (warning.span for warning in found if warning.span), key=lambda span: (span.line, span.column)
    )
    for warning in found:
        assert warning.severity is Severity.WARNING
        assert warning.code in CODES
        assert warning.span
        assert warning.span.file == str(path)
        for text in (warning.message, warning.label or "x", warning.help or "x"):
            assert not text.endswith(".")
            assert text.isprintable()
        assert "".join(text for _, text in pieces(warning)) == render(warning)


@pytest.mark.parametrize(("provider", "name", "deprecated"), RUNTIMES)
def test_a_deprecated_runtime_is_told_of_where_it_is_chosen(
    provider: str, name: str, deprecated: object
) -> None:
    """What the vendor says of it is passed on; a runtime that has a future gives no warning."""
    text = minimal(provider, f"target_options:\n  {provider}: {{ runtime: {name} }}\n")
    found = warnings(loaded(text))
    assert [warning.code for warning in found] == (["deprecated-runtime"] if deprecated else [])
    for warning in found:
        line = f"  {provider}: {{ runtime: {name} }}"
        assert warning.span
        assert (warning.span.line, warning.span.column) == (6, line.index(name) + 1)
        assert render(warning).startswith(f"warning[deprecated-runtime]: the runtime `{name}`")


def test_options_of_what_is_no_target_are_not_judged_by_what_they_say() -> None:
    """Nothing is generated for them: that is all there is to say."""
    deprecated = [(provider, name) for provider, name, why in RUNTIMES if why]
    assert deprecated
    for provider, name in deprecated:
        other = next(one for one in profiles() if one != provider)
        options = f"target_options: {{ {provider}: {{ runtime: {name} }} }}"
        found = warnings(loaded(minimal(other, options)))
        assert [warning.code for warning in found] == ["options-without-target"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_is_no_edge(server: str) -> None:
    """Where a process stays, long calls, streams, files and private networks are what it is for."""
    text = minimal(
        server,
        "transport: { response: sse }\nvars: { FILE: /etc/notes.conf, API: http://localhost:8080 }\n",
    ).replace(
        "tools: []",
        "tools:\n  - { name: a, description: b, inputSchema: { type: object }, state: session,\n"
        "      max_seconds: 86400 }",
    )
    assert not warnings(loaded(text))


@pytest.mark.parametrize("target", ["", "consistency: eventual", "store: workers-kv"])
@pytest.mark.parametrize("overall", ["strong", "eventual"])
def test_what_is_advised_for_consistency_is_enough(overall: str, target: str) -> None:
    """Whoever sets what the help says is not warned again, and gets the store that it names."""
    text = minimal(
        "cloudflare, bun",
        f"target_options: {{ cloudflare: {{ session: {{ {target} }} }} }}\n"
        f"session: {{ consistency: {overall} }}\ntransport: {{ legacy: sessions }}\n",
    )
    found = warnings(loaded(text))
    late = bool(target) or overall == "eventual"
    assert [one.code for one in found] == ["protocol-session-on-eventual-store"] * late
    for warning in found:
        advice = warning.help or ""
        assert "Durable Objects (Cloudflare Workers)" in advice
        assert ("`session.consistency: strong`" in advice) == (overall == "eventual")
        assert ("`target_options.cloudflare.session" in advice) == bool(target)
    done = text.replace("eventual", "strong").replace("store: workers-kv", "consistency: strong")
    assert not warnings(loaded(done))


@pytest.mark.parametrize("provider", profiles())
def test_a_call_is_held_against_the_limit_of_its_plan(provider: str) -> None:
    """Up to the limit itself nothing is said; a target is named by one rule at most."""
    profile = profiles()[provider]
    for name, plan in profile.plans.items():
        limit = plan.duration_seconds.value
        for seconds in (1, 60, limit or 61, (limit or 86_399) + 1):
            text = minimal(provider, f"target_options: {{ {provider}: {{ plan: {name} }} }}").replace(
                "tools: []",
                "tools: [{ name: a, description: b, inputSchema: { type: object }, "
                f"max_seconds: {seconds} }}]",
            )
            over = limit is not None and seconds > limit
            edge = not profile.runtimes[profile.default_runtime].stays
            long = edge and seconds > facts().edge.call_seconds.value and limit is None
            expected = ["over-time-limit"] * over + ["long-call"] * long
            assert [found.code for found in warnings(loaded(text))] == expected


def test_the_default_path_is_that_of_the_templates() -> None:
    """A URL is compared with what is generated."""
    tree = render_project({"name": "a", "targets": ["deno"], "tools": []})
    assert f'path: "{DEFAULT_PATH}"' in tree["src/generated/config.ts"].decode()


def test_the_default_monitors_are_those_of_the_templates() -> None:
    """Whether a URL is within their reach is asked of what is generated."""
    options = {"deno": {"url": "https://notes.example.com/mcp"}}
    manifest = {"name": "a", "targets": ["deno"], "target_options": options, "tools": []}
    named = {**manifest, "monitor": {"outputs": list(DEFAULT_OUTPUTS)}}
    assert render_project(manifest).keys() == render_project(named).keys()
    assert {*DEFAULT_OUTPUTS, *HOSTED} <= {*get_args(Output)}


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        ("ghp_", "a1" * 18),
        ("github_pat_", "a_1" * 20),
        ("glpat-", "a1-_" * 5),
        ("sk-", "a1" * 24),
        ("sk-", "proj-" + "a1" * 24),
        ("sk-", "ant-api03-" + "a1" * 24),
        ("xoxb-", "1234567890-abc"),
        ("AKIA", "A1" * 8),
        ("AIza", "a1b2_" * 7),
        ("sk_live_", "a1" * 12),
        ("whsec_", "a1" * 16),
        ("npm_", "a1" * 18),
        ("pypi-", "a1" * 30),
        ("hf_", "a1" * 17),
        ("SG.", "a1" * 11 + "." + "b2" * 20),
        ("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + "a1" * 20),
        ("-----BEGIN ", "EC PRIVATE KEY-----"),
        ("redis://default:", "hunter2@cache.example.com"),
    ],
)
def test_a_pasted_secret_is_found_wherever_it_stands_and_never_printed(start: str, rest: str) -> None:
    """A setting, a description, an example of a schema or a comment; what is shown has stars for it."""
    hidden = rest.partition("@")[0]
    for line in ("vars: { A: 'x @ y' }", "instructions: '@'", "# x @ y", "secrets:\n  A: '(@)'"):
        text = minimal("deno", line.replace("@", start + rest))
        found = [one for one in warnings(loaded(text)) if one.code == "pasted-secret"]
        assert len(found) == 1
        assert found[0].span
        assert start in (found[0].span.source or "")
        assert hidden not in render(found[0])
        marked = text.split("\n")[found[0].span.line - 1][found[0].span.column - 1 :]
        assert marked.startswith(start.removeprefix("redis"))


def test_no_warning_prints_a_secret_that_stands_beside_what_it_is_about() -> None:
    """The line that is shown may hold more than what is meant."""
    text = minimal("deno", "vars: { DATABASE: 'postgres://notes:correct-horse@10.0.0.1/notes' }")
    found = warnings(loaded(text))
    assert {one.code for one in found} == {"private-address", "pasted-secret"}
    assert not [one for one in found if "correct" in render(one)]
    assert secret_rules.masked(Span("a")) == Span("a")


@pytest.mark.parametrize(
    ("before", "after", "silent"),
    [
        ("", " # mcp-scaffold: ignore[local-file]", True),
        ("", " # mcp-scaffold:ignore[ long-call , local-file ]", True),
        ("", " # why not? # mcp-scaffold: ignore[local-file]", True),
        ("  # mcp-scaffold: ignore[local-file]\n", "", True),
        ("  # mcp-scaffold: ignore[local-file]\n  # for it is there\n", "", True),
        ("  A: b # mcp-scaffold: ignore[local-file]\n", "", False),
        ("  # mcp-scaffold: ignore[local-file]\n\n", "", False),
        ("  # mcp-scaffold: ignore[long-call]\n", "", False),
        ("", " # ignore[local-file]", False),
    ],
)
def test_a_comment_silences_a_rule_on_its_line_or_the_one_below(
    before: str,
    after: str,
    silent: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Only the rules that it names, and only there."""
    text = minimal("deno", f"vars:\n{before}  FILE: /etc/notes.conf{after}\n  OTHER: ./notes.conf\n")
    found = [one for one in warnings(loaded(text)) if one.code == "local-file"]
    assert len(found) == (1 if silent else 2)
    assert all(one.code == "local-file" for one in warnings(loaded(text)))


@pytest.mark.parametrize("name", ["edge-constraints", "edge-or-server", *CODES, *ERRORS])
def test_every_code_has_a_page(name: str) -> None:
    """A rule's says what it finds, why it matters, what to do and how to be silent; an error's what it is."""
    page = explained(name)
    printed = render_page(page)
    assert name in printed
    assert max(len(line) for line in printed.splitlines() if not line.startswith("  https://")) <= 110
    assert (page.severity is None) == (name in TOPICS)
    for limit, source in page.limits:
        assert limit.of in printed
        assert f"{source.url} ({source.date})" in printed
    if name in CODES:
        assert re.search(r"^Warn of .*\n\nWhy: .*\n\nWhat to do: ", printed, re.DOTALL | re.MULTILINE)
        assert f"# mcp-scaffold: ignore[{name}]" in printed
    for other in re.findall(r"--explain ([a-z-]+)", printed):
        assert other in names()


def test_every_error_has_a_page() -> None:
    """The codes are those that the recorded messages and the sources of the diagnostics know."""
    recorded = "".join(path.read_text() for path in (MANIFESTS / "invalid").glob("*.txt"))
    assert set(re.findall(r"^error\[([a-z0-9-]+)\]", recorded, re.MULTILINE)) <= ERRORS.keys()
    for module in [*(ROOT / "scaffolder/manifest").glob("*.py"), ROOT / "scaffolder/workbench.py"]:
        source = module.read_text()
        assert set(re.findall(r'(?:Diagnostic|_invalid)\(\s*"([a-z0-9-]+)"', source)) <= ERRORS.keys()
    assert not ERRORS.keys() & set(CODES)


@pytest.mark.parametrize(("row", "pages"), [*CONSTRAINTS.items(), *CHOICES.items()], ids=str)
def test_every_row_of_the_guides_tables_is_covered(row: object, pages: list[str]) -> None:
    """By a rule that a manifest can break, or by a page where none can show it."""
    for name in pages:
        assert explained(name)
        assert name in TOPICS or name in CODES
        if name in CODES:
            topics = [topic for topic, text in TOPICS.items() if name in text]
            assert topics, row


def test_the_topics_have_every_row_of_the_guides_tables() -> None:
    """Whoever reads the page sees the whole table."""
    constraints, choice = TOPICS["edge-constraints"], TOPICS["edge-or-server"]
    for words in (
        "persistent process",
        "file system",
        "native Node.js modules",
        "processor time",
        "long-lived connections",
    ):
        assert words in constraints
    for words in (
        "pure functions",
        "30 s",
        "50 ms",
        "bursts",
        "look after a machine",
        "state from call to call",
        "60 s",
        "private network",
        "256 MB",
        "WebSocket",
    ):
        assert words in choice
    assert f"{facts().edge.call_seconds.value} s" in choice
    assert f"{facts().edge.memory_mb.value} MB" in choice


@pytest.mark.parametrize("name", ["", "nothing", "over-time-limits", "OVER_TIME_LIMIT", "x" * 500])
def test_a_page_that_is_not_there_is_said_with_those_that_are(name: str) -> None:
    """With a guess, and the whole list."""
    with pytest.raises(UserError) as raised:
        explained(name)
    *guess, listed = raised.value.help
    assert all(code in listed for code in (*CODES, *ERRORS, *TOPICS))
    assert guess == (["did you mean `over-time-limit`?"] if "limit" in name.lower() else [])


def test_explain_prints_a_page(tmp_path: Path) -> None:
    """It needs no manifest, and a wrong code is no finding."""
    done = check("--explain", "over-time-limit", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == render_page(explained("over-time-limit")) + "\n"
    document = json.loads(check("--explain", "over-time-limit", "--json", cwd=tmp_path).stdout)
    assert (document["schema"], document["ok"]) == ("mcp-scaffold/check@1", True)
    assert document["page"]["severity"] == "warning"
    assert {"of", "value", "url", "date"} == document["page"]["limits"][0].keys()
    wrong = check("--explain", "over-time-limits", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean `over-time-limit`?" in wrong.stderr


def test_strict_makes_a_warning_a_finding(tmp_path: Path) -> None:
    """Without it a warning is printed, and the manifest is valid all the same."""
    (tmp_path / "mcp.yaml").write_text("name: a\ntargets: [deno]\ntools: []\n")
    lax, strict = check(cwd=tmp_path), check("--strict", cwd=tmp_path)
    assert (lax.returncode, strict.returncode) == (0, 1)
    assert lax.stdout.endswith("mcp.yaml is valid: 0 tools for deno.\n")
    assert strict.stdout.endswith("Found 1 warning.\n")
    assert "mcp-scaffold check --explain missing-description" in strict.stderr
    documents = [json.loads(check(*words, "--json", cwd=tmp_path).stdout) for words in ([], ["--strict"])]
    assert [document["ok"] for document in documents] == [True, False]
    assert documents[0]["diagnostics"] == documents[1]["diagnostics"]
    (tmp_path / "mcp.yaml").write_text(minimal("deno"))
    assert check("--strict", cwd=tmp_path).returncode == 0


def test_the_examples_have_only_the_warnings_that_they_should() -> None:
    """What a newcomer sees first is not noise."""
    golden = load(ROOT / "tests/golden/notes/mcp.yaml")
    example = re.search(r"```yaml\n(name: .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert isinstance(golden, Loaded)
    assert example
    assert [one.code for one in warnings(golden)] == ["over-time-limit", "long-call"]
    assert {one.code for one in warnings(loaded(example[1]))} <= {"missing-description"}


def test_every_limit_has_a_source_and_a_use() -> None:
    """What nothing reads is not kept."""
    text = yaml.safe_load((ROOT / "templates/_data/providers.yml").read_text())
    used = set(re.findall(r"source: ([a-z-]+)", (ROOT / "templates/_data/providers.yml").read_text()))
    assert used == text["sources"].keys()


def session_tool(key: str, schema: dict[str, Any], state: str) -> Loaded:
    """Declare one tool, of which one of the schemas is given."""
    tool = {"name": "a", "description": "b", "inputSchema": {"type": "object"}, "state": state}
    tool[key] = {"type": "object", **schema}
    return loaded(json.dumps({"name": "a", "description": "b", "targets": ["deno"], "tools": [tool]}))


@pytest.mark.parametrize(("schema", "keyword"), HANDLED, ids=str)
def test_a_handle_is_said_to_be_refused_where_a_validator_refuses_it(
    schema: dict[str, Any], keyword: str | None
) -> None:
    """Of some value that fits without it; and of nothing else is it said, nor of a tool that has none."""
    for key in ("inputSchema", "outputSchema"):
        found = {
            state: [one for one in warnings(session_tool(key, schema, state)) if one.code == "sealed-schema"]
            for state in ("session", "none")
        }
        message = f"`{keyword}` refuses the `session_id` that is added to the `{key}` of `a`"
        assert [one.message for one in found["session"]] == [message] * bool(keyword)
        assert not found["none"]
    handle = {"session_id": "0c7bfb30-6a4e-4b5f-9d1c-2f8e37a1d604"}
    added = {**schema, "properties": {**schema.get("properties", {}), "session_id": TEXT}}
    before, after = Draft202012Validator(schema), Draft202012Validator(added)
    values: list[dict[str, Any]] = [dict.fromkeys("abcde"[:length], 1) for length in range(6)]
    fitting = [value for value in values if before.is_valid(value)]
    assert fitting
    assert all(after.is_valid({**value, **handle}) for value in fitting) == (keyword is None)


@pytest.mark.parametrize("schema", SENSELESS, ids=lambda schema: str(schema)[:60])
def test_a_schema_that_leads_nowhere_refuses_no_handle(schema: dict[str, Any]) -> None:
    """It is judged all the same, and only what is certain is said."""
    for key in ("inputSchema", "outputSchema"):
        found = warnings(session_tool(key, schema, "session"))
        assert "sealed-schema" not in {one.code for one in found}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.manifests())
def test_every_valid_manifest_can_be_judged(manifest: dict[str, Any]) -> None:
    """Whatever stands in its texts and schemas, each warning can be printed and stands where it is shown."""
    text = yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False)
    result = parse(text)
    assume(isinstance(result, Loaded))  # PyYAML does not quote 1e3, which is refused
    assert isinstance(result, Loaded)
    for found in warnings(result):
        assert found.span
        assert 1 <= found.span.line <= len(text.splitlines()) + 1
        assert render(found)
        assert json.dumps(found.as_json())


@given(
    st.recursive(
        st.none() | st.sampled_from(["id", "#/x", "string", "strng"]) | st.integers(-1, 1), odd_schemas
    )
)
def test_a_schema_that_makes_no_sense_is_judged_all_the_same(value: object) -> None:
    """A keyword may hold anything that is JSON."""
    defined = value if isinstance(value, dict) else {"a": {"items": value}}
    for found in warnings(session_tool("outputSchema", {"$defs": defined, "allOf": [value]}, "session")):
        assert render(found)
