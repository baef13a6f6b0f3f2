"""Rules about secrets: one that nobody reads, and one that stands where all can read it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scaffolder.diagnostics import Span
from scaffolder.manifest import Loaded
from scaffolder.manifest.positions import Document
from scaffolder.rules.remarks import Remark


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of secret: words that a text has to hold, and a pattern of what is shown and what is hidden."""

    title: str
    hints: tuple[str, ...]
    pattern: str

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Find secrets of this kind; most texts are ruled out before a pattern is even compiled."""
        if any(hint in text for hint in self.hints):
            yield from re.finditer(self.pattern, text)

    def hide(self, text: str) -> str:
        """Put stars in the place of secrets of this kind."""
        if not any(hint in text for hint in self.hints):
            return text
        return re.sub(self.pattern, lambda match: match[1] + "*" * len(match[2]), text)


def _token(title: str, starts: str, rest: str) -> _Kind:
    """Describe what its vendor made to be recognised, by how it starts and how it goes on."""
    hints = tuple(starts.split())
    return _Kind(title, hints, f"(?<![A-Za-z0-9_-])({'|'.join(map(re.escape, hints))})({rest})")


_KINDS = (
    _token("a token of GitHub", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", "[A-Za-z0-9_]{36,255}"),
    _token("a token of GitLab", "glpat-", "[A-Za-z0-9_-]{20,}"),
    _token("a key of an AI provider", "sk-", "[A-Za-z0-9_-]{32,}"),
    _token("a token of Slack", "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs-", "[A-Za-z0-9-]{10,}"),
    _token("an access key of AWS", "AKIA ASIA", "[A-Z0-9]{16}"),
    _token("a key of Google", "AIza", "[A-Za-z0-9_-]{35}"),
    _token("a key of Stripe", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", "[A-Za-z0-9]{24,}"),
    _token("a token of npm", "npm_", "[A-Za-z0-9]{36}"),
    _token("a token of PyPI", "pypi-", "[A-Za-z0-9_-]{50,}"),
    _token("a token of Hugging Face", "hf_", "[A-Za-z0-9]{30,}"),
    _token("a key of SendGrid", "SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _token("a token (JWT)", "eyJ", r"[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _Kind("a private key", ("PRIVATE KEY-----",), "(-----BEGIN )([A-Z ]*PRIVATE KEY-----)"),
    # In a URL; `$` and the like stand for a password that is filled in elsewhere.
    _Kind("a password", ("://",), r"(://[^\s:/@?#'\"]+:)([^\s/@?#'\"${<*]+)(?=@)"),
)


def unused_secret(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a secret that no tool uses.

    Why: every deployment asks for it, and the server is not ready before it is set; who holds a
    secret that nothing needs can only lose it.

    What to do: name it under the `secrets` of the tools that read it, or delete it. (A tool that
    names a secret which is not declared is an error: `undeclared-secret`.)
    """
    manifest = loaded.manifest
    used = {name for tool in manifest.tools for name in tool.secrets or ()}
    for name in manifest.secrets or ():
        if name not in used:
            yield Remark(
                ("secrets", name),
                f"no tool uses the secret `{name}`",
                None,
                "name it under the `secrets` of the tools that read it, or delete it",
                key=True,
            )


def pasted_secret(loaded: Loaded) -> Iterator[Remark]:
    """Warn of what looks like a secret itself, anywhere in the manifest.

    Why: the manifest is committed, and its texts and settings are part of what is deployed and of
    what clients are told. A secret that was in a commit has to be taken for known.

    What to do: revoke it, and get a new one. Declare its name under `secrets`, and set the value
    where the deployment guide of each target says. In a URL, leave the password out and put it
    together in the handler.
    """
    document = loaded.document
    for kind in _KINDS:
        for match in kind.find(document.text):
            *above, before = Document(document.file, document.text[: match.start()], None).lines
            line, column = len(above), len(before)
            yield Remark(
                (),
                f"this looks like {kind.title}",
                None,
                "revoke it, declare a name for it under `secrets`, and set the value at the provider",
                span=document.between(line, column, line, column + len(match[0])),
            )


def masked(span: Span) -> Span:
    """Hide secrets in the line that is shown: what is printed ends in the log of a CI."""
    source = span.source
    if source is None:
        return span
    for kind in _KINDS:
        source = kind.hide(source)
    return replace(span, source=source)
