"""An examination is judged by what is expected: one state, and the reason in a sentence."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffolder import exchanges
from scaffolder.exchanges import Failure
from scaffolder.hashing import definitions_hash, tools_hash
from scaffolder.monitoring.examination import Examination, Hashes
from scaffolder.monitoring.expectation import Credential, Expectation
from scaffolder.monitoring.layers import Layer, LayerResult
from scaffolder.monitoring.verdict import State, Verdict, judge
from scaffolder.probe import LEGACY, MODERN, Era, EraReport

URL = "https://notes.example.com/mcp"
DAY = 86_400.0
NOW = 1_795_000_000.0

TOOL: dict[str, Any] = {
    "name": "look",
    "description": "Look.",
    "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
}
SERVER = {"name": "notes", "version": "0.1.0"}

EXPECTED = Expectation(
    name="production",
    url=URL,
    timeout_ms=500,
    down_ms=5000,
    tools_hash=tools_hash([TOOL]),
    definitions_hash=definitions_hash([TOOL]),
    tools=(TOOL,),
    server="notes",
    version="0.1.0",
    eras=(Era.MODERN, Era.LEGACY),
    revisions=(MODERN, LEGACY),
    readiness=True,
)
ANY = Expectation("notes.example.com", URL)


def report(era: Era, tools: tuple[dict[str, Any], ...] = (TOOL,), **changes: Any) -> EraReport:
    """Report on an era that works."""
    methods = ("initialize", "tools/list") if era is Era.LEGACY else ("server/discover", "tools/list")
    version = LEGACY if era is Era.LEGACY else MODERN
    return replace(EraReport(era, (version,), SERVER, tools, dict.fromkeys(methods, 40.0)), **changes)


def failed(era: Era, layer: exchanges.Layer, message: str, **known: Any) -> EraReport:
    """Report on an era that does not work."""
    return EraReport(era, failure=Failure(layer, message, **known))


def examined(
    modern: EraReport | None = None, legacy: EraReport | None = None, *layers: LayerResult, **changes: Any
) -> Examination:
    """Return an examination, by default of a server that is as EXPECTED."""
    reports = {Era.MODERN: modern or report(Era.MODERN), Era.LEGACY: legacy or report(Era.LEGACY)}
    hashes = {
        era: Hashes(tools_hash(each.tools), definitions_hash(each.tools))
        for era, each in reports.items()
        if each.failure is None
    }
    found = Examination(URL, NOW, layers, reports, hashes)
    latency = max(found.main.latencies_ms.values()) if found.main else None
    return replace(found, latency_ms=latency, **changes)


def states(verdict: Verdict) -> list[State]:
    """Say all that was found."""
    return [finding.state for finding in verdict.findings]


def test_a_server_that_is_as_expected() -> None:
    """It is healthy, and what makes it so is said."""
    verdict = judge(examined(), EXPECTED)
    assert verdict == Verdict(State.HEALTHY, "it answers with 1 tool, latency 40 ms", 0)


@pytest.mark.parametrize(
    ("layer", "detail", "reason"),
    [
        (Layer.DNS, "x.example: no such host", "the name does not resolve: x.example: no such host"),
        (Layer.TCP, "192.0.2.1:443: refused", "no connection: 192.0.2.1:443: refused"),
        (Layer.TLS, "expired on 2026-01-01", "no encryption: expired on 2026-01-01"),
    ],
)
@pytest.mark.parametrize("expectation", [EXPECTED, ANY], ids=["ours", "any"])
def test_a_server_that_is_not_reached(
    layer: Layer, detail: str, reason: str, expectation: Expectation
) -> None:
    """It is down, whoever it belongs to."""
    verdict = judge(Examination(URL, NOW, (LayerResult(layer, ok=False, detail=detail),)), expectation)
    assert (verdict.state, verdict.reason, verdict.exit_status) == (State.DOWN, reason, 1)
    assert verdict.findings[0].layer is layer


@pytest.mark.parametrize(
    ("ms", "state"),
    [
        (499.9, State.HEALTHY),
        (500.0, State.HEALTHY),
        (500.1, State.DEGRADED),
        (5000.0, State.DEGRADED),
        (5000.1, State.DOWN),
    ],
)
def test_the_two_thresholds(ms: float, state: State) -> None:
    """What is just under a threshold is not over it."""
    modern = report(Era.MODERN, latencies_ms={"server/discover": 1.0, "tools/list": ms})
    verdict = judge(examined(modern), EXPECTED)
    assert verdict.state is state
    assert verdict.exit_status == (0 if state is State.HEALTHY else 1)


def test_any_server_may_take_its_time() -> None:
    """Of a URL no threshold is expected but the one above which it is down."""
    slow = report(Era.MODERN, latencies_ms={"tools/list": 9_999.0})
    assert judge(examined(slow), ANY).state is State.HEALTHY


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        (
            {**TOOL, "inputSchema": {"type": "object", "properties": {"id": {"type": "number"}}}},
            (
                "the contract of its tools differs: of the tool `look` "
                'expected is `$.inputSchema.properties.id.type` "string", the server has "number"'
            ),
        ),
        (
            {**TOOL, "description": "Look, and tell."},
            (
                "what a model reads of its tools differs: of the tool `look` "
                'expected is `$.description` "Look.", the server has "Look, and tell."'
            ),
        ),
    ],
)
def test_a_tool_that_has_changed(tool: dict[str, Any], reason: str) -> None:
    """A changed contract and a changed description are told apart, each in detail."""
    verdict = judge(examined(report(Era.MODERN, (tool,)), report(Era.LEGACY, (tool,))), EXPECTED)
    assert (verdict.state, verdict.reason, verdict.exit_status) == (State.DRIFTED, reason, 1)
    assert verdict.drift.changed


def test_drift_without_the_expected_tools() -> None:
    """Where only the hash is known, the hashes are what is said."""
    live = {**TOOL, "name": "see"}
    verdict = judge(examined(report(Era.MODERN, (live,))), replace(EXPECTED, tools=None))
    assert verdict.state is State.DRIFTED
    assert f"the hash is {tools_hash([live])} instead of {tools_hash([TOOL])}" in verdict.reason
    assert not verdict.drift


def test_drift_in_one_era_alone() -> None:
    """Clients of the other era are no less surprised."""
    legacy = report(Era.LEGACY, ({**TOOL, "name": "see"},))
    verdict = judge(examined(legacy=legacy), EXPECTED)
    assert verdict.state is State.DRIFTED
    assert verdict.findings[0].era is Era.LEGACY


def test_tools_without_a_hash() -> None:
    """What has no canonical form is not what was deployed."""
    verdict = judge(replace(examined(), hashes={}), EXPECTED)
    assert (verdict.state, verdict.reason) == (
        State.DRIFTED,
        "its tools have no canonical form, so no hash",
    )


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (
            {**SERVER, "name": "notes-staging"},
            "another server answers at this address: it calls itself notes-staging instead of notes",
        ),
        (
            {**SERVER, "version": "0.2.0-rc.1"},
            "an older or newer deployment of it answers: its version is 0.2.0-rc.1 instead of 0.1.0",
        ),
    ],
)
def test_staging_at_the_address_of_production(server: dict[str, Any], reason: str) -> None:
    """It answers well, with the same tools, and is another."""
    verdict = judge(examined(report(Era.MODERN, server=server), report(Era.LEGACY, server=server)), EXPECTED)
    assert (verdict.state, verdict.reason) == (State.DRIFTED, reason)
    # It is so in both eras, and either may be the one that somebody looks at.
    assert [finding.era for finding in verdict.findings] == [Era.MODERN, Era.LEGACY]


def test_who_answers_comes_before_how() -> None:
    """Another server explains why it speaks another era of the protocol."""
    stranger = report(Era.LEGACY, server={**SERVER, "name": "notes-staging"})
    unknown = failed(Era.MODERN, exchanges.Layer.JSON_RPC, "error -32601: Method not found")
    verdict = judge(examined(unknown, stranger), EXPECTED)
    assert verdict.reason.startswith("another server answers at this address")
    assert any("does not speak the modern era" in finding.sentence for finding in verdict.findings)


def test_a_slow_server_that_is_allowed_to_be() -> None:
    """It is degraded, and nobody has to look after it; whatever else is wrong still counts."""
    allowed = replace(EXPECTED, allow_slow=True)
    slow = examined(report(Era.MODERN, latencies_ms={"tools/list": 600.0}))
    verdict = judge(slow, allowed)
    assert (verdict.state, verdict.exit_status) == (State.DEGRADED, 0)
    assert verdict.reason == "latency 600 ms: it is slow above 500 ms"
    assert judge(slow, EXPECTED).exit_status == 1
    for layer in (Layer.READINESS, Layer.CALL):
        failing = replace(slow, layers=(LayerResult(layer, ok=False, detail="no"),))
        assert judge(failing, allowed).exit_status == 1
    dates = {"starts": NOW - 89 * DAY, "expires": NOW + 1 * DAY}
    expiring = replace(slow, layers=(LayerResult(Layer.TLS, ok=True, detail="", facts=dates),))
    assert judge(expiring, allowed).exit_status == 1
    down = examined(report(Era.MODERN, latencies_ms={"tools/list": 6000.0}))
    assert judge(down, allowed).exit_status == 1


def test_a_server_that_does_not_say_who_it_is() -> None:
    """The modern era does not ask for a name."""
    assert judge(examined(report(Era.MODERN, server={})), EXPECTED).state is State.HEALTHY


ERAS = [
    # (what became of modern, of legacy, expected, state, part of the reason)
    (
        failed(
            Era.MODERN, exchanges.Layer.JSON_RPC, "server/discover: error -32601: no", status=404, code=-32601
        ),
        None,
        EXPECTED,
        State.DRIFTED,
        "it does not speak the modern era of the protocol: server/discover: error -32601",
    ),
    (
        None,
        failed(Era.LEGACY, exchanges.Layer.HTTP, "initialize: HTTP 400: gone", status=400),
        EXPECTED,
        State.DRIFTED,
        "it does not speak the legacy era of the protocol: initialize: HTTP 400",
    ),
    (
        failed(Era.MODERN, exchanges.Layer.JSON_RPC, "error -32603: oh", status=500, code=-32603),
        None,
        EXPECTED,
        State.DOWN,
        "it fails clients of the modern era of the protocol: error -32603: oh",
    ),
    (
        None,
        failed(Era.LEGACY, exchanges.Layer.HTTP, "initialize: no answer in 5 s"),
        EXPECTED,
        State.DOWN,
        "it fails clients of the legacy era of the protocol: initialize: no answer in 5 s",
    ),
    (
        failed(Era.MODERN, exchanges.Layer.JSON_RPC, "error", status=400),
        None,
        replace(EXPECTED, eras=(Era.MODERN,)),
        State.DRIFTED,
        "it does not speak the modern era",
    ),
    (
        None,
        None,
        replace(EXPECTED, eras=(Era.MODERN,)),
        State.DRIFTED,
        "it speaks the legacy era of the protocol, which it should refuse",
    ),
    (
        None,
        report(Era.LEGACY, protocol_versions=("2025-03-26",)),
        EXPECTED,
        State.DRIFTED,
        "it speaks revision 2025-03-26 of the protocol, which is not expected of it",
    ),
    (
        failed(Era.MODERN, exchanges.Layer.HTTP, "server/discover: HTTP 400: no", status=400),
        None,
        ANY,
        State.HEALTHY,
        "it answers with 1 tool",
    ),
    (
        failed(Era.MODERN, exchanges.Layer.HTTP, "HTTP 404", status=404),
        failed(Era.LEGACY, exchanges.Layer.JSON_RPC, "no response in a body of type text/html", status=200),
        ANY,
        State.DOWN,
        "it does not answer as MCP: no response in a body of type text/html",
    ),
]


@pytest.mark.parametrize(("modern", "legacy", "expectation", "state", "reason"), ERAS)
def test_the_eras(
    modern: EraReport | None, legacy: EraReport | None, expectation: Expectation, state: State, reason: str
) -> None:
    """An era that is expected has to work, no other may; of any server one era is enough."""
    verdict = judge(examined(modern, legacy), expectation)
    assert verdict.state is state
    assert reason in verdict.reason


def refusal(era: Era, challenge: str | None, status: int = 401) -> EraReport:
    """Report on an era behind a wall."""
    return failed(era, exchanges.Layer.HTTP, f"HTTP {status}", status=status, challenge=challenge)


def walled(challenge: str | None = None, status: int = 401, **changes: Any) -> Examination:
    """Return the examination of a server that lets nobody in."""
    return examined(refusal(Era.MODERN, challenge, status), refusal(Era.LEGACY, challenge, status), **changes)


CHALLENGE = 'Bearer resource_metadata="https://notes.example.com/.well-known/oauth-protected-resource"'


@pytest.mark.parametrize(
    ("examination", "reason"),
    [
        (
            walled(CHALLENGE),
            f"it asks for credentials, and the probe has none (HTTP 401, challenge: {CHALLENGE})",
        ),
        (walled(), "it asks for credentials, and the probe has none (HTTP 401, without a challenge)"),
        (
            walled(authenticated=True),
            "it refuses the credentials of the probe (HTTP 401, without a challenge)",
        ),
        (walled(status=403), "it lets nobody in (HTTP 403, without a challenge)"),
    ],
)
def test_a_wall_that_nobody_expects(examination: Examination, reason: str) -> None:
    """It is neither down nor healthy, and whether it has a challenge is said."""
    verdict = judge(examination, ANY)
    assert (verdict.state, verdict.reason, verdict.exit_status) == (State.WALLED, reason, 1)


def test_a_refusal_in_json_rpc_is_no_wall() -> None:
    """A server that refuses a host or an origin says so itself, and credentials would not help."""
    known = {"status": 403, "code": -32000}
    modern, legacy = (failed(era, exchanges.Layer.JSON_RPC, "error -32000: host", **known) for era in Era)
    assert judge(examined(modern, legacy), ANY).state is State.DOWN


BEHIND_AUTH = replace(EXPECTED, auth=True)


@pytest.mark.parametrize(
    ("examination", "state", "status", "reason"),
    [
        (
            walled(CHALLENGE, unauthenticated={Era.MODERN: refusal(Era.MODERN, CHALLENGE)}),
            State.WALLED,
            0,
            "it asks for credentials, and the probe has none",
        ),
        (
            walled(
                CHALLENGE, unauthenticated={Era.MODERN: refusal(Era.MODERN, CHALLENGE)}, authenticated=True
            ),
            State.WALLED,
            1,
            "it refuses the credentials of the probe",
        ),
        (
            walled(unauthenticated={Era.MODERN: refusal(Era.MODERN, None)}),
            State.DRIFTED,
            1,
            (
                "its 401 has no challenge (WWW-Authenticate), so no client can find out how to log in: "
                "it asks for credentials, and the probe has none"
            ),
        ),
        (
            walled(status=403, unauthenticated={Era.MODERN: refusal(Era.MODERN, None, 403)}),
            State.DRIFTED,
            1,
            "whoever has no credentials gets a 403 instead of a 401: it lets nobody in",
        ),
        (
            examined(unauthenticated={Era.MODERN: refusal(Era.MODERN, CHALLENGE)}, authenticated=True),
            State.HEALTHY,
            0,
            "it answers",
        ),
        (
            examined(unauthenticated={Era.MODERN: refusal(Era.MODERN, None)}, authenticated=True),
            State.DRIFTED,
            1,
            "its 401 has no challenge (WWW-Authenticate)",
        ),
        (
            examined(unauthenticated={Era.MODERN: report(Era.MODERN)}, authenticated=True),
            State.DRIFTED,
            1,
            "it lets in whoever asks, without any credentials",
        ),
        (
            examined(unauthenticated={Era.MODERN: refusal(Era.MODERN, None, 500)}, authenticated=True),
            State.DRIFTED,
            1,
            "whoever has no credentials does not get a 401: HTTP 500",
        ),
    ],
)
def test_where_auth_is_on(examination: Examination, state: State, status: int, reason: str) -> None:
    """Without credentials there has to be a 401 with its challenge, and with them an answer."""
    verdict = judge(examination, BEHIND_AUTH)
    assert (verdict.state, verdict.exit_status) == (state, status)
    assert verdict.reason.startswith(reason)


def test_a_401_without_challenge_is_told_beside_the_wall() -> None:
    """Where the credentials of the probe are refused, that no client finds the door is another finding."""
    stranger = {Era.MODERN: refusal(Era.MODERN, None)}
    verdict = judge(walled(unauthenticated=stranger, authenticated=True), BEHIND_AUTH)
    assert states(verdict) == [State.WALLED, State.DRIFTED]


def test_one_era_that_lets_everybody_in() -> None:
    """A door that is locked in front is no use if the one behind is open."""
    strangers = {Era.MODERN: refusal(Era.MODERN, CHALLENGE), Era.LEGACY: report(Era.LEGACY)}
    verdict = judge(examined(authenticated=True, unauthenticated=strangers), BEHIND_AUTH)
    assert (verdict.state, verdict.exit_status) == (State.DRIFTED, 1)
    assert verdict.reason == (
        "it lets in whoever asks, without any credentials in the legacy era of the protocol"
    )


def test_an_era_that_is_not_served_need_not_be_walled() -> None:
    """A server that refuses an era may do so before it asks who it is that speaks it."""
    refused = failed(
        Era.LEGACY, exchanges.Layer.JSON_RPC, "initialize: error -32022", status=400, code=-32022
    )
    strangers = {Era.MODERN: refusal(Era.MODERN, CHALLENGE), Era.LEGACY: refused}
    modern_only = replace(BEHIND_AUTH, eras=(Era.MODERN,))
    inside = examined(None, refused, authenticated=True, unauthenticated=strangers)
    assert judge(inside, modern_only).state is State.HEALTHY
    outside = examined(refusal(Era.MODERN, CHALLENGE), refused, unauthenticated=strangers)
    verdict = judge(outside, modern_only)
    assert (verdict.state, verdict.exit_status) == (State.WALLED, 0)


TOKEN = Credential("authorization", "MONITOR_TOKEN")
BYPASS = Credential("x-vercel-protection-bypass", "BYPASS_SECRET")
FORGOTTEN = "MONITOR_TOKEN is not set, which the probe takes `authorization` from"


@pytest.mark.parametrize(
    ("lacking", "challenge", "auth", "state", "reason"),
    [
        # The token alone was forgotten: of a correct wall, of one that nobody expected, and of a wrong one.
        (
            (TOKEN,),
            CHALLENGE,
            True,
            State.WALLED,
            f"it asks for credentials (HTTP 401, challenge: {CHALLENGE}",
        ),
        (
            (TOKEN,),
            CHALLENGE,
            False,
            State.WALLED,
            f"it asks for credentials (HTTP 401, challenge: {CHALLENGE}",
        ),
        ((TOKEN,), None, True, State.DRIFTED, "its 401 has no challenge (WWW-Authenticate)"),
    ],
)
def test_a_variable_that_was_forgotten(
    lacking: tuple[Credential, ...],
    challenge: str | None,
    auth: bool,  # noqa: FBT001 - a parameter
    state: State,
    reason: str,
) -> None:
    """No wall is as expected to who should have had the key: the variable is named, and it is a fault."""
    expectation = replace(EXPECTED, auth=auth, credentials=lacking)
    reports = {era: refusal(era, challenge) for era in Era}
    verdict = judge(walled(challenge, unauthenticated=reports if auth else {}), expectation)
    assert (verdict.state, verdict.exit_status) == (state, 1)
    assert verdict.reason.startswith(reason)
    assert FORGOTTEN in verdict.reason


def test_a_variable_that_was_forgotten_where_there_is_no_wall() -> None:
    """It is said all the same: what the probe saw is not what it should have seen."""
    lacking = replace(EXPECTED, credentials=(TOKEN,))
    open_door = examined(unauthenticated={era: report(era) for era in Era})
    for expectation, state, reason in (
        (
            replace(lacking, auth=True),
            State.DRIFTED,
            f"it lets in whoever asks, without any credentials ({FORGOTTEN})",
        ),
        (lacking, State.DEGRADED, f"it answers without credentials, and {FORGOTTEN}"),
    ):
        verdict = judge(open_door, expectation)
        assert (verdict.state, verdict.reason, verdict.exit_status) == (state, reason, 1)


def test_what_lets_a_probe_through_is_missed_only_at_a_wall() -> None:
    """Most addresses of a platform are not protected, and its secret need not be set for them."""
    expectation = replace(EXPECTED, credentials=(BYPASS,))
    assert judge(examined(), expectation).state is State.HEALTHY
    verdict = judge(walled(), expectation)
    assert (verdict.state, verdict.exit_status) == (State.WALLED, 1)
    assert verdict.reason == (
        "it asks for credentials (HTTP 401, without a challenge), and BYPASS_SECRET is not set, which the "
        "probe takes `x-vercel-protection-bypass` from"
    )


@pytest.mark.parametrize(
    ("brought", "auth", "challenge", "reason"),
    [
        (
            (BYPASS,),
            False,
            None,
            "it refuses the credentials of the probe, `x-vercel-protection-bypass` from BYPASS_SECRET (",
        ),
        (
            (TOKEN, BYPASS),
            True,
            None,
            (
                "it refuses the credentials of the probe, `authorization` from MONITOR_TOKEN and "
                "`x-vercel-protection-bypass` from BYPASS_SECRET (HTTP 401, without a challenge)"
            ),
        ),
        (
            (TOKEN, BYPASS),
            True,
            CHALLENGE,
            "it refuses the credentials of the probe, `authorization` from MONITOR_TOKEN (HTTP 401, chall",
        ),
        (
            (BYPASS,),
            False,
            CHALLENGE,
            (
                "it asks for credentials, and the probe has none beside `x-vercel-protection-bypass` from "
                "BYPASS_SECRET (HTTP 401, challenge: "
            ),
        ),
    ],
)
@pytest.mark.parametrize("lacking", [False, True])
def test_what_is_refused_is_what_was_brought(
    brought: tuple[Credential, ...],
    auth: bool,  # noqa: FBT001 - a parameter
    challenge: str | None,
    reason: str,
    lacking: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A platform's wall has no challenge, and refuses the bypass as well as the token; a server's has one."""
    headers = {each.header: "x" for each in brought}
    expectation = replace(EXPECTED, auth=auth, credentials=brought, headers=headers)
    if lacking and BYPASS in brought:
        # Of two, the platform's own is not there.
        headers = {name: value for name, value in headers.items() if name != BYPASS.header}
        expectation = replace(expectation, headers=headers)
    strangers = {era: refusal(era, challenge) for era in Era} if auth else {}
    examination = walled(challenge, authenticated="authorization" in headers, unauthenticated=strangers)
    verdict = judge(examination, expectation)
    assert (verdict.state, verdict.exit_status) == (State.WALLED, 1)
    if not lacking or (challenge and auth):
        assert verdict.reason.startswith(reason)
    else:
        assert "and BYPASS_SECRET is not set, which the probe" in verdict.reason


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_server_that_asks_to_come_again_knows_the_era(status: int) -> None:
    """To be turned away for now is no word about the protocol."""
    legacy = failed(Era.LEGACY, exchanges.Layer.HTTP, f"initialize: HTTP {status}: later", status=status)
    verdict = judge(examined(None, legacy), EXPECTED)
    assert (verdict.state, verdict.reason) == (
        State.DOWN,
        f"it fails clients of the legacy era of the protocol: initialize: HTTP {status}: later",
    )


