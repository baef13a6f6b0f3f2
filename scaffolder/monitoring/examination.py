"""Go through all layers of an endpoint, and note what it does at each. Nothing is judged here."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from scaffolder import exchanges
from scaffolder.exchanges import Failure
from scaffolder.hashing import HashError, definitions_hash, tools_hash
from scaffolder.httpclient import trust
from scaffolder.monitoring.expectation import Expectation, ExpectationError, is_personal
from scaffolder.monitoring.layers import Layer, LayerResult, printable, reach
from scaffolder.monitoring.redaction import Redaction, redaction
from scaffolder.monitoring.walls import forgotten
from scaffolder.probe import CallReport, Client, Era, EraReport, get
from scaffolder.quoting import excerpt, is_html, quote

# Modern first: it meets the cold start, and is what a client of today would ask.
ERAS = (Era.MODERN, Era.LEGACY)

SHORT_HASH = 12
"""Digits."""

# How far an exchange came, in the order of the layers.
DEPTH = list(exchanges.Layer)


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
    missing: tuple[str, ...] = ()
    """What it says that it has not been given."""


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
    """The slowest of the greetings and the lists of tools, in the eras that worked and are expected."""
    readiness: Readiness | None = None
    unauthenticated: Mapping[Era, EraReport] = field(default_factory=dict)
    """What became of somebody without credentials; empty where nobody was sent."""
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
    """Examine one endpoint. Whatever a server does is a value, never an exception.

    Raises ExpectationError for a call that the server was never expected to take: what is not listed, or
    does not say that it only reads.

    It takes no more than twenty times `down_ms`, which is for each exchange; one that hangs takes two or
    three.
    """
    at = time.time()
    seconds = expectation.down_ms / 1000
    secure = trust() if expectation.url.lower().startswith("https:") else None
    found = Examination(expectation.url, at, reach(expectation.url, secure, seconds))
    if all(layer.ok for layer in found.layers):
        # A server of which nothing is expected is taken as its clients take it.
        lenient = not expectation.eras
        with Client(expectation.url, expectation.headers, seconds, lenient=lenient) as client:
            found = _converse(found, client, expectation)
    return _redacted(found, redaction(expectation.headers))


def _converse(found: Examination, client: Client, expectation: Expectation) -> Examination:
    """Ask what a client asks."""
    reports = {era: _introduce(client, era) for era in ERAS}
    hashes, troubles = _hash(reports)
    found = replace(
        found,
        layers=(*found.layers, *_exchanges(reports, expectation)),
        reports=reports,
        hashes=hashes,
        authenticated=any(map(is_personal, expectation.headers)),
    )
    if expectation.auth:
        found = _without_credentials(found, expectation)
    elif lacks := forgotten(expectation):
        found = replace(found, layers=(*found.layers, LayerResult(Layer.AUTH, ok=False, detail=lacks)))
    main = found.main
    if main is None:
        return found
    found = replace(
        found,
        layers=(*found.layers, _hash_layer(hashes.get(main.era), troubles)),
        latency_ms=max(
            (
                ms
                for report in reports.values()
                if report.failure is None and (report.era in expectation.eras or not expectation.eras)
                for ms in report.latencies_ms.values()
            ),
            default=max(main.latencies_ms.values(), default=None),
        ),
    )
    if expectation.readiness:
        found = _readiness(found, expectation)
    if expectation.call:
        found = _call(found, client, main, expectation)
    return replace(found, layers=(*found.layers, *_latency(found)))


def _introduce(client: Client, era: Era) -> EraReport:
    try:
        return client.introduce(era)
    except RecursionError:
        return EraReport(
            era, failure=Failure(exchanges.Layer.PROTOCOL, "what it answers is nested without end")
        )


def _exchanges(reports: Mapping[Era, EraReport], expectation: Expectation) -> Iterator[LayerResult]:
    """Say how far the exchanges came: HTTP and JSON-RPC by the better era, the protocol by era."""
    best = max(reports.values(), key=_depth)
    if expectation.auth and not any(map(is_personal, expectation.headers)) and _is_unauthorized(best):
        # That is what HTTP has to answer, and nothing above it is to be seen.
        yield LayerResult(Layer.HTTP, ok=True, detail="answers with 401", facts=_facts(best))
        return
    for layer, own in ((Layer.HTTP, exchanges.Layer.HTTP), (Layer.JSON_RPC, exchanges.Layer.JSON_RPC)):
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
    words = [*report.protocol_versions, *([server] if server else [])]
    return f"{report.era}: {quote(', '.join(words))}, {number} tool{'s' * (number != 1)}"


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
    detail = f"tools {short(hashes.tools)}, definitions {short(hashes.definitions)}"
    return LayerResult(Layer.HASHES, ok=True, detail=detail, facts=facts)


def short(digest: str) -> str:
    """Cut a hash to what tells it from another; whoever compares by machine has the facts."""
    return digest.removeprefix("sha256:")[:SHORT_HASH]


def _is_unauthorized(report: EraReport) -> bool:
    return report.failure is not None and report.failure.status == HTTPStatus.UNAUTHORIZED


def _without_credentials(found: Examination, expectation: Expectation) -> Examination:
    """Ask as somebody does who has no credentials, in each era: each may have its own way in."""
    reports = found.reports
    if not any(report.failure is None or report.failure.status for report in reports.values()):
        return found
    if found.authenticated:
        headers = {name: value for name, value in expectation.headers.items() if not is_personal(name)}
        with Client(expectation.url, headers, expectation.down_ms / 1000) as stranger:
            reports = {era: _introduce(stranger, era) for era in ERAS}
    layer = _auth_layer(reports)
    if lacks := forgotten(expectation):
        layer = replace(layer, detail=f"{layer.detail}; {lacks}")
    return replace(found, layers=(*found.layers, layer), unauthenticated=reports)


def _auth_layer(reports: Mapping[Era, EraReport]) -> LayerResult:
    """Say how somebody without credentials fared, by the era that says most: the one that lets in, if any."""
    let_in = [report for report in reports.values() if report.failure is None]
    refused = [report for report in reports.values() if _is_unauthorized(report)]
    report = next(iter([*let_in, *refused, *reports.values()]))
    failure = report.failure
    ok = bool(refused) and not let_in and all(each.failure and each.failure.challenge for each in refused)
    if failure is None:
        detail = f"who has no credentials gets an answer in the {report.era} era, and no 401"
    elif not refused:
        detail = f"who has no credentials does not get a 401: {failure.message}"
    else:
        detail = f"401, {failure.challenge}" if ok else "401 without a challenge (WWW-Authenticate)"
    return LayerResult(Layer.AUTH, ok=ok, detail=detail, facts=_facts(report))


def _readiness(found: Examination, expectation: Expectation) -> Examination:
    parts = urlsplit(expectation.url)
    url = urlunsplit((parts.scheme, parts.netloc, "/readyz", "", ""))
    started = time.perf_counter()
    answer = get(url, expectation.headers, expectation.down_ms / 1000)
    ms = (time.perf_counter() - started) * 1000
    if answer is None:
        readiness = Readiness(None, ("/readyz does not answer",))
    elif answer[0] == HTTPStatus.OK and _says_ready(answer[1]):
        readiness = Readiness(answer[0])
    else:
        names, problems = _lacks(*answer)
        readiness = Readiness(answer[0], problems, names)
    detail = "; ".join(readiness.problems) or "ready"
    layer = LayerResult(Layer.READINESS, ok=not readiness.problems, detail=detail, ms=ms)
    return replace(found, layers=(*found.layers, layer), readiness=readiness)


def _says_ready(body: str) -> bool:
    """Tell whether it is the server that answers, and not something that has a page for every path."""
    with suppress(ValueError, RecursionError):
        said = json.loads(body)
        return isinstance(said, dict) and said.get("status") == "ready"
    return False


def _lacks(status: int, body: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read what a server says that it lacks: the names, and everything in sentences."""
    try:
        said = json.loads(body)
        names = said.get("missing", [])
        names = list(map(str, names)) if isinstance(names, list) else []
        store = said.get("store")
    except (ValueError, AttributeError, TypeError, RecursionError):
        names, store = [], None
    problems = []
    if names:
        problems.append(f"{quote(', '.join(names))} {'is' if len(names) == 1 else 'are'} missing")
    if store:
        problems.append(f"the session store fails: {quote(str(store))}")
    if not problems:
        said = excerpt(body)
        what = ", a page of HTML" if is_html("", body) else f": {said}" if said else ""
        problems.append(f"/readyz answers HTTP {status}{what}")
    return tuple(names), tuple(problems)


