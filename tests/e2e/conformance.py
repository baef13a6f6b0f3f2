"""Runs the official conformance suite against a server, as its command line does."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from e2e.contract import LEGACY, MODERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from e2e.contract import Endpoint
    from toolchain import Toolchain

# What the suite calls. No tool here keeps a session: that of the protocol goes on without one.
TOOLS: Sequence[Mapping[str, Any]] = (
    *(
        {"name": name, "description": "For the conformance suite.", "inputSchema": {"type": "object"}}
        for name in (
            "test_simple_text",
            "test_image_content",
            "test_audio_content",
            "test_embedded_resource",
            "test_multiple_content_types",
            "test_error_handling",
            "test_logging_tool",
            "test_streaming_elicitation",
        )
    ),
    {
        "name": "json_schema_2020_12_tool",
        "description": "Keywords that a server may not lose.",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {"$anchor": "address", "type": "object"}},
            "properties": {
                "address": {"$ref": "#/$defs/address"},
                "email": {"type": "string"},
                "phone": {"type": "string"},
            },
            "allOf": [{"anyOf": [{"required": ["email"]}, {"required": ["phone"]}]}],
            "if": {"required": ["address"]},
            "then": {"required": ["email"]},
            "else": {"required": ["phone"]},
            "additionalProperties": False,
        },
    },
)

_HANDLER = """import type { Tool } from "../generated/contract.ts";

