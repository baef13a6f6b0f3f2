"""Literals, comments and whole values, read back by the real parsers and formatters of each format."""

from __future__ import annotations

import ast
import http.client
import json
import math
import os
import random
import re
import shutil
import socket
import subprocess
import time
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from macros import call, environment
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from markdown_it.token import Token
    from toolchain import Toolchain

PARTS = """
*/|/*|//|/** @x */|<!--|-->|</script>|<b>|&amp;|&#35;|&|#|# a #|## b|-|- a|---|+|* a|***|===|>|> q|1.|1. a|2) b|12345678901. x
${x}|${|`${x}`|`|``|```|{{ x }}|{{|}}|{% if %}|{%|%}|{# x #}|{#|#}|{-|-}|{x}|{$HOME}|{$HOME:x}|{$|{$}|{$:}|$|$$|$HOME|$(id)|`id`
'|''|'''|"|""|\"""|\"""x\"""|it's|"it's"|say "hi"|'"'|"'"|\\|\\\\|\\\\\\|\\"|\\'|\\`|\\\\"|\\n|\\t|\\u0000|\\x00|\\u2028|\\0|\\N|\\/|\\ |`\\"
yes|no|on|off|y|n|true|True|null|Null|~|NaN|.nan|.inf|-.inf|Infinity|undefined|012|0o17|0x1f|1_000|1e3|1:30|190:20:30|2001-01-01
2001-12-14t21:59:43.10-05:00|=|<<|!!str x|!x|&a|*a|%|%x|%%|%h|%n|%{x}|100%|@|@x|?|? x|: |a: b|:a|a:|a: |- |[|]|[a|a]|{|}|{a: b}
a #b|a # b|a\tb|,|,a|a,|;|a;b|\\|\\||\\|\\||&&|>|>>|<|<<EOF|(|)|!|!!|*|?|~/x|../x|/etc/passwd|-rf|--help|rm -rf /|a b|  a|a  |  a  |  a  b
@ts-ignore|@ts-expect-error x|@ts-nocheck|biome-ignore format: x|biome-ignore-all lint: x|deno-lint-ignore-file|deno-fmt-ignore
# sourceMappingURL=x|eslint-disable|use strict|import "x"|export {}|;process.exit(1)//|new|class|__proto__|constructor|prototype
:tada:|a:b:c|[a](b)|![a](b)|[a]: b|<http://a.b>|http://a.b/c_d|www.a.b|a@b.c|_a_|__a__|a_b_c|a__b|*a*|**a**|~a~|~~a~~|$x$|$$x$$|\\|a\\|b
é|É|ß|ı|naïve café|Ελληνικά|Русский|עברית|العربية|لا|हिन्दी|ไทย|한국어|日本語|中文|ｆｕｌｌ|ﾊﾝｶｸ|😀|👨‍👩‍👧|🇩🇪|☺️|1️⃣|𝒳|𐐷|e\u0301|a\u0308\u0323
""".strip()  # noqa: RUF001 - confusable characters are the point

# Each control character, separator, mark of direction and non-character, and some that a parser may treat as one.
CHARACTERS = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA1)),
    *"\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
    *"\u2060\u2066\u2067\u2068\u2069\u206f\u3000\u3164\ud7ff\ue000\ufdd0\ufe0f\ufeff\uffa0\ufff9\ufffc\ufffd\ufffe\uffff",
    *"\U0001d173\U0001f600\U0001fffe\U000e0001\U000e007f\U000f0000\U0010fffd\U0010ffff",
]


def _hostile() -> list[str]:
    parts = [part for line in PARTS.splitlines() for part in re.split(r"(?<!\\)\|", line) if part]
    parts = [part.replace("\\\\", "\\") for part in parts]
    wrapped = [f"x{part}y" for part in parts] + [f"{part}{part}" for part in parts]
    marked = [form for c in CHARACTERS for form in (c, f"a{c}b", f'"{c}\\{c}')]
    long = ["x" * 100_000, "\\" * 5_001, '"' * 5_000, "*/" * 3_000, "日" * 3_000, "a b " * 5_000, "é\n" * 1_000]
    return ["", " ", *parts, *wrapped, *marked, "\r\n", "a\r\nb\n\n c", *long]


HOSTILE = _hostile()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=40,
)


def test_there_are_enough_hostile_strings() -> None:
    """The list keeps its size and has no doubles to speak of."""
    assert len(set(HOSTILE)) >= 1000


@pytest.mark.parametrize("read", [json.loads, ast.literal_eval], ids=["json", "python"])
def test_a_string_is_right_in_json(read: Any) -> None:
    """A literal says exactly its text in JSON and, as TypeScript would read it, without an escape it lacks."""
    assert [read(call("literals", "string", text)) for text in HOSTILE if read is json.loads or text.isascii()] == [
        text for text in HOSTILE if read is json.loads or text.isascii()
    ]


def test_a_string_is_right_in_toml_and_yaml() -> None:
    """A literal says exactly its text in TOML and YAML, as a value and as a key."""
    literals = [call("literals", "string", text) for text in HOSTILE]
    assert tomllib.loads("x = [\n" + ",\n".join(literals) + "\n]")["x"] == HOSTILE
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert yaml.load("".join(f"- {literal}\n" for literal in literals), loader) == HOSTILE  # noqa: S506 - safe ones
        assert yaml.load("".join(f"- {literal}: 1\n" for literal in literals if len(literal) < 1000), loader) == [  # noqa: S506
            {text: 1} for text, literal in zip(HOSTILE, literals, strict=True) if len(literal) < 1000
        ]


@given(st.text())
def test_any_string_is_right(text: str) -> None:
    """No text whatever changes on its way through a literal."""
    literal = call("literals", "string", text)
    assert json.loads(literal) == text
    assert tomllib.loads(f"x = {literal}")["x"] == text
    assert yaml.safe_load(literal) == text