def _call(found: Examination, client: Client, main: EraReport, expectation: Expectation) -> Examination:
    """Call a tool, if it says that it only reads: a probe changes nothing."""
    name, arguments = expectation.call or ("", {})
    tool = next((tool for tool in main.tools if tool["name"] == name), None)
    if tool is None or not _only_reads(tool):
        wanted = next((tool for tool in expectation.tools or () if tool["name"] == name), None)
        if wanted is None or not _only_reads(wanted):
            raise _uncallable(name, tool, main, redaction(expectation.headers))
        # What was expected can be called, so it is the server that is not as it should be.
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


def _only_reads(tool: Mapping[str, Any]) -> bool:
    hints = tool.get("annotations")
    return isinstance(hints, dict) and hints.get("readOnlyHint") is True


def _uncallable(
    name: str, tool: Mapping[str, Any] | None, main: EraReport, hidden: Redaction
) -> ExpectationError:
    """Say why a tool is not called: a mistake of whoever asked for it says nothing about the server."""
    if tool is None:
        listed = quote(hidden.clean(", ".join(str(each["name"]) for each in main.tools)))
        return ExpectationError(
            f"`--call {printable(name)}`: the server lists no such tool",
            help=[f"it lists {listed}" if listed else "it lists no tools"],
        )
    return ExpectationError(
        f"`--call {printable(name)}`: the tool does not say that it only reads",
        help=[
            "a probe calls only tools with `readOnlyHint: true`: it runs again and again, and changes nothing"
        ],
    )


def _latency(found: Examination) -> Iterator[LayerResult]:
    if found.latency_ms is not None:
        worked = [report for report in found.reports.values() if report.failure is None]
        parts = (
            f"{method} {ms:.0f} ms" + ("" if len(worked) == 1 else f" ({report.era})")
            for report in worked
            for method, ms in report.latencies_ms.items()
        )
        detail = f"the slowest of {', '.join(parts)}"
        yield LayerResult(Layer.LATENCY, ok=True, detail=detail, ms=found.latency_ms)


def latency(ms: float) -> str:
    """Name what is compared with the thresholds, wherever it is named."""
    return f"latency {ms:.0f} ms"


def _redacted(found: Examination, hidden: Redaction) -> Examination:
    return replace(
        found,
        layers=tuple(
            replace(layer, detail=hidden.clean(layer.detail), facts=hidden.clean(dict(layer.facts)))
            for layer in found.layers
        ),
        reports={era: hidden.clean_report(report) for era, report in found.reports.items()},
        unauthenticated={era: hidden.clean_report(report) for era, report in found.unauthenticated.items()},
        readiness=found.readiness
        and replace(
            found.readiness,
            problems=tuple(map(hidden.clean, found.readiness.problems)),
            missing=tuple(map(hidden.clean, found.readiness.missing)),
        ),
        call=found.call and hidden.clean_call(found.call),
    )
