"""Reads the configurations of monitors as those do that cannot be run here, by the rules of their source.

Gatus: github.com/TwiN/gatus at 08c4635 (config/config.go, config/endpoint, pattern/pattern.go).
OpenStatus: github.com/openstatusHQ/cli at aeae431 (internal/config), github.com/openstatusHQ/openstatus at
22df52e (packages/services/src/monitor/schemas.ts, packages/regions/index.ts,
packages/proto/api/openstatus/monitor/v1/http_monitor.proto).
The Registry: github.com/modelcontextprotocol/registry (internal/validators/schemas/2025-12-11.json,
internal/validators/validators.go, internal/validators/utils.go).
"""

import json
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
# Those that are not deprecated.
REGIONS = set(re.findall("...", "amsarnbomcdgdfwewrfragruiadjnblaxlhrnrtordsinsjcsydyyz"))


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
        assert set(endpoint["client"]) == {"timeout", "ignore-redirect"}
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
    if left == "len([BODY].result.tools)":
        try:
            values[left] = str(len(json.loads(answer.body)["result"]["tools"]))
        except (KeyError, ValueError):
            return False
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
        assert 0 < len(monitor["name"]) <= 256
        assert monitor["kind"] == "http"
        assert monitor["frequency"] in FREQUENCIES
        assert monitor["regions"]
        assert set(monitor["regions"]) <= REGIONS
        assert 1 <= monitor["retry"] <= 10
        assert 0 <= monitor["degradedAfter"] <= monitor["timeout"] <= 60_000
        assert set(monitor["request"]) <= {"url", "method", "headers", "body", "followRedirects"}
        assert len(monitor["request"]["url"]) <= 2048
        assert len(monitor["request"].get("headers", {})) <= 20
        assert all(isinstance(value, str) for value in monitor["request"].get("headers", {}).values())
        assert len(monitor["assertions"]) <= 10
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


# What a header of a remote can be described with.
INPUT = {"name", "description", "value", "isRequired", "isSecret", "variables"}


def registry(entry: Entry) -> None:
    """Raise AssertionError where the MCP Registry would refuse an entry of a server with remotes alone."""
    assert entry["$schema"] == "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
    assert set(entry) <= {"$schema", "name", "title", "description", "version", "remotes"}
    assert 3 <= len(entry["name"]) <= 200
    assert re.fullmatch(
        r"[a-zA-Z0-9][a-zA-Z0-9.-]*[a-zA-Z0-9]/[a-zA-Z0-9][a-zA-Z0-9._-]*[a-zA-Z0-9]", entry["name"]
    )
    assert 1 <= len(entry["title"]) <= 100
    assert entry["title"].strip()
    assert 1 <= len(entry["description"]) <= 100
    assert 1 <= len(entry["version"]) <= 255
    assert not re.search(r"[<>=~^|*xX\s]|^latest$", entry["version"].split("-")[0])
    for remote in entry["remotes"]:
        assert set(remote) <= {"type", "url", "headers"}
        assert remote["type"] in {"streamable-http", "sse"}
        assert re.fullmatch(r"https://[^\s{}]+", remote["url"])
        host = re.sub(r"https://(\[[^\]]*\]|[^/:?#]+).*", r"\1", remote["url"])
        assert host not in {"localhost", "127.0.0.1"}
        assert not host.endswith(".localhost")
        for header in remote.get("headers", []):
            assert set(header) <= INPUT
            assert header["name"]
            # What stands in braces and is no variable stays as it is.
            assert set(re.findall(r"\{(\w+)\}", header["value"])) == set(header["variables"])