def test_a_wall_for_one_era() -> None:
    """It is a wall, and not an era that is not spoken."""
    verdict = judge(examined(None, refusal(Era.LEGACY, CHALLENGE)), EXPECTED)
    assert (verdict.state, verdict.exit_status) == (State.WALLED, 1)
    assert verdict.reason.startswith("clients of the legacy era of the protocol are not let in: it asks for")


REPORTS = st.builds(
    EraReport,
    era=st.sampled_from(Era),
    protocol_versions=st.lists(st.sampled_from([MODERN, LEGACY, "1"]), max_size=2).map(tuple),
    server=st.dictionaries(st.sampled_from(["name", "version"]), st.sampled_from(["notes", 1, None, "\x1b"])),
    tools=st.lists(st.sampled_from([TOOL, {**TOOL, "description": 1}, {"name": "x"}]), max_size=3).map(tuple),
    latencies_ms=st.just({}),
    failure=st.none()
    | st.builds(
        Failure,
        layer=st.sampled_from(exchanges.Layer),
        message=st.text(max_size=3),
        status=st.none() | st.sampled_from([200, 401, 403, 404, 429, 500]),
        code=st.none(),
        challenge=st.none() | st.just("Bearer"),
    ),
)
EXAMINATIONS = st.builds(
    Examination,
    url=st.just(URL),
    at=st.just(NOW),
    layers=st.lists(
        st.builds(
            LayerResult,
            layer=st.sampled_from(Layer),
            ok=st.booleans(),
            detail=st.text(max_size=3),
            facts=st.just({}) | st.just({"starts": NOW - DAY, "expires": NOW + DAY}),
        ),
        max_size=4,
    ).map(tuple),
    reports=st.dictionaries(st.sampled_from(Era), REPORTS),
    hashes=st.dictionaries(st.sampled_from(Era), st.builds(Hashes, st.text(max_size=1), st.text(max_size=1))),
    latency_ms=st.none() | st.floats(0, 20_000),
    unauthenticated=st.dictionaries(st.sampled_from(Era), REPORTS),
    authenticated=st.booleans(),
)
EXPECTATIONS = st.sampled_from(
    [
        replace(each, auth=auth, credentials=credentials, headers=headers)
        for each in (EXPECTED, ANY, replace(EXPECTED, eras=(Era.MODERN,)), replace(EXPECTED, tools=None))
        for auth in (False, True)
        for credentials in ((), (TOKEN,), (TOKEN, BYPASS))
        for headers in ({}, {"authorization": "x"})
    ]
)


