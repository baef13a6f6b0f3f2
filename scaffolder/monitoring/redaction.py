"""Take out of what a server said what it was told in confidence, and what would steer a terminal."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote as percent_encoded

from scaffolder.exchanges import Failure
from scaffolder.monitoring.layers import printable
from scaffolder.probe import CallReport, EraReport

# A shorter word is in too many texts, and no secret.
SHORTEST = 4

# What a text that was too long ends with: half of a secret may be left in front of it.
CUT = "…"

MASK = "[secret]"


@dataclass(frozen=True, slots=True)
class Redaction:
    """What must not be repeated."""

    secrets: tuple[str, ...] = ()
    """In every form in which a server may say it; the longest first."""

    def hide(self, text: str) -> str:
        """Take the secrets out of a text, also those that its end has cut off."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        for secret in self.secrets if CUT in text else ():
            for length in range(len(secret) - 1, SHORTEST - 1, -1):
                text = text.replace(f"{secret[:length]}{CUT}", f"{MASK}{CUT}")
        return text

    def clean(self, value: Any) -> Any:
        """Make a JSON value fit to be printed."""
        if isinstance(value, str):
            return printable(self.hide(value))
        if isinstance(value, dict):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        return [self.clean(item) for item in value] if isinstance(value, list) else value

    def clean_report(self, report: EraReport) -> EraReport:
        """Make what an era came to fit to be printed; tools lose secrets alone, or they would differ."""
        return replace(
            report,
            server=self.clean(dict(report.server)),
            protocol_versions=tuple(map(self.clean, report.protocol_versions)),
            tools=tuple(map(self._without_secrets, report.tools)) if self.secrets else report.tools,
            failure=self._clean_failure(report.failure),
        )

    def clean_call(self, call: CallReport) -> CallReport:
        """Make what a call came to fit to be printed."""
        return replace(call, result=self.clean(dict(call.result)), failure=self._clean_failure(call.failure))

    def _clean_failure(self, failure: Failure | None) -> Failure | None:
        return failure and replace(
            failure,
            message=self.clean(failure.message),
            challenge=self.clean(failure.challenge),
            location=self.clean(failure.location),
        )

    def _without_secrets(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {self.hide(key): self._without_secrets(item) for key, item in value.items()}
        return [self._without_secrets(item) for item in value] if isinstance(value, list) else value


def redaction(headers: Mapping[str, str]) -> Redaction:
    """Return what hides the values of some headers."""
    forms = {
        form
        for name, value in headers.items()
        for secret in _secrets(name.lower(), value)
        # The last is how an excerpt of a page has it.
        for form in (
            secret,
            json.dumps(secret)[1:-1],
            percent_encoded(secret, safe=""),
            " ".join(secret.split()),
        )
        if len(form) >= SHORTEST
    }
    return Redaction(tuple(sorted(forms, key=lambda form: (-len(form), form))))


def _secrets(name: str, value: str) -> Iterator[str]:
    """Give what is secret in a value: "Bearer abc" is sent, and "abc" is what a server would repeat."""
    yield value
    words = value.split()
    if len(words) > 1 and name in {"authorization", "proxy-authorization"}:
        scheme, *words = words
        if scheme.lower() == "basic":
            yield from _basic(words[0])
    yield from words


def _basic(encoded: str) -> Iterator[str]:
    """Give the name and the password that a value of Basic stands for, together and the latter alone."""
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return
    yield pair
    yield pair.partition(":")[2]
