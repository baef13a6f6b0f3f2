"""The rules about valid manifests: what is worth a word, and where it stands."""

from pathlib import Path

import pytest

from scaffolder.diagnostics import Severity, render
from scaffolder.manifest import Loaded, load, parse
from scaffolder.providers import profiles
from scaffolder.rules import RULES, warnings

VALID = sorted((Path(__file__).parent / "manifests/valid").glob("*.yaml"))
RUNTIMES = [
    (provider, name, runtime.deprecated)
    for provider, profile in profiles().items()
    for name, runtime in profile.runtimes.items()
    if "runtime" in profile.options
]


def loaded(text: str) -> Loaded:
    """Return a manifest, which has to be valid."""
    result = parse(text)
    assert isinstance(result, Loaded)
    return result


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_has_a_page(rule: object) -> None:
    """Its docstring says what is found, and what to do."""
    summary, _, rest = (rule.__doc__ or "").partition("\n\n")
    assert summary.endswith(".")
    assert rest


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_warning_reads_as_an_error_does(path: Path) -> None:
    """It has a place, is in lower case without a full stop, and is no error."""
    result = load(path)
    assert isinstance(result, Loaded)
    for found in warnings(result):
        assert found.severity is Severity.WARNING
        assert found.span
        assert found.span.file == str(path)
        for text in (found.message, found.label or "", found.help or ""):
            assert not text.endswith(".")


@pytest.mark.parametrize(("provider", "name", "deprecated"), RUNTIMES)
def test_a_deprecated_runtime_is_told_of_where_it_is_chosen(
    provider: str, name: str, deprecated: object
) -> None:
    """What the vendor says of it is passed on; a runtime that has a future gives no warning."""
    text = (
        f"name: a\ntools: []\ntargets: [{provider}]\ntarget_options:\n  {provider}: {{ runtime: {name} }}\n"
    )
    found = warnings(loaded(text))
    assert [warning.code for warning in found] == (["deprecated-runtime"] if deprecated else [])
    for warning in found:
        line = f"  {provider}: {{ runtime: {name} }}"
        assert warning.span
        assert (warning.span.line, warning.span.column) == (5, line.index(name) + 1)
        assert render(warning).startswith(f"warning[deprecated-runtime]: the runtime `{name}`")


def test_options_of_what_is_no_target_are_passed_over() -> None:
    """Nothing is generated for them."""
    deprecated = [(provider, name) for provider, name, why in RUNTIMES if why]
    assert deprecated
    for provider, name in deprecated:
        other = next(one for one in profiles() if one != provider)
        options = f"target_options: {{ {provider}: {{ runtime: {name} }} }}"
        assert not warnings(loaded(f"name: a\ntools: []\ntargets: [{other}]\n{options}\n"))
