"""The page of every code that a diagnostic can carry, and of the topics that no diagnostic is about."""

import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from scaffolder.diagnostics import Severity, UserError
from scaffolder.manifest.wording import closest, code, listed
from scaffolder.providers import Source, facts, profiles
from scaffolder.rules import RULES
from scaffolder.rules.page_texts import ERRORS, TOPICS
from scaffolder.rules.remarks import Limit, processes

WIDTH = 100

SILENCE = """To silence it in one place, put a comment at the end of its line, or on the line above:

    # mcp-scaffold: ignore[{code}]"""


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know about a code: a topic has no severity."""

    code: str
    severity: Severity | None
    text: str
    limits: tuple[tuple[Limit, Source], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Give the form that `--json` prints."""
        return {
            "code": self.code,
            "severity": self.severity and str(self.severity),
            "text": self.text,
            "limits": [
                {"of": limit.of, "value": limit.value, "url": source.url, "date": source.date}
                for limit, source in self.limits
            ],
        }


def render(page: Page) -> str:
    """Print a page as plain text, without a newline at the end."""
    title = f"{page.severity}[{page.code}]" if page.severity else page.code
    parts = [title, page.text]
    if page.limits:
        lines = [
            f"- {limit.of}: {limit.value}\n  {source.url} ({source.date})" for limit, source in page.limits
        ]
        parts.append("Limits, where they were read, and when:\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def explained(name: str) -> Page:
    """Give the page of a code or a topic; a UserError says which there are."""
    for rule in RULES:
        if rule.code == name:
            text = inspect.getdoc(rule.find) or ""
            return _page(name, Severity.WARNING, f"{text}\n\n{SILENCE.format(code=name)}", rule.limits())
    if name in ERRORS:
        return _page(name, Severity.ERROR, textwrap.fill(ERRORS[name], WIDTH))
    if name in TOPICS:
        return _page(name, None, TOPICS[name], _TOPIC_LIMITS[name]())
    known = names()
    meant = closest(name, known)
    raise UserError(
        f"there is no page for {code(name)}",
        help=[*([f"did you mean `{meant}`?"] if meant else []), f"pages: {listed(known)}"],
    )


def names() -> list[str]:
    """List what has a page: the rules, the errors, the topics."""
    return [*sorted(rule.code for rule in RULES), *ERRORS, *TOPICS]


def memory() -> Iterator[Limit]:
    """Say how much memory there is, by plan, and from where on it takes a server."""
    edge = facts().edge.memory_mb
    yield Limit("an edge runtime", f"{edge.value} MB", edge.source)
    for profile in profiles().values():
        for name, plan in profile.plans.items():
            value = f"{plan.memory_mb.value} MB" if plan.memory_mb.value else "that of its machine"
            yield Limit(f"{profile.title}, plan {name}", value, plan.memory_mb.source)


_TOPIC_LIMITS: Mapping[str, Callable[[], Iterable[Limit]]] = {
    "edge-constraints": processes,
    "edge-or-server": memory,
}


def _page(name: str, severity: Severity | None, text: str, limits: Iterable[Limit] = ()) -> Page:
    sources = facts().sources
    return Page(name, severity, text, tuple((limit, sources[limit.source]) for limit in limits))
