"""Go through all layers of an endpoint, and note what it does at each. Nothing is judged here."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from scaffolder import jsonrpc
from scaffolder.hashing import HashError, definitions_hash, tools_hash
from scaffolder.jsonrpc import Failure, quote, trust
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.layers import Layer, LayerResult, printable, reach
from scaffolder.probe import CallReport, Client, Era, EraReport, get

# Modern first: it meets the cold start, and is what a client of today would ask.
ERAS = (Era.MODERN, Era.LEGACY)

# Headers that say who asks. What merely lets a request through to the server is none of them.
CREDENTIALS = frozenset({"authorization", "cookie", "x-api-key"})

# A shorter word is no secret: it may be the scheme, as in "Bearer".
SHORTEST_SECRET = 8

# How far an exchange came, in the order of the layers.
DEPTH = list(jsonrpc.Layer)


@dataclass(frozen=True, slots=True)
class Hashes:
    """The two hashes of the tools that were listed in one era."""

    tools: str
    definitions: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a server says of itself at `/readyz`."""

    status: int | None
    """None where it does not answer."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examination:
    """What one endpoint did, at one time."""

    url: str
    at: float
    """When it began, in seconds since 1970."""
    layers: tuple[LayerResult, ...]
    """From the bottom to the top; those that were not reached are absent."""
    reports: Mapping[Era, EraReport] = field(default_factory=dict)
    hashes: Mapping[Era, Hashes] = field(default_factory=dict)
    """Of the eras whose tools have a canonical form."""
    latency_ms: float | None = None
    """The slowest of the greeting and the list of tools, in the first era that worked."""
    readiness: Readiness | None = None
    unauthenticated: EraReport | None = None
    """What became of a greeting without credentials."""
    authenticated: bool = False
    """Whether the probe had any."""
    call: CallReport | None = None
    """None where the tool was not called."""

    @property
    def certificate(self) -> Mapping[str, Any]:
        """What is known of the certificate: `starts` and `expires`, in seconds since 1970."""
        return next((layer.facts for layer in self.layers if layer.layer is Layer.TLS), {})

    @property
    def main(self) -> EraReport | None:
        """The first era that worked."""
        return next((report for report in self.reports.values() if report.failure is None), None)


def examine(expectation: Expectation) -> Examination:
    """Examine one endpoint. Whatever a server does is a value, never an exception."""
    at = time.time()
    seconds = expectation.down_ms / 1000
    secure = trust() if expectation.url.lower().startswith("https:") else None
    found = Examination(expectation.url, at, reach(expectation.url, secure, seconds))
    if all(layer.ok for layer in found.layers):
        # A server of which nothing is expected is taken as its clients take it.
        lenient = not expectation.eras
        with Client(expectation.url, expectation.headers, seconds, lenient=lenient) as client:
            found = _converse(found, client, expectation)
    return _redacted(found, expectation.headers.values())


def _converse(found: Examination, client: Client, expectation: Expectation) -> Examination:
    """Ask what a client asks."""
    reports = {era: _introduce(client, era) for era in ERAS}
    hashes, troubles = _hash(reports)
    found = replace(
        found,
        layers=(*found.layers, *_exchanges(reports)),
        reports=reports,
        hashes=hashes,
        authenticated=bool(CREDENTIALS & {name.lower() for name in expectation.headers}),
    )
    if expectation.auth:
        found = _without_credentials(found, expectation)
    main = found.main
    if main is None:
        return found
    found = replace(
        found,
        layers=(*found.layers, _hash_layer(hashes.get(main.era), troubles)),
        latency_ms=max(main.latencies_ms.values(), default=None),
    )
    if expectation.readiness:
        found = _readiness(found, expectation)
    if expectation.call:
        found = _call(found, client, main, expectation.call)
    return replace(found, layers=(*found.layers, *_latency(found)))


def _introduce(client: Client, era: Era) -> EraReport:
    try:
        return client.introduce(era)
    except RecursionError:
        return EraReport(
            era, failure=Failure(jsonrpc.Layer.PROTOCOL, "what it answers is nested without end")
        )


def _exchanges(reports: Mapping[Era, EraReport]) -> Iterator[LayerResult]:
    """Say how far the exchanges came: HTTP and JSON-RPC by the better era, the protocol by era."""
    best = max(reports.values(), key=_depth)
    for layer, own in ((Layer.HTTP, jsonrpc.Layer.HTTP), (Layer.JSON_RPC, jsonrpc.Layer.JSON_RPC)):
        if best.failure is not None and _depth(best) <= DEPTH.index(own):
            yield LayerResult(layer, ok=False, detail=best.failure.message, facts=_facts(best))
            return
        yield LayerResult(layer, ok=True, detail="answers")
    for report in reports.values():
        yield LayerResult(
            Layer.PROTOCOL,
            ok=report.failure is None,
            detail=_introduced(report),
            ms=sum(report.latencies_ms.values()) or None,
            facts=_facts(report),
        )


def _depth(report: EraReport) -> int:
    return len(DEPTH) if report.failure is None else DEPTH.index(report.failure.layer)


def _facts(report: EraReport) -> dict[str, Any]:
    failure = report.failure
    return {
        "era": str(report.era),
        "protocol_versions": list(report.protocol_versions),
        "server": dict(report.server),
        "latencies_ms": dict(report.latencies_ms),
        **(
            {"status": failure.status, "code": failure.code, "challenge": failure.challenge}
            if failure
            else {}
        ),
    }


def _introduced(report: EraReport) -> str:
    if report.failure is not None:
        return f"{report.era}: {report.failure.message}"
    server = " ".join(str(report.server[key]) for key in ("name", "version") if report.server.get(key))
    number = len(report.tools)
    words = [*report.protocol_versions, *([server] if server else []), f"{number} tool{'s' * (number != 1)}"]
    return f"{report.era}: {', '.join(words)}"


def _hash(reports: Mapping[Era, EraReport]) -> tuple[dict[Era, Hashes], list[str]]:
    hashes, troubles = {}, []
    for era, report in reports.items():
        if report.failure is None:
            try:
                hashes[era] = Hashes(tools_hash(report.tools), definitions_hash(report.tools))
            except HashError as error:
                troubles.append(f"the tools have {error}")
    return hashes, troubles


def _hash_layer(hashes: Hashes | None, troubles: Sequence[str]) -> LayerResult:
    if hashes is None:
        return LayerResult(Layer.HASHES, ok=False, detail="; ".join(dict.fromkeys(troubles)))
    facts = {"tools_hash": hashes.tools, "definitions_hash": hashes.definitions}
    detail = f"tools {hashes.tools}, definitions {hashes.definitions}"
    return LayerResult(Layer.HASHES, ok=True, detail=detail, facts=facts)


def _without_credentials(found: Examination, expectation: Expectation) -> Examination:
    """Greet as somebody does who has no credentials, and must not be let in."""
    headers = {name: value for name, value in expectation.headers.items() if name.lower() not in CREDENTIALS}
    era = Era.MODERN if not expectation.eras or Era.MODERN in expectation.eras else Era.LEGACY
    with Client(expectation.url, headers, expectation.down_ms / 1000) as stranger:
        report = _introduce(stranger, era)
    failure = report.failure
    if failure is not None and failure.status == HTTPStatus.UNAUTHORIZED:
        ok = failure.challenge is not None
        detail = f"401, {failure.challenge}" if ok else "401 without a challenge (WWW-Authenticate)"
    else:
        ok = False
        said = "it answers" if failure is None else failure.message
        detail = f"without credentials, {said} instead of 401"
    layer = LayerResult(Layer.AUTH, ok=ok, detail=detail, facts=_facts(report))
    return replace(found, layers=(*found.layers, layer), unauthenticated=report)


def _readiness(found: Examination, expectation: Expectation) -> Examination:
    parts = urlsplit(expectation.url)
    url = urlunsplit((parts.scheme, parts.netloc, "/readyz", "", ""))
    started = time.perf_counter()
    answer = get(url, expectation.headers, expectation.down_ms / 1000)
    ms = (time.perf_counter() - started) * 1000
    if answer is None:
        readiness = Readiness(None, ("/readyz does not answer",))
    elif answer[0] == HTTPStatus.OK:
        readiness = Readiness(answer[0])
    else:
        readiness = Readiness(answer[0], tuple(_missing(*answer)))
    detail = "; ".join(readiness.problems) or "ready"
    layer = LayerResult(Layer.READINESS, ok=not readiness.problems, detail=detail, ms=ms)
    return replace(found, layers=(*found.layers, layer), readiness=readiness)


def _missing(status: int, body: str) -> Iterator[str]:
    """Read what a server says that it lacks."""
    try:
        said = json.loads(body)
        names = [str(name) for name in said.get("missing", [])]
        store = said.get("store")
    except (ValueError, AttributeError, TypeError, RecursionError):
        yield f"/readyz answers HTTP {status}: {quote(body)}"
        return
    if names:
        yield f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing"
    if store:
        yield f"the session store fails: {quote(str(store))}"
    if not names and not store:
        yield f"/readyz answers HTTP {status}: {quote(body)}"


def _call(
    found: Examination, client: Client, main: EraReport, call: tuple[str, Mapping[str, Any]]
) -> Examination:
    """Call a tool, if it says that it only reads: a probe changes nothing."""
    name, arguments = call
    tool = next((tool for tool in main.tools if tool["name"] == name), None)
    hints = (tool or {}).get("annotations")
    if tool is None or not isinstance(hints, dict) or hints.get("readOnlyHint") is not True:
        why = "is not listed" if tool is None else "does not say that it only reads (`readOnlyHint`)"
        layer = LayerResult(Layer.CALL, ok=False, detail=f"`{name}` {why}, and was not called")
        return replace(found, layers=(*found.layers, layer))
    report = client.call(name, arguments, main.era)
    if report.failure is not None:
        detail = f"`{name}`: {report.failure.message}"
    elif report.result.get("isError"):
        detail = f"`{name}` answers with an error: {quote(report.text)}"
    else:
        detail = f"`{name}` answers"
    ok = report.failure is None and not report.result.get("isError")
    layer = LayerResult(Layer.CALL, ok=ok, detail=detail, ms=report.latency_ms or None)
    return replace(found, layers=(*found.layers, layer), call=report)


def _latency(found: Examination) -> Iterator[LayerResult]:
    if found.latency_ms is not None and found.main is not None:
        parts = (f"{method} {ms:.0f} ms" for method, ms in found.main.latencies_ms.items())
        yield LayerResult(Layer.LATENCY, ok=True, detail=", ".join(parts), ms=found.latency_ms)


def _redacted(found: Examination, secrets: Iterable[str]) -> Examination:
    """Take out of what a server said what it was told in confidence, and what would steer a terminal."""
    # "Bearer abc" is sent as a whole, and "abc" is what a server would repeat.
    values = {
        part for secret in secrets for part in (secret, *secret.split()) if len(part) >= SHORTEST_SECRET
    }
    ordered = sorted(values, key=len, reverse=True)

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for secret in ordered:
                value = value.replace(secret, "[secret]")
            return printable(value)
        if isinstance(value, dict):
            return {clean(key): clean(item) for key, item in value.items()}
        return [clean(item) for item in value] if isinstance(value, list) else value

    layers = tuple(
        replace(layer, detail=clean(layer.detail), facts=clean(dict(layer.facts))) for layer in found.layers
    )
    reports = {
        era: replace(
            report,
            server=clean(dict(report.server)),
            protocol_versions=tuple(map(clean, report.protocol_versions)),
            failure=report.failure and _clean_failure(report.failure, clean),
        )
        for era, report in found.reports.items()
    }
    readiness = found.readiness and replace(
        found.readiness, problems=tuple(map(clean, found.readiness.problems))
    )
    return replace(found, layers=layers, reports=reports, readiness=readiness)


def _clean_failure(failure: Failure, clean: Callable[[Any], Any]) -> Failure:
    return replace(failure, message=clean(failure.message), challenge=clean(failure.challenge))