@settings(max_examples=400, deadline=None)
@given(EXAMINATIONS, EXPECTATIONS)
def test_any_examination_can_be_judged(examination: Examination, expectation: Expectation) -> None:
    """Nothing raises; the state is that of the gravest finding, and 0 is for what is as expected alone."""
    verdict = judge(examination, expectation)
    assert verdict.reason.isprintable()
    assert states(verdict) == sorted(states(verdict), key=list(State).index)
    assert verdict.state is (verdict.findings[0].state if verdict.findings else State.HEALTHY)
    if verdict.exit_status == 0:
        assert verdict.state in {State.HEALTHY, State.WALLED}
    if verdict.state is State.WALLED and verdict.exit_status == 0:
        assert expectation.auth
        assert not examination.authenticated
        assert all(report.failure is not None for report in examination.reports.values())


def test_what_is_missing_behind_a_healthy_face() -> None:
    """A secret or store that is missing makes a server degraded, and is named."""
    readiness = LayerResult(Layer.READINESS, ok=False, detail="USERS_API_TOKEN is missing")
    verdict = judge(examined(None, None, readiness), EXPECTED)
    assert (verdict.state, verdict.reason) == (
        State.DEGRADED,
        "it answers and is not ready: USERS_API_TOKEN is missing",
    )