export default (() => {
  %s
}) satisfies Tool<"%s">;
"""
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_TEXT: Mapping[str, str] = {"type": "text", "text": "A text."}
_IMAGE: Mapping[str, str] = {"type": "image", "data": _PIXEL, "mimeType": "image/png"}
_RESOURCE: Mapping[str, Any] = {
    "type": "resource",
    "resource": {"uri": "test://resource", "mimeType": "text/plain", "text": "A resource."},
}
_CONTENT: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "test_simple_text": [_TEXT],
    "test_image_content": [_IMAGE],
    "test_audio_content": [{"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"}],
    "test_embedded_resource": [_RESOURCE],
    "test_multiple_content_types": [_TEXT, _IMAGE, _RESOURCE],
}
# By the tool's file in src/tools.
HANDLERS: Mapping[str, str] = {
    **{
        tool: _HANDLER % (f"return {{ content: {json.dumps(content)} }};", tool)
        for tool, content in _CONTENT.items()
    },
    "test_error_handling": _HANDLER % ('throw new Error("An error.");', "test_error_handling"),
}

# A scenario that takes longer has failed. Half of it makes good servers fail: some wait for a few seconds.
_SCENARIO_MS = 8000
_SUITE_SECONDS = 300

_FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


_TOOLS = (
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "json-schema-2020-12",
)

# Every scenario of a revision that a server of tools passes.
PASSING: Mapping[str, Sequence[str]] = {
    LEGACY: (
        "server-initialize",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "ping",
        "dns-rebinding-protection",
        *_TOOLS,
    ),
    MODERN: (
        "server-stateless",
        "server-sse-multiple-streams",
        "http-header-validation",
        "dns-rebinding-protection",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        *_TOOLS,
    ),
}

# Those of LEGACY that a server without sessions is not asked.
OF_SESSIONS = ("server-session-lifecycle", "server-sse-multiple-streams")

# Every other one, by what it asks for and a generated server does not have.
FOREIGN: Mapping[str, Sequence[str]] = {
    "resources": (
        "resources-list",
        "resources-read-text",
        "resources-read-binary",
        "resources-templates-read",
        "resources-subscribe",
        "resources-unsubscribe",
        "sep-2164-resource-not-found",
    ),
    "prompts": (
        "prompts-list",
        "prompts-get-simple",
        "prompts-get-with-args",
        "prompts-get-embedded-resource",
        "prompts-get-with-image",
        "completion-complete",
    ),
    "lists of prompts and resources beside that of tools": ("caching",),
    "messages ahead of a result, on a stream that can be resumed": (
        "logging-set-level",
        "tools-call-with-logging",
        "tools-call-with-progress",
        "server-sse-polling",
    ),
    "questions to the client": (
        "tools-call-sampling",
        "tools-call-elicitation",
        "elicitation-sep1034-defaults",
        "elicitation-sep1330-enums",
        "input-required-result-basic-elicitation",
        "input-required-result-basic-list-roots",
        "input-required-result-basic-sampling",
        "input-required-result-capability-check",
        "input-required-result-ignore-extra-params",
        "input-required-result-missing-input-response",
        "input-required-result-multi-round",
        "input-required-result-multiple-input-requests",
        "input-required-result-non-tool-request",
        "input-required-result-request-state",
        "input-required-result-result-type",
        "input-required-result-tampered-state",
    ),
    "arguments that a header repeats (x-mcp-header)": ("http-custom-header-server-validation",),
}

# Checks of a passing scenario that need what a generated server does not have.
_FOREIGN_CHECKS = frozenset(
    {
        "sep-2575-server-rejects-undeclared-capability",
        "sep-2575-missing-capability-http-400",
        "sep-2575-server-sends-prompts-list-changed-on-subscription",
        "sep-2575-server-sends-tools-list-changed-on-subscription",
    }
)
# Is made in every scenario, whatever the server answers.
_WIRE_CHECK = "wire-schema-valid"


@dataclass(frozen=True, slots=True)
class Check:
    """What the suite says of one thing that a scenario looks at."""

    id: str
    status: str
    """SUCCESS, FAILURE, WARNING, SKIPPED or INFO."""
    message: str


def run(
    toolchain: Toolchain, endpoint: Endpoint, version: str, results: Path
) -> Mapping[str, Sequence[Check]]:
    """Return the checks of every scenario that a revision of the protocol has, by the scenario's name."""
    with fronted(endpoint) as url:
        options = ["--suite", "all", "--spec-version", version, "--timeout", str(_SCENARIO_MS)]
        done = subprocess.run(
            [str(toolchain.bin("conformance")), "server", "--url", url, *options, "-o", str(results)],
            env=dict(toolchain.env),
            capture_output=True,
            text=True,
            timeout=_SUITE_SECONDS,
            check=False,
        )
    # It ends with 1 where anything failed, and every server fails where it lacks the suite's own tools.
    scenarios = {
        match[1]: [_check(check) for check in json.loads((folder / "checks.json").read_bytes())]
        for folder in results.iterdir()
        if (match := _FOLDER.fullmatch(folder.name))
    }
    if not scenarios:
        raise AssertionError(f"the suite ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return scenarios


def problems(scenarios: Mapping[str, Sequence[Check]], passing: Iterable[str]) -> Iterator[str]:
    """Tell what keeps scenarios from passing, and which of them found nothing to look at."""
    for name in passing:
        checks = [check for check in scenarios.get(name, ()) if check.id not in _FOREIGN_CHECKS]
        bad = [check for check in checks if check.status not in {"SUCCESS", "INFO"}]
        yield from (f"{name}: {check.status} {check.id}: {check.message}" for check in bad)
        if not any(check.status == "SUCCESS" and check.id != _WIRE_CHECK for check in checks):
            yield f"{name}: nothing succeeded"


def _check(check: Mapping[str, Any]) -> Check:
    return Check(check["id"], check["status"], check.get("errorMessage") or check["description"])


@contextmanager
def fronted(endpoint: Endpoint) -> Iterator[str]:
    """Give a URL that the suite can use: it sends no headers but its own, and some platforms add theirs."""
    if not endpoint.headers:
        yield endpoint.url
        return
    target = urlsplit(endpoint.url)

    class Front(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            # As a platform's own front does, it hands over the name that was asked for.
            sent = {name.lower(): value for name, value in [*self.headers.items(), *endpoint.headers.items()]}
            if "x-forwarded-host" in sent:
                sent["x-forwarded-host"] = sent["host"]
            behind = http.client.HTTPConnection(target.netloc, timeout=_SCENARIO_MS / 1000)
            with closing(behind), suppress(ConnectionError):
                behind.request(self.command, self.path, body, sent)
                self.hand_back(behind.getresponse())

        def hand_back(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "keep-alive", "transfer-encoding"}:
                    self.send_header(name, value)
            # The end of the connection is the end of a body whose length nobody knows.
            self.send_header("connection", "close")
            self.end_headers()
            while piece := answer.read1():
                self.wfile.write(piece)
                self.wfile.flush()

        do_GET = do_DELETE = do_OPTIONS = do_POST  # noqa: N815 - the names that the base class looks up

        def log_message(self, *_: object) -> None:
            """Say nothing: the suite tells what came back."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as front:
        front.daemon_threads = True
        threading.Thread(target=front.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{front.server_port}{target.path}"
        finally:
            front.shutdown()
