"""Reads the configurations of monitors as those do that cannot be run here, by the rules of their source.

Gatus: github.com/TwiN/gatus at 08c4635 (config/config.go, config/endpoint, pattern/pattern.go).
OpenStatus: github.com/openstatusHQ/cli at aeae431 (internal/config), github.com/openstatusHQ/openstatus at
22df52e (packages/services/src/monitor/schemas.ts, apps/server/src/routes/v1/monitors/schema.ts).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int = 200
    body: str = ""
    milliseconds: int = 1
    certificate_hours: int = 2000


GATUS_KEYS = {
    "name",
    "group",
    "url",
    "method",
    "interval",
    "client",
    "headers",
    "body",
    "conditions",
    "alerts",
}
CONDITION = re.compile(r"(.+?) (==|!=|<=|>=|>|<) (.+)", re.DOTALL)

OPENSTATUS_KEYS = {
    *("name", "description", "frequency", "regions", "active", "kind", "retry", "public"),
    *("request", "degradedAfter", "timeout", "assertions", "openTelemetry"),
}
FREQUENCIES = {"30s", "1m", "5m", "10m", "30m", "1h"}
REGIONS = set(
    re.findall(
        "...",
        "amsarnatlbombogboscdgdendfwewrezefragdlgiggruhkgiadjnblaxlhrmadmianrtordotpphxqrosclseasinsjcsydwawyulyyz",
    )
)


def gatus(text: str, environment: Mapping[str, str]) -> list[Entry]:
    """Load a file of Gatus', with the environment put in; raises AssertionError where it would refuse it."""
    literal = "__GATUS_LITERAL_DOLLAR_SIGN__"
    expanded = re.sub(
        r"\$(?:\{(\w+)\}|(\w+))",
        lambda match: environment.get(match[1] or match[2], ""),
        text.replace("$$", literal),
    )
    assert "$" not in expanded, "a dollar that names no variable is dropped"
    loaded = yaml.safe_load(expanded.replace(literal, "$"))
    endpoints: list[Entry] = loaded["endpoints"]
    names = [f"{endpoint['group']}_{endpoint['name']}" for endpoint in endpoints]
    assert len(set(names)) == len(names)
    for endpoint in endpoints:
        assert set(endpoint) <= GATUS_KEYS
        assert not set(endpoint["name"] + endpoint["group"]) & set('"\\')
        assert re.match(r"https?://", endpoint["url"])
        assert re.fullmatch(r"\d+s", endpoint["interval"])
        assert re.fullmatch(r"\d+ms", endpoint["client"]["timeout"])
        assert endpoint["conditions"]
        for condition in endpoint["conditions"]:
            assert CONDITION.fullmatch(condition), condition
        for alert in endpoint.get("alerts", []):
            assert set(alert) == {"type", "failure-threshold", "success-threshold", "send-on-resolved"}
            assert alert["type"] in loaded["alerting"]
    return endpoints


def holds(condition: str, answer: Answer) -> bool:
    """Tell what Gatus makes of a condition."""
    # It looks for each comparison in this order, wherever it stands, and cuts off what follows a second one.
    comparison = next(sign for sign in ("==", "!=", "<=", ">=", ">", "<") if f" {sign} " in condition)
    left, right = (part.strip() for part in condition.split(f" {comparison} ")[:2])
    values = {
        "[STATUS]": str(answer.status),
        "[BODY]": answer.body.strip(),
        "[RESPONSE_TIME]": str(answer.milliseconds),
        "[CERTIFICATE_EXPIRATION]": str(answer.certificate_hours),
    }
    value = values[left]
    if right.startswith("pat(") and right.endswith(")"):
        return _matches(right[4:-1].replace("/", ""), value.replace("/", ""))
    if comparison == "==":
        return value == right
    number = int(right.removesuffix("h"))
    return int(value) > number if comparison == ">" else int(value) < number


def _matches(pattern: str, text: str) -> bool:
    """Do as Go's `filepath.Match` on texts that hold no separator."""
    parts = []
    for piece in re.findall(r"\\.|.", pattern, re.DOTALL):
        assert piece not in ("[", "\\"), "a class, or an escape of nothing"
        parts.append({"*": ".*", "?": "."}.get(piece) or re.escape(piece[-1]))
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def openstatus(text: str) -> Mapping[str, Entry]:
    """Load a file of OpenStatus'; raises AssertionError where it would refuse."""
    monitors: Mapping[str, Entry] = yaml.safe_load(text)
    for monitor in monitors.values():
        assert set(monitor) <= OPENSTATUS_KEYS
        assert 0 < len(monitor["name"]) <= 255
        assert monitor["kind"] == "http"
        assert monitor["frequency"] in FREQUENCIES
        assert monitor["regions"]
        assert set(monitor["regions"]) <= REGIONS
        assert 1 <= monitor["retry"] <= 10
        assert 0 <= monitor["degradedAfter"] <= monitor["timeout"] <= 60_000
        assert set(monitor["request"]) <= {"url", "method", "headers", "body"}
        assert all(isinstance(value, str) for value in monitor["request"].get("headers", {}).values())
        for assertion in monitor["assertions"]:
            assert set(assertion) == {"kind", "compare", "target"}
            assert (assertion["kind"], assertion["compare"]) in {
                ("statusCode", "eq"),
                ("textBody", "contains"),
            }
            assert isinstance(assertion["target"], int if assertion["kind"] == "statusCode" else str)
    return monitors


def passes(monitor: Entry, answer: Answer) -> bool:
    """Tell what OpenStatus makes of an answer."""
    return all(
        answer.status == assertion["target"]
        if assertion["kind"] == "statusCode"
        else assertion["target"] in answer.body
        for assertion in monitor["assertions"]
    )
