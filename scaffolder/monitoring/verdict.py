"""Judge what an endpoint did by what is expected of it: one state, and the reason in a sentence."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

from scaffolder import exchanges
from scaffolder.exchanges import Failure
from scaffolder.monitoring.drift import Drift, drift
from scaffolder.monitoring.examination import Examination, latency
from scaffolder.monitoring.expectation import Expectation
from scaffolder.monitoring.layers import Layer, LayerResult, printable
from scaffolder.monitoring.walls import (
    NO_CHALLENGE,
    forgotten,
    is_correct,
    is_wall,
    may_be_in_front,
    stands,
    wall,
)
from scaffolder.probe import Era, EraReport
from scaffolder.quoting import quote

# Who renews certificates does so while a third of their time is left.
REMAINDER = 0.1

DAY = 86_400

# Statuses that ask to come again, and do not say that something is not known.
LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class State(StrEnum):
    """What a client would say of a server; the gravest first."""

    DOWN = "down"
    """It cannot be used."""
    WALLED = "auth-walled"
    """It asks for credentials, and what is behind them is not known."""
    DRIFTED = "drifted"
    """It answers, and is not what was deployed."""
    DEGRADED = "degraded"
    """It is what was deployed, and slow or not whole."""
    HEALTHY = "healthy"


GRAVITY = list(State)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as expected."""

    state: State
    layer: Layer
    sentence: str
    """Without a full stop."""
    era: Era | None = None
    """Where it concerns one alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to think of an endpoint."""

    state: State
    reason: str
    """The gravest finding, or what makes the server healthy; a sentence without a full stop."""
    exit_status: int
    """0, or 1 if somebody has to look after it."""
    findings: tuple[Finding, ...] = ()
    """All of them, the gravest first."""
    drift: Drift = field(default_factory=Drift)
    """How the tools differ, where it is known which were expected."""

    def blames(self, result: LayerResult) -> bool:
        """Tell whether it finds fault with a layer, or with one of its eras."""
        era = result.facts.get("era") if result.layer is Layer.PROTOCOL else None
        # An expected wall is found, and is no fault; a slow answer is one, also where it is allowed.
        as_expected = self.state is State.WALLED and self.exit_status == 0
        return not as_expected and any(
            finding.layer is result.layer and (finding.era is None or era is None or finding.era == era)
            for finding in self.findings
        )


def judge(examination: Examination, expectation: Expectation) -> Verdict:
    """Judge an examination."""
    found = sorted(_findings(examination, expectation), key=lambda finding: GRAVITY.index(finding.state))
    if not found:
        return Verdict(State.HEALTHY, _healthy(examination), 0)
    first = found[0]
    difference = _drift(examination, expectation)
    # Where a wall is expected, and nothing was brought that would open it, it is all that can be seen.
    as_expected = (
        first.state is State.WALLED
        and expectation.auth
        and not examination.authenticated
        and forgotten(expectation) is None
        and stands(examination.reports)
        and all(finding.state is State.WALLED for finding in found)
    )
    slow = all(finding.layer is Layer.LATENCY and finding.state is State.DEGRADED for finding in found)
    fine = as_expected or (slow and expectation.allow_slow)
    return Verdict(first.state, printable(first.sentence), 0 if fine else 1, tuple(found), difference)


def _findings(examination: Examination, expectation: Expectation) -> Iterator[Finding]:
    unreached = next((layer for layer in examination.layers if layer.layer in GROUND and not layer.ok), None)
    if unreached is not None:
        yield Finding(State.DOWN, unreached.layer, f"{NAMES[unreached.layer]}: {unreached.detail}")
        return
    yield from _certificate(examination)
    # Who it is that answers explains what else is wrong with it.
    yield from _identity(examination, expectation)
    yield from _protocol(examination, expectation)
    yield from _auth(examination, expectation)
    yield from _hashes(examination, expectation)
    yield from _parts(examination)
    yield from _latency(examination, expectation)


GROUND = (Layer.DNS, Layer.TCP, Layer.TLS)

NAMES = {Layer.DNS: "the name does not resolve", Layer.TCP: "no connection", Layer.TLS: "no encryption"}


def _certificate(examination: Examination) -> Iterator[Finding]:
    shown = examination.certificate
    if "expires" not in shown:
        return
    left = shown["expires"] - examination.at
    if left < (shown["expires"] - shown["starts"]) * REMAINDER:
        day = time.strftime("%Y-%m-%d", time.gmtime(shown["expires"]))
        days = f"{left / DAY:.1f} days" if left < 10 * DAY else f"{left / DAY:.0f} days"
        text = f"the certificate expires on {day}, in {days}, and nobody has renewed it"
        yield Finding(State.DEGRADED, Layer.TLS, text)


