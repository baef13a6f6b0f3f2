"""Reading mcp.yaml: what is accepted, and what a user sees when something is wrong."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from scaffolder.diagnostics import Diagnostic, Severity, Span, pieces, render
from scaffolder.manifest import Invalid, Loaded, load, parse
from scaffolder.providers import Fact, Profile, profiles

MANIFESTS = Path(__file__).parent / "manifests"
VALID = sorted((MANIFESTS / "valid").glob("*.yaml"))
INVALID = sorted((MANIFESTS / "invalid").glob("*.yaml"))

START = "name: notes\ntargets: [bun]\n"


def loaded(text: str) -> Loaded:
    """Return what a text says, which has to be valid."""
    result = parse(text)
    assert isinstance(result, Loaded), render(result.diagnostics[0])
    return result


def refused(text: str) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a text, which has to be something."""
    result = parse(text)
    assert isinstance(result, Invalid)
    return result.diagnostics


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_manifest_is_passed_on_as_it_was_written(path: Path) -> None:
    """What is rendered is the document as Copier would read it: nothing is added, dropped or cast."""
    result = load(path)
    assert isinstance(result, Loaded)
    assert result.raw == yaml.safe_load(path.read_text())
    assert result.manifest.name == result.raw["name"]


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_manifest_prints_its_recorded_message(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, update_golden: bool
) -> None:
    """Every error is there, with its place, what was found, what is allowed and what was meant."""
    monkeypatch.chdir(path.parent)
    result = load(Path(path.name))
    assert isinstance(result, Invalid)
    printed = "\n\n".join(render(diagnostic) for diagnostic in result.diagnostics) + "\n"
    recorded = path.with_suffix(".txt")
    if update_golden or os.environ.get("UPDATE_GOLDEN"):
        recorded.write_text(printed)
    assert printed == recorded.read_text()


def test_every_recorded_message_has_its_manifest() -> None:
    """No message outlives the manifest that it is about."""
    assert {path.stem for path in (MANIFESTS / "invalid").glob("*.txt")} == {path.stem for path in INVALID}
    assert len(INVALID) >= 25


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_message_reads_as_the_others_do(path: Path) -> None:
    """A code of kebab-case words, and a message in lower case without a full stop, on one line."""
    result = load(path)
    assert isinstance(result, Invalid)
    for diagnostic in result.diagnostics:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", diagnostic.code)
        for text in (diagnostic.message, diagnostic.label or "x", diagnostic.help or "x"):
            assert not text.endswith(".")
            assert text.isprintable()
            assert not re.match(r"[A-Z][a-z]", text.removeprefix(str(path)).removeprefix("JavaScript"))
        assert "".join(text for _, text in pieces(diagnostic)) == render(diagnostic)


def test_absent_stays_absent() -> None:
    """Defaults live in the templates alone, so that the model has nothing to disagree with."""
    manifest = loaded(f"{START}tools: [{{name: a, inputSchema: {{type: object}}}}]").manifest
    assert manifest.version is None
    assert manifest.transport is None
    assert manifest.tools[0].state is None
    assert set(manifest.model_fields_set) == {"name", "targets", "tools"}


def test_a_manifest_cannot_be_changed() -> None:
    """What was judged is what is rendered."""
    manifest = loaded(f"{START}tools: []").manifest
    with pytest.raises(ValidationError, match="frozen"):
        manifest.name = "other"


def test_options_are_those_of_the_provider() -> None:
    """Plans and choices come from providers.yml, by target."""
    for provider, profile in profiles().items():
        for option, values in {"plan": list(profile.plans), **profile.options}.items():
            for value in values:
                text = f"{START}tools: []\ntarget_options: {{ {provider}: {{ {option}: {value} }} }}"
                options = loaded(text).manifest.target_options
                assert options
                assert options[provider].choice(option) == value
        (found,) = refused(f"{START}tools: []\ntarget_options: {{ {provider}: {{ plan: gold }} }}")
        assert found.code == "unknown-value"
        assert all(f"`{plan}`" in found.message for plan in profile.plans)


def test_stores_are_those_of_the_provider() -> None:
    """Where a target keeps sessions can be chosen from what there is, with or without how consistently."""
    for provider, profile in profiles().items():
        for store in profile.stores.ids:
            for more in ("", ", consistency: eventual"):
                options = f"{{ {provider}: {{ session: {{ store: {store}{more} }} }} }}"
                found = loaded(f"{START}tools: []\ntarget_options: {options}").manifest.target_options
                assert found
                session = found[provider].session
                assert session
                assert session.store == store
                assert session.consistency == ("eventual" if more else None)
        (wrong,) = refused(
            f"{START}tools: []\ntarget_options: {{ {provider}: {{ session: {{ store: x }} }} }}"
        )
        assert wrong.code == "unknown-value"
        assert all(f"`{store}`" in wrong.message for store in profile.stores.ids)


def test_every_error_is_reported_at_once() -> None:
    """One run says everything: YAML's surprises, the models' rules and those that join parts."""
    codes = {
        found.code
        for found in refused(
            "name: notes\nname: Notes\ntargets: [bun, nowhere]\nsecrets: {}\ntools:\n"
            "  - {name: a, inputSchema: {type: object, x: 2026-11-22, on: 1}, secrets: [TOKEN]}\n"
            "  - {name: A, inputSchema: {type: object}, max_seconds: 0}\n"
        )
    }
    assert codes >= {
        "duplicate-key",
        "wrong-form",
        "unknown-value",
        "not-json",
        "key-not-text",
        "undeclared-secret",
        "duplicate-tool",
        "out-of-range",
    }


