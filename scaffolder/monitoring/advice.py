"""Say what to do about a verdict: one line for each thing that somebody can do. Pure."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from scaffolder.baseline import MANIFEST
from scaffolder.exchanges import Failure
from scaffolder.monitoring.examination import Examination
from scaffolder.monitoring.expectation import Credential, Expectation
from scaffolder.monitoring.layers import Layer
from scaffolder.monitoring.probing import Probed
from scaffolder.monitoring.verdict import Finding, State
from scaffolder.monitoring.walls import is_wall, lacking

# OpenSSL's codes for a certificate of an authority that is not known here (X509_V_ERR_*).
UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})

ENDPOINT = "/mcp"

GIVEN = "`--header Authorization=VARIABLE`, where VARIABLE holds `Bearer <token>`"


def advice(one: Probed) -> tuple[str, ...]:
    """Say what comes next, the gravest first; nothing where the verdict says all there is."""
    lines = [line for finding in one.verdict.findings for line in _about(finding, one)]
    return tuple(dict.fromkeys(lines))


def _about(finding: Finding, one: Probed) -> Iterator[str]:
    expectation, examination = one.expectation, one.examination
    match finding.layer:
        case Layer.DNS | Layer.TCP:
            yield f"see whether {_url(expectation)} is right"
        case Layer.TLS:
            yield from _encryption(expectation, examination)
        case Layer.HTTP | Layer.JSON_RPC:
            yield from _answer(finding, expectation, examination)
        case Layer.AUTH:
            yield from _credentials(finding, expectation, examination)
        case Layer.PROTOCOL | Layer.HASHES if finding.state is State.DRIFTED:
            yield _deployment(expectation, examination)
        case Layer.READINESS if expectation.readiness and _lacks(examination):
            yield f"set what is missing as deploy/{expectation.name}.md says"
        case Layer.LATENCY if expectation.readiness and finding.state is State.DEGRADED:
            yield f"if that is usual, measure it: mcp-scaffold calibrate --target {expectation.name}"
        case _:
            return


def _url(expectation: Expectation) -> str:
    """Name the place of the URL; readiness is what only a target of ours is asked for."""
    if expectation.readiness:
        return f"`target_options.{expectation.name}.url` in {MANIFEST}"
    return "the URL"


def _lacks(examination: Examination) -> bool:
    return examination.readiness is not None and bool(examination.readiness.missing)


def _encryption(expectation: Expectation, examination: Examination) -> Iterator[str]:
    facts = examination.certificate
    if facts.get("plain"):
        parts = urlsplit(expectation.url)
        plain = urlunsplit(parts._replace(scheme="http"))
        yield f"if it is meant to be asked without encryption: mcp-scaffold probe {plain}"
    elif facts.get("code") in UNKNOWN_AUTHORITY:
        yield "if the authority is your own, name the file of its certificate in SSL_CERT_FILE"
    elif "expires" in facts:
        yield "renew the certificate"


def _answer(finding: Finding, expectation: Expectation, examination: Examination) -> Iterator[str]:
    failures = [
        report.failure
        for era, report in examination.reports.items()
        if report.failure is not None and finding.era in (None, era)
    ]
    for failure in failures:
        if failure.location is not None:
            yield from _redirection(failure, expectation)
            return
    parts = urlsplit(expectation.url)
    absent = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    if parts.path in {"", "/"} and any(each.status in absent or each.html for each in failures):
        there = urlunsplit(parts._replace(path=ENDPOINT, query="", fragment=""))
        yield f"MCP servers usually answer at {ENDPOINT}: mcp-scaffold probe {there}"
    elif any(each.html or each.status == HTTPStatus.NOT_FOUND for each in failures):
        yield f"see whether {_url(expectation)} is right"


def _redirection(failure: Failure, expectation: Expectation) -> Iterator[str]:
    if failure.login:
        yield "switch the login off for this deployment, or pass what opens it with `--header NAME=VARIABLE`"
    elif expectation.readiness:
        yield f"set {_url(expectation)} to where it leads, and regenerate"
    else:
        yield f"probe where it leads: {failure.location}"


def _credentials(finding: Finding, expectation: Expectation, examination: Examination) -> Iterator[str]:
    """Say how to come through a wall, or what to do about the lack of one."""
    if finding.state is not State.WALLED:
        if expectation.missing:
            yield _set(expectation.missing)
        if any(report.failure is None for report in examination.unauthenticated.values()):
            named = expectation.readiness and any(each.is_personal for each in expectation.credentials)
            off = (
                f"take `monitor.bearer` out of {MANIFEST}, or probe with"
                if named
                else "probe without `--auth`, or with"
            )
            yield f"if it is open to everybody on purpose, {off} `--no-auth`"
        return
    failures = (
        report.failure
        for era, report in examination.reports.items()
        if report.failure is not None and is_wall(report.failure) and finding.era in (None, era)
    )
    failure = next(failures)
    if absent := lacking(failure, expectation):
        yield _set(absent)
    elif expectation.brought:
        for each in expectation.brought:
            yield _renew(each, expectation.headers[each.header])
    elif expectation.readiness:
        yield f"name the variable that holds a token in `monitor.bearer` of {MANIFEST}, or pass {GIVEN}"
    else:
        yield f"pass {GIVEN}"


def _set(missing: Sequence[Credential]) -> str:
    return f"set {' and '.join(each.variable for each in missing)} in the environment"


def _renew(credential: Credential, value: str) -> str:
    if credential.header == "authorization" and " " not in value:
        return f"{credential.variable} has to hold the whole value of the header, as `Bearer <token>`"
    return f"see whether what {credential.variable} holds is still valid"


def _deployment(expectation: Expectation, examination: Examination) -> str:
    """Say which side is to be changed: nobody knows which of the two is old."""
    names = {report.server.get("name") for report in examination.reports.values()} - {None}
    if expectation.server is not None and names - {expectation.server}:
        # To deploy would not help, for it is another one that is asked.
        return f"see whether {_url(expectation)} is right"
    if not expectation.of_manifest:
        return f"if {MANIFEST} is newer than what is expected here, regenerate; then deploy what that gives"
    target = expectation.name
    return (
        f"the server does not have what {MANIFEST} says: deploy it (`npm run deploy:{target}`, or see "
        f"deploy/{target}.md), or take the change out of {MANIFEST}"
    )
