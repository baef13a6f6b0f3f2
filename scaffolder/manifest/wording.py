"""Words that messages share: what was found, what it looks like, what was probably meant."""

import datetime as dt
import difflib
import json
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Any

import yaml

from scaffolder.manifest.positions import STRING

WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
LONGEST = 60


def quoted(text: str) -> str:
    """Quote a text so that YAML and JSON read it back, and a terminal does nothing on reading it."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    printable = json.dumps(short, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char).strip('"') for char in printable)


def code(text: str) -> str:
    """Show a name or a value in backticks, in quotes as well where it would not be clear without."""
    plain = 0 < len(text) <= LONGEST and text.isprintable() and text == text.strip() and "`" not in text
    return f"`{text}`" if plain else in_quotes(text)


def in_quotes(text: str) -> str:
    """Show a text in quotes, as it can be copied into the manifest."""
    return quoted(text) if "`" in text else f"`{quoted(text)}`"


def quote_it(text: str) -> str:
    """Advise to quote what YAML takes for something else."""
    return f"quote it: {in_quotes(text)}"


def either(values: Iterable[str]) -> str:
    """Join alternatives as a sentence does."""
    *most, last = [code(value) for value in values]
    return f"{', '.join(most)} or {last}" if most else last


def listed(values: Iterable[str]) -> str:
    """Join names as a sentence does, plain and all equal."""
    return ", ".join(values)


def flow(value: Any) -> str:
    """Write a value as YAML on one line, as an example to copy."""
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return dumped.removesuffix("\n").removesuffix("\n...")


def found(node: yaml.Node | None, value: object) -> str:
    """Say what stands in the document, as the user wrote it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(node, yaml.ScalarNode):
        if node.style in {"'", '"'}:
            return in_quotes(node.value)
        return code(node.value) if node.value else "nothing"
    return code(value) if isinstance(value, str) else f"`{value}`"


def reading(value: object) -> str:
    """Say what YAML made of a plain text that looks like something else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dt.date):
        return "a date"
    return "bytes" if isinstance(value, bytes) else "null" if value is None else "a list or a mapping"


def is_plain(node: yaml.Node | None) -> bool:
    """Tell whether a node is text without quotes that YAML took for something else."""
    if not isinstance(node, yaml.ScalarNode) or node.style or node.tag == STRING:
        return False
    implied = yaml.compose(node.value, yaml.CSafeLoader) if node.value else None
    return isinstance(implied, yaml.ScalarNode) and implied.tag == node.tag


def closest(word: str, allowed: Collection[str]) -> str | None:
    """Guess what was meant: the same letters first, however they are joined, then the nearest."""
    folded = {_fold(candidate): candidate for candidate in allowed}
    if _fold(word) in folded:
        return folded[_fold(word)]
    near = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.7)
    return folded[near[0]] if near else None


def repaired(text: str, pattern: str) -> str | None:
    """Guess the text that fits a pattern and says the same, if a simple change makes one."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", ascii_text)
    candidates = [
        text.strip(),
        text.lower(),
        "/" + "/".join(part for part in text.split("/") if part not in {"", "."}),
        f"https://{text}",
        text.removeprefix("v"),
    ]
    if re.search(r"://|:[0-9]+$", text):
        candidates.append(re.sub(r"^[a-z]+://|[/?#].*$|:[0-9]+", "", text).lower())
    elif sum(map(str.isalnum, ascii_text)) == sum(map(str.isalnum, text)):
        candidates += [
            re.sub(r"[^A-Za-z0-9_.-]+", "_", ascii_text).strip("_.-"),
            re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_"),
            re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-"),
        ]
    fits = re.compile(pattern.removesuffix("$") + r"\Z")
    return next((one for one in candidates if one != text and fits.match(one)), None)


def _fold(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