def test_errors_come_in_the_order_of_the_file() -> None:
    """A user works from the top of the file to its end."""
    spans = [found.span for found in refused("tools: 1\ntargets: 2\nname: 3\nnope: 4\n")]
    assert [span.line for span in spans if span] == [1, 2, 3, 4]


def test_a_manifest_further_up_is_pointed_at(tmp_path: Path) -> None:
    """The command was given in a folder of the project, most likely."""
    (tmp_path / "mcp.yaml").write_text("name: a")
    (tmp_path / "src/tools").mkdir(parents=True)
    result = load(tmp_path / "src/tools/mcp.yaml")
    assert isinstance(result, Invalid)
    assert result.diagnostics[0].help == f"there is {tmp_path / 'mcp.yaml'}"


def test_a_conflict_of_a_merge_is_called_that() -> None:
    """Its markers are no YAML, and what a parser would say of them helps nobody."""
    text = "name: a\n<<<<<<< HEAD\ntargets: [deno]\n=======\ntargets: [bun]\n>>>>>>> other\ntools: []\n"
    (found,) = refused(text)
    assert found.message == "version control has left a conflict of a merge here"
    assert found.span
    assert (found.span.line, found.span.column) == (2, 1)


@pytest.mark.parametrize(
    ("content", "code", "advice"),
    [
        (None, "no-manifest", "mcp-scaffold new"),
        (b"\xff\xfe\x00", "not-utf-8", "UTF-8"),
        (b"", "empty-manifest", "`name`"),
    ],
)
def test_a_file_that_cannot_be_judged(tmp_path: Path, content: bytes | None, code: str, advice: str) -> None:
    """What is wrong with the file itself is said as plainly."""
    path = tmp_path / "far/from/any/other/mcp.yaml"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    result = load(path)
    assert isinstance(result, Invalid)
    (found,) = result.diagnostics
    assert found.code == code
    assert advice in (found.help or "")
    assert result.readable == (content is not None)


def test_the_other_spelling_of_the_file_is_offered(tmp_path: Path) -> None:
    """`mcp.yml` is a common slip."""
    (tmp_path / "mcp.yml").write_text("")
    result = load(tmp_path / "mcp.yaml")
    assert isinstance(result, Invalid)
    assert result.diagnostics[0].help == f"there is {tmp_path / 'mcp.yml'}"


def test_a_folder_is_not_a_manifest(tmp_path: Path) -> None:
    """A path that cannot be read ends in a message, not in a traceback."""
    result = load(tmp_path)
    assert isinstance(result, Invalid)
    assert result.diagnostics[0].code == "unreadable-manifest"
    assert not result.readable


def test_yaml_that_copier_reads_is_read_alike() -> None:
    """Anchors and merge keys work, and a merged key that is set again is no repetition."""
    text = (
        f"{START}tools:\n  - &base {{name: a, inputSchema: {{type: object}}, max_seconds: 5}}\n"
        "  - <<: *base\n    name: b\n    max_seconds: 6\n"
    )
    assert loaded(text).raw == yaml.safe_load(text)
    assert loaded("\ufeff".encode().decode("utf-8-sig") + f"{START}tools: []").raw["name"] == "notes"


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2",
        "a: b: c",
        "? [a]\n: 1",
        "a: 0x_",
        "a: 9" + "9" * 5000,
        "a: <<",
        "<<: [1]",
        "a: !!binary x",
        "%FOO\n--- a",
        "a: 1\n...\nb: 2",
        "- [",
        "{",
        "'",
        "\x00",
        "&a [*a]",
        "&a {b: *a}",
        "[" * 900 + "]" * 900,
        "? a\n? a\n",
        "{a: 1, a: 2}",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "\t",
        "a:\n\t- b",
        "*x",
        "@",
        "|\n",
        "name: !!python/object:os.system x",
        "\ud800",
    ],
)
def test_no_text_ends_in_a_traceback(text: str) -> None:
    """Whatever stands in the file, its reader gets a diagnostic that can be printed."""
    for found in refused(text):
        assert render(found)
        assert json.dumps(found.as_json())


def test_a_warning_and_json_have_the_documented_shape() -> None:
    """`--json` prints the fields that style and README promise."""
    span = Span("mcp.yaml", 2, 23, 2, 28, "targets: [cloudflare, denno]")
    found = Diagnostic("some-rule", "a message", span, "a label", "some help", Severity.WARNING)
    assert found.as_json() == {
        "code": "some-rule",
        "severity": "warning",
        "message": "a message",
        "label": "a label",
        "help": "some help",
        "location": {"file": "mcp.yaml", "line": 2, "column": 23},
        "end_location": {"line": 2, "column": 28},
    }
    assert render(found).splitlines() == [
        "warning[some-rule]: a message",
        " --> mcp.yaml:2:23",
        "  |",
        "2 | targets: [cloudflare, denno]",
        "  |                       ^^^^^ a label",
        "  = help: some help",
    ]
    assert render(Diagnostic("x", "no place")) == "error[x]: no place"


def test_a_fact_without_a_source_is_refused() -> None:
    """providers.yml says where each value was read."""
    assert all(isinstance(profile, Profile) for profile in profiles().values())
    with pytest.raises(ValidationError):
        Fact[int].model_validate({"value": 1})
