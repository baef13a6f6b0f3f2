"""Verdicts are exposed as Prometheus reads them."""

import re
import subprocess
from dataclasses import replace

import pytest
from debian import program

from scaffolder.exchanges import Failure
from scaffolder.exchanges import Layer as Depth
from scaffolder.monitoring.examination import Examination
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.layers import Layer, LayerResult
from scaffolder.monitoring.probing import Probed
from scaffolder.monitoring.prometheus import exposition
from scaffolder.monitoring.verdict import judge
from scaffolder.probe import MODERN, Era, EraReport

URL = "https://notes.example.com/mcp"

TOOL = {"name": "look", "inputSchema": {"type": "object"}}

# The text format, as its specification has it.
SAMPLE = re.compile(
    r'([a-z_]+)\{([a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*)\} (-?[0-9.e+-]+)'
)

EXPECTED = Expectation("deno", URL, timeout_ms=500, eras=(Era.MODERN, Era.LEGACY))


def layers(*failing: Layer) -> tuple[LayerResult, ...]:
    """Return layers, of which some fail."""
    return (
        LayerResult(Layer.DNS, ok=True, detail="", ms=3.0),
        LayerResult(Layer.TLS, ok=True, detail="", ms=20.0, facts={"starts": 0.0, "expires": 2e9}),
        LayerResult(Layer.PROTOCOL, ok=True, detail="", ms=12.5, facts={"era": "modern"}),
        LayerResult(
            Layer.PROTOCOL, ok=Layer.PROTOCOL not in failing, detail="", ms=None, facts={"era": "legacy"}
        ),
        LayerResult(Layer.LATENCY, ok=True, detail="", ms=600.0),
    )


def probed(expectation: Expectation = EXPECTED, *, legacy: bool = True) -> Probed:
    """Return a slow server, whose legacy era works or does not."""
    reports = {
        Era.MODERN: EraReport(Era.MODERN, (MODERN,), {}, (TOOL,), {"tools/list": 600.0}),
        Era.LEGACY: EraReport(Era.LEGACY, failure=None if legacy else Failure(Depth.PROTOCOL, "no", 200)),
    }
    found = layers() if legacy else layers(Layer.PROTOCOL)
    examination = Examination(URL, 1.75e9 + 0.25, found, reports, latency_ms=600.0)
    return Probed(expectation, examination, judge(examination, expectation))


def samples(*probes: Probed) -> dict[str, dict[str, str]]:
    """Read an exposition: the values by labels, by metric."""
    found: dict[str, dict[str, str]] = {}
    for line in exposition(probes).splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP [a-z_]+ [^\n]+|TYPE [a-z_]+ gauge)", line)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        assert labels not in found.setdefault(name, {}), "the same series twice"
        found[name][labels] = value
    return found


AT = f'target="deno",url="{URL}"'


def test_a_slow_server() -> None:
    """It has one state, its times are in seconds, and the layer to blame has not been passed."""
    found = samples(probed())
    assert found["mcp_probe_success"] == {AT: "0"}
    states = found["mcp_probe_state"]
    assert [labels for labels, value in states.items() if value == "1"] == [f'{AT},state="degraded"']
    assert len(states) == 5
    assert found["mcp_probe_latency_seconds"] == {AT: "0.6"}
    assert found["mcp_probe_tools"] == {AT: "1"}
    assert found["mcp_probe_certificate_expiry_timestamp_seconds"] == {AT: "2000000000"}
    assert found["mcp_probe_timestamp_seconds"] == {AT: "1750000000.25"}
    assert found["mcp_probe_layer_duration_seconds"][f'{AT},layer="protocol",era="modern"'] == "0.0125"
    passed = found["mcp_probe_layer_success"]
    assert passed[f'{AT},layer="dns"'] == "1"
    assert passed[f'{AT},layer="latency"'] == "0"


def test_an_era_that_fails() -> None:
    """It is told apart from the other."""
    passed = samples(probed(legacy=False))["mcp_probe_layer_success"]
    assert passed[f'{AT},layer="protocol",era="modern"'] == "1"
    assert passed[f'{AT},layer="protocol",era="legacy"'] == "0"