def _protocol(examination: Examination, expectation: Expectation) -> Iterator[Finding]:
    """Judge the eras: whether a client of each is served as it should be."""
    failures = {
        era: report.failure for era, report in examination.reports.items() if report.failure is not None
    }
    works = len(failures) < len(examination.reports)
    wanted = {era: failure for era, failure in failures.items() if era in expectation.eras}
    walls = {era: failure for era, failure in failures.items() if is_wall(failure)}
    if not works and not walls:
        # The one that came furthest says most; modern goes first where they are equal.
        blamed = max(
            (wanted or failures).values(),
            key=lambda failure: list(exchanges.Layer).index(failure.layer),
            default=Failure(exchanges.Layer.HTTP, "it was not asked"),
        )
        yield Finding(State.DOWN, LAYERS[blamed.layer], f"it does not answer as MCP: {blamed.message}")
        return
    if not works:
        yield _walled(next(iter(walls.values())), examination, expectation)
    yield from _wanted(wanted, examination, expectation)
    for era, report in examination.reports.items():
        if expectation.eras and era not in expectation.eras and report.failure is None:
            text = f"it speaks the {era} era of the protocol, which it should refuse"
            yield Finding(State.DRIFTED, Layer.PROTOCOL, text, era)
    for report in _working(examination, expectation):
        if expectation.revisions and not set(report.protocol_versions) & set(expectation.revisions):
            spoken = quote(", ".join(report.protocol_versions))
            text = f"it speaks revision {spoken} of the protocol, which is not expected of it"
            yield Finding(State.DRIFTED, Layer.PROTOCOL, text, report.era)


def _wanted(
    wanted: Mapping[Era, Failure], examination: Examination, expectation: Expectation
) -> Iterator[Finding]:
    """Judge the eras that are expected, and fail."""
    for era, failure in wanted.items():
        if is_wall(failure):
            # One in front of everything is another finding.
            if examination.main is not None:
                text = wall(failure, expectation, authenticated=examination.authenticated)
                text = f"clients of the {era} era of the protocol are not let in: {text}"
                yield Finding(State.WALLED, Layer.AUTH, text, era)
        elif _refuses(failure):
            text = f"it does not speak the {era} era of the protocol: {failure.message}"
            yield Finding(State.DRIFTED, Layer.PROTOCOL, text, era)
        else:
            text = f"it fails clients of the {era} era of the protocol: {failure.message}"
            yield Finding(State.DOWN, LAYERS[failure.layer], text, era)


LAYERS = {
    exchanges.Layer.CONNECT: Layer.HTTP,
    exchanges.Layer.HTTP: Layer.HTTP,
    exchanges.Layer.JSON_RPC: Layer.JSON_RPC,
    exchanges.Layer.PROTOCOL: Layer.PROTOCOL,
}


def _walled(failure: Failure, examination: Examination, expectation: Expectation) -> Finding:
    """Judge a wall that stands in front of everything."""
    text = wall(failure, expectation, authenticated=examination.authenticated)
    if (
        expectation.auth
        and not examination.authenticated
        and not is_correct(failure)
        and not may_be_in_front(failure, expectation)
    ):
        # It is the wall itself that is not as it should be.
        return Finding(State.DRIFTED, Layer.AUTH, f"{_flaw(failure)}: {text}")
    return Finding(State.WALLED, Layer.AUTH, text)


def _flaw(failure: Failure) -> str:
    if failure.status == HTTPStatus.UNAUTHORIZED:
        return NO_CHALLENGE
    return f"whoever has no credentials gets a {failure.status} instead of a 401"


def _refuses(failure: Failure) -> bool:
    """Tell a server that does not know an era from one that fails at it."""
    status = failure.status
    if status is not None and (status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in LATER):
        return False
    return failure.layer is not exchanges.Layer.CONNECT and not (
        failure.layer is exchanges.Layer.HTTP and failure.status is None
    )


