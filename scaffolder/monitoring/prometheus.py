"""Print verdicts as Prometheus reads them: the text exposition format, version 0.0.4."""

from collections.abc import Iterable, Iterator, Sequence

from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import Probed
from scaffolder.monitoring.verdict import State

Sample = tuple[dict[str, str], float]


def exposition(probed: Sequence[Probed]) -> str:
    """Return the metrics of some endpoints, each with its labels `target` and `url`."""
    return "".join(_lines(probed))


def _lines(probed: Sequence[Probed]) -> Iterator[str]:
    for name, what, samples in _metrics(probed):
        found = list(samples)
        if found:
            yield f"# HELP {name} {what}\n# TYPE {name} gauge\n"
            yield from (f"{name}{{{_labels(labels)}}} {_number(value)}\n" for labels, value in found)


def _metrics(probed: Sequence[Probed]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    each = [
        ({"target": one.expectation.name, "url": one.expectation.url}, one.examination, one.verdict)
        for one in probed
    ]
    yield (
        "mcp_probe_success",
        "Whether nobody has to look after the server (1) or somebody does (0).",
        [(at, float(judged.exit_status == 0)) for at, _, judged in each],
    )
    yield (
        "mcp_probe_state",
        "The state of the server: 1 for the one that it is in.",
        [
            ({**at, "state": str(state)}, float(judged.state is state))
            for at, _, judged in each
            for state in reversed(State)
        ],
    )
    yield (
        "mcp_probe_layer_success",
        "Whether a layer was passed; those that were not reached, or need not be, are absent.",
        [
            ({**at, "layer": layer, **({"era": era} if era else {})}, float(ok))
            for one, (at, _, _) in zip(probed, each, strict=True)
            for layer, era, ok in _layers(one)
        ],
    )
    yield (
        "mcp_probe_layer_duration_seconds",
        "How long a layer took.",
        [
            ({**at, "layer": str(result.layer), **_era(str(result.facts.get("era", "")))}, result.ms / 1000)
            for at, seen, _ in each
            for result in seen.layers
            if result.ms is not None
        ],
    )
    yield (
        "mcp_probe_latency_seconds",
        "The slowest of the greeting and the list of tools.",
        [(at, seen.latency_ms / 1000) for at, seen, _ in each if seen.latency_ms is not None],
    )
    yield (
        "mcp_probe_tools",
        "How many tools the server lists.",
        [(at, float(len(seen.main.tools))) for at, seen, _ in each if seen.main is not None],
    )
    yield (
        "mcp_probe_certificate_expiry_timestamp_seconds",
        "When the certificate expires.",
        [(at, seen.certificate["expires"]) for at, seen, _ in each if "expires" in seen.certificate],
    )
    yield (
        "mcp_probe_timestamp_seconds",
        "When the probe began.",
        [(at, seen.at) for at, seen, _ in each],
    )


def _layers(one: Probed) -> Iterator[tuple[str, str, bool]]:
    for result in one.examination.layers:
        era = str(result.facts.get("era", "")) if result.layer is Layer.PROTOCOL else ""
        blamed = one.verdict.blames(result)
        # An era that nobody expects, and that is not there, is no failure.
        if result.ok or blamed or result.layer is not Layer.PROTOCOL or era in one.expectation.eras:
            yield str(result.layer), era, result.ok and not blamed


def _era(era: str) -> dict[str, str]:
    return {"era": era} if era else {}


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