def test_an_era_that_nobody_expects() -> None:
    """It has no value, or whoever watches for zeros would be called for nothing."""
    passed = samples(probed(Expectation("deno", URL), legacy=False))["mcp_probe_layer_success"]
    assert f'{AT},layer="protocol",era="modern"' in passed
    assert f'{AT},layer="protocol",era="legacy"' not in passed


def test_a_server_that_is_down() -> None:
    """What was not reached has no value, rather than a wrong one."""
    refused = LayerResult(Layer.TCP, ok=False, detail="refused", ms=1.0)
    examination = Examination(URL, 1.75e9, (refused,))
    found = samples(Probed(EXPECTED, examination, judge(examination, EXPECTED)))
    assert found["mcp_probe_success"] == {AT: "0"}
    assert found["mcp_probe_layer_success"] == {f'{AT},layer="tcp"': "0"}
    assert "mcp_probe_latency_seconds" not in found
    assert "mcp_probe_tools" not in found


def test_several_servers() -> None:
    """Each metric has its samples together, under one head."""
    two = [probed(), probed(replace(EXPECTED, name="bun"))]
    found = samples(*two)
    assert len(found["mcp_probe_success"]) == 2
    heads = [line for line in exposition(two).splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) == len(found)


@pytest.mark.parametrize(
    ("name", "label"), [('a"b', r"a\"b"), ("a\\b", r"a\\b"), ("a\nb", r"a\nb"), ("é😀", "é😀")]
)
def test_names_are_escaped(name: str, label: str) -> None:
    """Whatever a target is called."""
    assert list(samples(probed(replace(EXPECTED, name=name)))["mcp_probe_success"]) == [
        f'target="{label}",url="{URL}"'
    ]


def test_prometheus_takes_it() -> None:
    """Its own checker finds nothing wrong, neither with a server that works nor with one that does not."""
    examination = Examination(URL, 1.75e9, (LayerResult(Layer.TCP, ok=False, detail="refused", ms=1.0),))
    named = replace(EXPECTED, name='a"b\\c\nd é')
    down = Probed(named, examination, judge(examination, named))
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=exposition([probed(), down, probed(replace(EXPECTED, name="bun"), legacy=False)]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_wall_that_is_expected() -> None:
    """It is no failure of a layer."""
    failure = Failure(Depth.HTTP, "HTTP 401", 401, challenge="Bearer")
    reports = {era: EraReport(era, failure=failure) for era in Era}
    wall = (
        LayerResult(Layer.HTTP, ok=True, detail="answers with 401"),
        LayerResult(Layer.AUTH, ok=True, detail="401, Bearer"),
    )
    examination = Examination(URL, 1.75e9, wall, reports, unauthenticated=reports)
    expectation = replace(EXPECTED, auth=True)
    found = samples(Probed(expectation, examination, judge(examination, expectation)))
    assert found["mcp_probe_success"] == {AT: "1"}
    assert set(found["mcp_probe_layer_success"].values()) == {"1"}


def test_a_slow_server_that_is_allowed_to_be() -> None:
    """Nobody is called, and the layer is slow all the same."""
    found = samples(probed(replace(EXPECTED, allow_slow=True)))
    assert found["mcp_probe_success"] == {AT: "1"}
    assert found["mcp_probe_layer_success"][f'{AT},layer="latency"'] == "0"


def test_an_era_that_fails_below_the_protocol() -> None:
    """It is expected, so it has a value, whichever layer is to blame."""
    one = probed()
    failure = Failure(Depth.HTTP, "initialize: HTTP 500", 500)
    reports = {**one.examination.reports, Era.LEGACY: EraReport(Era.LEGACY, failure=failure)}
    layers = (
        LayerResult(Layer.HTTP, ok=True, detail="answers"),
        LayerResult(Layer.PROTOCOL, ok=False, detail="HTTP 500", facts={"era": "legacy"}),
    )
    examination = replace(one.examination, layers=layers, reports=reports)
    found = samples(Probed(EXPECTED, examination, judge(examination, EXPECTED)))
    assert found["mcp_probe_layer_success"] == {
        f'{AT},layer="http"': "0",
        f'{AT},layer="protocol",era="legacy"': "0",
    }
