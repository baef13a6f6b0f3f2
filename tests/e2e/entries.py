"""What tests change about a generated project: who sends a request, what its store is asked, and its TTL."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENTRIES: Mapping[str, str] = {
    "cloudflare": "src/targets/cloudflare.ts",
    "deno": "src/targets/deno.ts",
    "vercel": "api/mcp.ts",
    "bun": "src/targets/bun.ts",
}

# The principal of a request; nothing in front of the servers of a test makes sure of it.
USER = "x-user"

_COUNTED = """
function counted<Store extends object>(open: () => Store | Promise<Store>) {
  return async () =>
    new Proxy(await open(), {
      get(store, name) {
        const member: unknown = Reflect.get(store, name);
        if (typeof member !== "function" || name === "diagnose") return member;
        return (...args: unknown[]) => {
          console.log(`store operation: ${String(name)}.`);
          return member.apply(store, args);
        };
      },
    });
}
"""


def identify(project: Path) -> None:
    """Let a header name the principal, on every target of a project."""
    for entry in _entries(project):
        _change(
            entry,
            r"( +)(hosts: )",
            rf'\1principal: (request) => request.headers.get("{USER}") ?? undefined,\n\1\2',
        )


def count_operations(project: Path) -> None:
    """Let every operation of the store be a line of the server's log."""
    for entry in _entries(project):
        _change(entry, r"openStore: (.+),\n", r"openStore: counted(\1),\n")
        entry.write_text(entry.read_text() + _COUNTED)


def operations(log: Path) -> Counter[str]:
    """Return how many operations of each kind a server has logged, once it logs no more."""
    text = log.read_text(errors="replace")
    while True:
        # What prints for the runtime may be behind.
        time.sleep(0.3)
        before, text = text, log.read_text(errors="replace")
        if text == before:
            return Counter(re.findall(r"store operation: (\w+)\.", text))


def shorten(project: Path, seconds: int) -> None:
    """Let sessions end after less than the minute that is the manifest's least."""
    _change(
        project / "src/generated/config.ts",
        r"sessionTtlSeconds = \d+;",
        f"sessionTtlSeconds = {seconds};",
    )


def _entries(project: Path) -> list[Path]:
    return [project / path for path in ENTRIES.values() if (project / path).exists()]


def _change(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1, f"{pattern} is {count} times in {path}"
    path.write_text(text)