def _auth(examination: Examination, expectation: Expectation) -> Iterator[Finding]:
    """Judge whether somebody without credentials is kept out, and whether the probe has its own."""
    works = examination.main is not None
    lacks = forgotten(expectation)
    also = f" ({lacks})" if lacks else ""
    if not expectation.auth:
        if works and lacks:
            yield Finding(State.DEGRADED, Layer.AUTH, f"it answers without credentials, and {lacks}")
        return
    strangers = examination.unauthenticated
    let_in = [era for era, report in strangers.items() if report.failure is None]
    if let_in:
        where = "" if len(let_in) == len(strangers) else f" in the {let_in[0]} era of the protocol"
        text = f"it lets in whoever asks, without any credentials{where}{also}"
        yield Finding(State.DRIFTED, Layer.AUTH, text)
    # Without credentials of its own, the probe has met the wall itself.
    for era, report in strangers.items() if examination.authenticated else ():
        failure, own = report.failure, examination.reports.get(era)
        if failure is None or is_correct(failure):
            continue
        if failure.status == HTTPStatus.UNAUTHORIZED:
            if works or not may_be_in_front(failure, expectation):
                yield Finding(State.DRIFTED, Layer.AUTH, NO_CHALLENGE)
                return
        elif own is not None and own.failure is None:
            text = f"whoever has no credentials does not get a 401: {failure.message}"
            yield Finding(State.DRIFTED, Layer.AUTH, text)
            return


def _working(examination: Examination, expectation: Expectation) -> Iterator[EraReport]:
    """Give the eras that were served and expected."""
    for report in examination.reports.values():
        if report.failure is None and (not expectation.eras or report.era in expectation.eras):
            yield report


def _identity(examination: Examination, expectation: Expectation) -> Iterator[Finding]:
    """Judge who it is that answers: another deployment may be at the address."""
    for report in _working(examination, expectation):
        for key, expected in (("name", expectation.server), ("version", expectation.version)):
            said = report.server.get(key)
            if expected is not None and said is not None and said != expected:
                shown = f"{quote(str(said))} instead of {expected}"
                if key == "name":
                    text = f"another server answers at this address: it calls itself {shown}"
                else:
                    text = f"an older or newer deployment of it answers: its version is {shown}"
                yield Finding(State.DRIFTED, Layer.PROTOCOL, text, report.era)
                break


def _hashes(examination: Examination, expectation: Expectation) -> Iterator[Finding]:
    if expectation.tools_hash is None and expectation.definitions_hash is None:
        return
    for report in _working(examination, expectation):
        hashes = examination.hashes.get(report.era)
        if hashes is None:
            yield Finding(State.DRIFTED, Layer.HASHES, "its tools have no canonical form, so no hash")
            return
        pairs = (
            (hashes.tools, expectation.tools_hash, "the contract of its tools differs"),
            (hashes.definitions, expectation.definitions_hash, "what a model reads of its tools differs"),
        )
        for found, expected, what in pairs:
            if expected is not None and found != expected:
                difference = _drift(examination, expectation)
                how = f"the hash is {found} instead of {expected}"
                if difference:
                    how = difference.sentence(expectation.says)
                yield Finding(State.DRIFTED, Layer.HASHES, f"{what}: {how}", report.era)
                return


def _drift(examination: Examination, expectation: Expectation) -> Drift:
    """Compare with the tools that were expected, in the first era that has others."""
    if expectation.tools is not None:
        for report in _working(examination, expectation):
            if difference := drift(expectation.tools, report.tools):
                return difference
    return Drift()


def _parts(examination: Examination) -> Iterator[Finding]:
    """Judge what the server needs, and the call."""
    for layer, text in ((Layer.READINESS, "is not ready"), (Layer.CALL, "a call fails")):
        found = _layer(examination, layer)
        if found is not None and not found.ok:
            yield Finding(State.DEGRADED, layer, f"it answers and {text}: {found.detail}")


def _layer(examination: Examination, layer: Layer) -> LayerResult | None:
    return next((result for result in examination.layers if result.layer is layer), None)


def _latency(examination: Examination, expectation: Expectation) -> Iterator[Finding]:
    ms = examination.latency_ms
    if ms is None:
        return
    if ms > expectation.down_ms:
        text = f"{latency(ms)}: it is down above {expectation.down_ms} ms"
        yield Finding(State.DOWN, Layer.LATENCY, text)
    elif expectation.timeout_ms is not None and ms > expectation.timeout_ms:
        text = f"{latency(ms)}: it is slow above {expectation.timeout_ms} ms"
        yield Finding(State.DEGRADED, Layer.LATENCY, text)


def _healthy(examination: Examination) -> str:
    main = examination.main
    if main is None or examination.latency_ms is None:
        return "it answers"
    number = len(main.tools)
    return f"it answers with {number} tool{'s' * (number != 1)}, {latency(examination.latency_ms)}"