def test_a_call_that_fails() -> None:
    """A server whose tool does not work is degraded."""
    call = LayerResult(Layer.CALL, ok=False, detail="`look` answers with an error: no database")
    verdict = judge(examined(None, None, call), ANY)
    assert (verdict.state, verdict.exit_status) == (State.DEGRADED, 1)
    assert verdict.reason.endswith("`look` answers with an error: no database")


@pytest.mark.parametrize(
    ("lifetime", "left", "state"),
    [
        (90, 9.1, State.HEALTHY),
        (90, 8.9, State.DEGRADED),
        (6, 1, State.HEALTHY),
        (6, 0.5, State.DEGRADED),
        (365, 36, State.DEGRADED),
    ],
)
def test_a_certificate_that_nobody_renews(lifetime: float, left: float, state: State) -> None:
    """A tenth of its time is left, whether that was days or a year."""
    expires = NOW + left * DAY
    facts = {"starts": expires - lifetime * DAY, "expires": expires}
    tls = LayerResult(Layer.TLS, ok=True, detail="", facts=facts)
    verdict = judge(examined(None, None, tls), EXPECTED)
    assert verdict.state is state
    assert ("and nobody has renewed it" in verdict.reason) == (state is State.DEGRADED)


def test_the_gravest_finding_is_the_verdict() -> None:
    """All the others are told as well, in the order of their gravity."""
    readiness = LayerResult(Layer.READINESS, ok=False, detail="A is missing")
    slow = report(Era.MODERN, ({**TOOL, "name": "see"},), latencies_ms={"tools/list": 6000.0})
    verdict = judge(examined(slow, None, readiness), EXPECTED)
    assert states(verdict) == [State.DOWN, State.DRIFTED, State.DEGRADED]
    assert verdict.reason == verdict.findings[0].sentence


def test_a_reason_does_not_steer_a_terminal() -> None:
    """A tool may have any name."""
    live = {**TOOL, "name": "a\x1b[2Jb"}
    verdict = judge(examined(report(Era.MODERN, (live,))), replace(EXPECTED, tools=()))
    assert "no tool `a [2Jb`" in verdict.reason
