"""Literals, comments and whole values, read back by the real parsers and formatters of each format."""

from __future__ import annotations

import http.client
import json
import math
import os
import random
import re
import socket
import struct
import subprocess
import time
import tomllib
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
import yaml
from debian import program
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import call
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from markdown_it.token import Token
    from toolchain import Toolchain

# Text that means something in one of the formats, between broken bars.
PARTS = r"""
*/ ¦ /* ¦ // ¦ /** @x */ ¦ <!-- ¦ --> ¦ </script> ¦ <b> ¦ &amp; ¦ &#35; ¦ & ¦ # ¦ # a # ¦ ## b ¦ a #
a \# ¦ C# ¦ - ¦ - a ¦ --- ¦ + ¦ * a ¦ *** ¦ === ¦ > ¦ > q ¦ 1. ¦ 1. a ¦ 2) b ¦ 1234567890. a ¦ [a](b)
![a](b) ¦ [a]: b ¦ <http://a.b> ¦ http://a.b/c_d ¦ www.a.b ¦ a@b.c ¦ _a_ ¦ __a__ ¦ a_b_c ¦ a__b ¦ *a*
**a** ¦ ~a~ ¦ ~~a~~ ¦ $x$ ¦ $$x$$ ¦ :tada: ¦ a:b:c ¦ a\|b ¦ \| ¦ \\| ¦ | ¦ || ¦ ${x} ¦ ${ ¦ `${x}` ¦ `
`` ¦ ``` ¦ `a` ¦ {{ x }} ¦ {{ ¦ }} ¦ {% if %} ¦ {% ¦ %} ¦ {# x #} ¦ {# ¦ #} ¦ {- ¦ -} ¦ {x} ¦ { ¦ } ¦ {}
{$HOME} ¦ {$HOME:x} ¦ {$ ¦ {$} ¦ {$:} ¦ {$:x} ¦ \{ ¦ \} ¦ {host} ¦ {http.request.host} ¦ \{host\}
{header.X} ¦ {args.0} ¦ {{{$ ¦ $ ¦ $$ ¦ $HOME ¦ $(id) ¦ `id` ¦ && ¦ >> ¦ << ¦ <<EOF ¦ ( ¦ ) ¦ ! ¦ !! ¦ ?
~ ¦ ~/x ¦ ../x ¦ /etc/passwd ¦ -rf ¦ --help ¦ ; ¦ a;b ¦ ' ¦ '' ¦ " ¦ "" ¦ it's ¦ "it's" ¦ say "hi" ¦ '"'
"'" ¦ ""' ¦ \" ¦ \' ¦ \` ¦ \\" ¦ `\" ¦ `\ ¦ \"` ¦ a\ ¦ \ ¦ \\ ¦ \\\ ¦ \n ¦ \t ¦ \u0000 ¦ \x00 ¦ \u2028
\0 ¦ \N ¦ \/ ¦ \s ¦ \x41 ¦ a\b ¦ % ¦ %% ¦ %x ¦ %h ¦ %n ¦ %{x} ¦ 100% ¦ %\ ¦ yes ¦ no ¦ on ¦ off ¦ y ¦ n
true ¦ True ¦ null ¦ Null ¦ NaN ¦ .nan ¦ .inf ¦ -.inf ¦ Infinity ¦ undefined ¦ 012 ¦ 0o17 ¦ 0x1f ¦ 1e3
1_000 ¦ 1:30 ¦ 190:20:30 ¦ 2001-01-01 ¦ 2001-12-14t21:59:43.10-05:00 ¦ = ¦ !!str x ¦ !x ¦ &a ¦ *a ¦ @
@x ¦ ? x ¦ a: b ¦ :a ¦ a: ¦ : ¦ [ ¦ ] ¦ [a ¦ a] ¦ {a: b} ¦ a #b ¦ a # b ¦ , ¦ ,a ¦ a, ¦ 404 ¦ 1 ¦ 1.0
-1 ¦ class ¦ new ¦ __proto__ ¦ constructor ¦ prototype ¦ @ts-ignore ¦ @ts-expect-error x ¦ @ts-nocheck
biome-ignore format: x ¦ biome-ignore-all lint: x ¦ deno-lint-ignore-file ¦ deno-fmt-ignore
# sourceMappingURL=x ¦ eslint-disable ¦ use strict ¦ import "x" ¦ export {} ¦ ;process.exit(1)//
[Service] ¦ é ¦ É ¦ ß ¦ naïve café ¦ Ελληνικά ¦ Русский ¦ עברית ¦ العربية ¦ لا ¦ हिन्दी ¦ ไทย ¦ 한국어
日本語 ¦ 中文 ¦ ｆｕｌｌ ¦ ﾊﾝｶｸ ¦ 😀 ¦ 👨‍👩‍👧 ¦ 🇩🇪 ¦ ☺️ ¦ 1️⃣
""".strip()  # noqa: RUF001 - confusable characters are among the hostile ones

# Control characters, separators, marks of direction, non-characters, and what a parser may take for one.
CHARACTERS = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA1)),
    *"\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
    *"\u2060\u2066\u2067\u2068\u2069\u206f\u3000\u3164\ud7ff\ue000\ufdd0\ufe0f\ufeff\uffa0",
    *"\ufff9\ufffc\ufffd\ufffe\uffff",
    *"\U0001d173\U0001f600\U0001fffe\U000e0001\U000e007f\U000f0000\U0010fffd\U0010ffff",
]


def _hostile() -> list[str]:
    parts = re.split(r" ¦ |\n", PARTS)
    wrapped = [form for part in parts for form in (f"x{part}y", f"{part} {part}", f"{part}\n{part}")]
    marked = [form for c in CHARACTERS for form in (c, f"a{c}b", f'"{c}\\{c}')]
    spaces = [
        "",
        " ",
        "  ",
        " a",
        "a ",
        "  a  b  ",
        "\ta",
        "a\t",
        "\r\n",
        "a\r\nb\n\n c",
        "a \n \n b",
        "\n#x",
        "\n[Install]\n",
    ]
    long = [
        "x" * 100_000,
        "\\" * 5_001,
        '"' * 5_000,
        "*/" * 3_000,
        "日" * 3_000,
        "a b " * 5_000,
        "é\n" * 1_000,
    ]
    return [*parts, *wrapped, *marked, *spaces, *long]


HOSTILE = _hostile()
SHORT = [text for text in HOSTILE if len(text) < 1000]

# What the comment and one-line macros replace by a space.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)

# The last two code points of each plane above the first.
NONCHARACTERS = "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))

# How long an example takes says nothing on a busy machine.
UNHURRIED = settings(deadline=None)

string = partial(call, "literals", "string")
comment = partial(call, "literals", "comment")
ts = partial(call, "literals", "ts")
print_json = partial(call, "literals", "json")
es_number = partial(call, "literals", "es_number")

numbers = st.floats(allow_nan=False, allow_infinity=False)
safe_integers = st.integers(-(2**53) + 1, 2**53 - 1)
# Texts that end around the 80th column, of characters that are wide, narrow, escaped or counted twice.
texts = (
    st.sampled_from(SHORT)
    | st.text(max_size=12)
    | st.builds(
        lambda c, n: c * n,
        st.sampled_from(["x", "日", "é", '"', "'", "\\", "-", "😀", "a\u0301"]),
        st.integers(0, 90),
    )
)
scalars = st.none() | st.booleans() | safe_integers | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.dictionaries(texts, inner, max_size=5)
        | st.lists(inner, max_size=6)
        | st.lists(safe_integers | numbers, max_size=30)
        | st.lists(st.lists(scalars, max_size=4), max_size=4)
    ),
    max_leaves=25,
)


def test_the_hostile_strings_are_many() -> None:
    """The list does not shrink by accident."""
    assert len(set(HOSTILE)) > 1000


def test_a_string_is_right_in_json_toml_and_yaml() -> None:
    """A literal says exactly its text as a value of JSON, TOML and YAML, and as a key."""
    literals = [string(text) for text in HOSTILE]
    sequence = "[\n" + ",\n".join(literals) + "\n]"
    assert json.loads(sequence) == HOSTILE
    assert tomllib.loads(f"x = {sequence}")["x"] == HOSTILE
    assert yaml.safe_load("".join(f"- {literal}\n" for literal in literals)) == HOSTILE
    assert yaml.load("".join(f"- {literal}\n" for literal in literals), yaml.CSafeLoader) == HOSTILE
    keys = "".join(f"- {string(text)}: 1\n" for text in SHORT)
    assert yaml.safe_load(keys) == [{text: 1} for text in SHORT]
    assert [tomllib.loads(f"{string(text)} = 1") for text in SHORT] == [{text: 1} for text in SHORT]


@UNHURRIED
@given(st.text())
def test_any_string_is_right_in_json_toml_and_yaml(text: str) -> None:
    """No text whatever changes on its way through a literal."""
    literal = string(text)
    assert json.loads(literal) == tomllib.loads(f"x = {literal}")["x"] == yaml.safe_load(literal) == text


def test_a_string_shows_what_it_holds() -> None:
    """A literal keeps printable text as it is and escapes what an editor would hide or reorder."""
    assert string('naïve 日本 😀 "x"') == '"naïve 日本 😀 \\"x\\""'
    assert string("a\u202eb\u2028c\x7f\x85\ufeff") == '"a\\u202eb\\u2028c\\u007f\\u0085\\ufeff"'


def test_a_comment_is_one_safe_line() -> None:
    """A comment ends neither at a line break nor at its own end mark, and instructs no tool."""
    lines = [comment(text) for text in HOSTILE]
    forbidden = re.compile(rf"{UNSAFE.pattern}|\*/|@ts-|biome-ignore|deno-(lint|fmt)-ignore|\{{\$|^\s|\s$")
    assert [line for line in lines if forbidden.search(line) or len(line.splitlines()) > 1] == []
    assert tomllib.loads("".join(f"# {line}\n" for line in lines) + "x = 1") == {"x": 1}
    assert yaml.safe_load("".join(f"# {line}\n" for line in lines) + "x: 1") == {"x": 1}


def test_a_comment_keeps_plain_text() -> None:
    """A comment says what the text says wherever nothing forbids it."""
    assert comment("Look up a user by ID, e.g. 'it\\'s' \"x\" <b> é 日本 #1 50%") == (
        "Look up a user by ID, e.g. 'it\\'s' \"x\" <b> é 日本 #1 50%"
    )
    assert comment(" a\r\n\r\n  b\u2028c\0 */ d ") == "a b c *\\/ d"


@pytest.mark.slow
def test_typescript_reads_each_string_and_comment(toolchain: Toolchain, tmp_path: Path) -> None:
    """Node reads every literal as its text, and runs every statement that stands after a comment."""
    statements = [
        f"// {comment(text)}\ncount++;\n/* {comment(text)} */ count++;\n/** {comment(text)} */\ncount++;\n"
        for text in HOSTILE
    ]
    source = "".join(
        [
            "let count: number = 0;\n",
            *statements,
            f"const strings: string[] = [\n{','.join(map(string, HOSTILE))}];\n",
            f"const printed: string[] = {ts(HOSTILE)};\n",
            "process.stdout.write(JSON.stringify({ count, strings, printed }));\n",
        ]
    )
    assert _node(toolchain, tmp_path, source) == {
        "count": 3 * len(HOSTILE),
        "strings": HOSTILE,
        "printed": HOSTILE,
    }


@pytest.mark.slow
def test_a_comment_switches_no_check_off(toolchain: Toolchain, tmp_path: Path) -> None:
    """The type checker still reports an error that stands below a comment, whatever the comment says."""
    directives = [text for text in SHORT if "@ts-" in text]
    lines = [
        f"// {comment(text)}\nexport const a{n}: number = '';\n"
        f"/** {comment(text)} */\nexport const b{n}: number = '';\n"
        for n, text in enumerate(directives)
    ]
    (tmp_path / "main.ts").write_text("".join(lines), encoding="utf-8")
    command = [str(toolchain.bin("tsc")), "--noEmit", "--strict", "--ignoreConfig", "main.ts"]
    report = subprocess.run(
        command, cwd=tmp_path, env=dict(toolchain.env), capture_output=True, text=True, check=False
    )
    assert report.stdout.count("error TS2322") == 2 * len(directives)


NUMBERS = [
    (1.0, "1"),
    (-0.0, "0"),
    (0.1, "0.1"),
    (1e-7, "1e-7"),
    (-1.5e-7, "-1.5e-7"),
    (0.000001, "0.000001"),
    (0.00001, "0.00001"),
    (0.0000123, "0.0000123"),
    (1e16, "10000000000000000"),
    (123456789012345680000.0, "123456789012345680000"),
    (1e21, "1e+21"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (2**53 - 1, "9007199254740991"),
    (2**53 + 1, "9007199254740992"),
    (0, "0"),
    (-12, "-12"),
]


@pytest.mark.parametrize(("number", "expected"), NUMBERS)
def test_a_number_is_printed_as_ecmascript_does(number: float, expected: str) -> None:
    """Python's way of printing a number becomes ECMAScript's."""
    assert es_number(number) == expected


@UNHURRIED
@given(numbers | safe_integers)
def test_any_number_is_printed_as_ecmascript_does(number: float) -> None:
    """No double differs from what RFC 8785 makes of it, which is what ECMAScript prints."""
    assert es_number(number) == rfc8785.dumps(number).decode()


@pytest.mark.slow
def test_node_prints_the_same_numbers(toolchain: Toolchain, tmp_path: Path) -> None:
    """JSON.stringify prints every double as the macro does; the doubles are drawn by their bits."""
    draw = random.Random(20261122)
    bits = [struct.unpack("<d", draw.randbytes(8))[0] for _ in range(20_000)]
    powers = [
        sign * 10.0**e * f for e in range(-30, 31) for f in (1, 1.5, 9.999999999999999) for sign in (1, -1)
    ]
    drawn = [number for number in [*bits, *powers, *map(float, range(-50, 50))] if math.isfinite(number)]
    source = (
        f"process.stdout.write(JSON.stringify([{','.join(map(repr, drawn))}].map((n) => JSON.stringify(n))));"
    )
    assert _node(toolchain, tmp_path, source) == [es_number(number) for number in drawn]


@UNHURRIED
@given(values)
def test_printed_json_says_the_value(value: Any) -> None:
    """Whatever its layout, what is printed is the value with its keys in their order."""
    for text in (print_json(value), print_json(value, expand=True)):
        read = json.loads(text, parse_int=float)
        assert read == value
        assert _key_order(read) == _key_order(value)


def test_a_schema_looks_as_one_would_write_it() -> None:
    """The layout of a tool's schema, in both languages."""
    schema = {
        "type": "object",
        "properties": {
            "user-id": {
                "type": "string",
                "description": 'The "ID" of the user, as the users API gives it to its callers.',
            },
            "kind": {"enum": ["a", "b"], "default": None},
        },
        "required": ["user-id"],
        "anyOf": [{}, {"minProperties": 1.0}],
        "new": [[1, 2], [3, 4]],
        "__proto__": True,
    }
    assert (
        ts(schema)
        == """{
  type: "object",
  properties: {
    "user-id": {
      type: "string",
      description:
        'The "ID" of the user, as the users API gives it to its callers.',
    },
    kind: {
      enum: ["a", "b"],
      default: null,
    },
  },
  required: ["user-id"],
  anyOf: [
    {},
    {
      minProperties: 1,
    },
  ],
  "new": [
    [1, 2],
    [3, 4],
  ],
  ["__proto__"]: true,
}"""
    )
    assert (
        print_json(schema, 1)
        == """{
    "type": "object",
    "properties": {
      "user-id": {
        "type": "string",
        "description": "The \\"ID\\" of the user, as the users API gives it to its callers."
      },
      "kind": {
        "enum": ["a", "b"],
        "default": null
      }
    },
    "required": ["user-id"],
    "anyOf": [
      {},
      {
        "minProperties": 1
      }
    ],
    "new": [[1, 2], [3, 4]],
    "__proto__": true
  }"""
    )


@pytest.mark.slow
def test_typescript_reads_each_value(toolchain: Toolchain, tmp_path: Path) -> None:
    """Node reads what is printed for TypeScript as the value, a key named __proto__ included."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(values, max_size=20))
    def check(drawn: list[Any]) -> None:
        sample = [*drawn, {key: key for key in SHORT}, {"__proto__": {"__proto__": 1}}]
        assert _node(toolchain, tmp_path, f"process.stdout.write(JSON.stringify({ts(sample)}));") == sample

    check()


@pytest.mark.slow
def test_the_formatter_finds_nothing_in_any_value(toolchain: Toolchain, tmp_path: Path) -> None:
    """Biome leaves each value as it is: TypeScript, JSON, and package.json with its expanded arrays."""

    @settings(max_examples=60, deadline=None)
    @given(st.lists(values, max_size=30))
    def check(drawn: list[Any]) -> None:
        _assert_formatted(toolchain, tmp_path, drawn)

    check()


@pytest.mark.slow
def test_the_formatter_finds_nothing_at_the_last_column(toolchain: Toolchain, tmp_path: Path) -> None:
    """Biome agrees on each kind of value behind keys of each width, and on arrays of each length."""
    kinds = [
        "s",
        'y"y',
        "x" * 70,
        1,
        -1,
        -1.5,
        1e-7,
        True,
        None,
        [],
        {},
        [1],
        ["a"],
        [[1, 2], [3, 4]],
        [[]],
        {"a": 1},
        [{"a": 1}],
    ]
    widths = [*range(9), *range(28, 40), *range(60, 84)]
    keyed = [{c * width: kind} for c, width, kind in product(("k", "日", "-", '"', "'"), widths, kinds)]
    short = [{c * width: "x" * 75} for c, width in product(("é", "😀", "☺️", "لا", "a\u0301"), range(6))]
    elements: list[Any] = ["x", "日", -1, 10, [1], ["x"], [[]], None]
    lists = [[element] * length for element, length in product(elements, range(1, 60))]
    mixed = [[10**a, -(10 ** (13 - a))] * length for a, length in product(range(13), range(1, 9))]
    for depth in (0, 1, 7):
        sample: Any = [*keyed, *short, *lists, *mixed, {str(n): value for n, value in enumerate(lists)}]
        for _ in range(depth):
            sample = {"a": sample}
        _assert_formatted(toolchain, tmp_path, sample)


@pytest.mark.slow
def test_the_formatter_finds_nothing_around_a_value(toolchain: Toolchain, tmp_path: Path) -> None:
    """`depth`, `used` and `trailing` tell the macros what stands around the value, to the column."""
    arrays = [["x" * 10] * n + ["y" * m] for n in range(3, 6) for m in range(1, 12)]
    constants = [
        f"export const a{n:02} = {ts(array, 0, 19, 10)} as const;\n" for n, array in enumerate(arrays)
    ]
    calls = [f"f({{\n  hosts: {ts(array, 1, 9, 1)},\n}});\n" for array in arrays]
    _assert_unchanged(toolchain, tmp_path, "main.ts", "".join([*constants, *calls]))
    members = [f'    "k{n:02}": {print_json(array, 2, 11, 1)}' for n, array in enumerate(arrays)]
    _assert_unchanged(
        toolchain,
        tmp_path,
        "main.json",
        '{\n  "a": {\n' + ",\n".join([*members, '    "z": 1']) + "\n  }\n}\n",
    )


@pytest.mark.slow
def test_the_width_of_each_character_is_the_formatters(toolchain: Toolchain, tmp_path: Path) -> None:
    """Biome counts each code point as the macro does: a line of 80 columns fits, one of 81 does not."""
    # planes 4 to 13 are empty, and the rest of 14 and all of 15 and 16 each behave as one character
    points = [
        c for c in range(0xA0, 0xE1000) if not (0xD800 <= c < 0xE000 or (0x40000 <= c < 0xE0000 and c % 4096))
    ]
    characters = [c for c in map(chr, [*points, 0xF0000, 0x10FFFD]) if not UNSAFE.match(c)]
    lines = []
    for start in range(0, len(characters), 20):
        text = "".join(characters[start : start + 20])
        width = int(call("literals", "columns", text))
        # two columns of indentation, `["", ""]` and a comma
        lines += [f'["{text}", "{"x" * (69 + more - width)}"]' for more in (0, 1)]
    formatted = _format(toolchain, tmp_path, "main.json", "[\n  " + ",\n  ".join([*lines, "1"]) + "\n]\n")
    kept = {line.strip().rstrip(",") for line in formatted.split("\n")}
    wrong = [line for n, line in enumerate(lines) if (line in kept) != (n % 2 == 0)]
    assert wrong == []


def _markdown_text(source: str) -> str:
    """Return the text that a reader sees, with a mark for each construct that is no text."""

    def walk(tokens: Sequence[Token]) -> Iterator[str]:
        for token in tokens:
            if token.children is not None:
                yield from walk(token.children)
            elif token.type in {"text", "text_special"}:
                yield token.content
            elif not re.fullmatch(r"(paragraph|heading|table|thead|tbody|tr|th|td)_(open|close)", token.type):
                yield f"<{token.type}>"

    return "".join(walk(MarkdownIt("gfm-like", {"linkify": False}).parse(source)))


@UNHURRIED
@given(st.text() | st.sampled_from(SHORT))
def test_markdown_shows_exactly_the_text(text: str) -> None:
    """A paragraph, a heading, a table cell and a link show the text on one line, and no markup."""
    source = call("literals", "markdown", text)
    shown = re.sub(" +", " ", UNSAFE.sub(" ", text)).strip()
    assert _markdown_text(source) == shown
    assert _markdown_text(f"## {source}") == shown
    assert _markdown_text(f"| h |\n| - |\n| {source} |") == f"h{shown}"
    assert _markdown_text(f"see [({source})](https://example.com)") == f"see <link_open>({shown})<link_close>"


def test_markdown_stays_readable() -> None:
    """Plain prose and the names of tools are left alone."""
    text = "Look up a user_id (by ID) & more: https://example.com/a_b - it's fine, C#, 50% + 1!"
    assert call("literals", "markdown", text) == text


@pytest.mark.slow
def test_systemd_reads_each_value(tmp_path: Path) -> None:
    """A description and a variable are the text to systemd, but for control characters."""
    analyze = program("systemd-analyze")
    named = {f"hostile{n}.service": text for n, text in enumerate(SHORT)}
    for name, text in named.items():
        (tmp_path / name).write_text(
            f"[Unit]\nDescription=x{call('literals', 'systemd', text)}\n[Service]\nExecStart=/bin/true\n"
            f"Environment={call('literals', 'systemd_word', 'V=' + text)}\nEnvironment=LAST=1\n",
            encoding="utf-8",
        )
    command = [analyze, "verify", "--man=no", *(f"./{name}" for name in named)]
    env = {**os.environ, "SYSTEMD_LOG_LEVEL": "debug", "SYSTEMD_LOG_COLOR": "0", "LC_ALL": "C.UTF-8"}
    report = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    units = dict(
        re.findall(
            r"-> Unit (hostile\d+\.service):\n(.*?)(?=\t-> Unit |\Z)", report.stdout.decode(), re.DOTALL
        )
    )
    assert report.returncode == 0
    assert set(units) == set(named)
    for name, text in named.items():
        line = re.sub(f"(?: *(?:{UNSAFE.pattern}|[{NONCHARACTERS}]))+ *", " ", text).strip()
        value = re.sub(rf"(?![\t\n]){UNSAFE.pattern}|[{NONCHARACTERS}]", " ", text)
        assert f"\t\tDescription: x{line}\n" in units[name], name
        assert f"\t\tEnvironment: V={value}\n" in units[name], name


@pytest.mark.slow
def test_caddy_serves_each_token(tmp_path: Path) -> None:
    """A running Caddy answers with exactly the token's text, be it a placeholder or a variable."""
    routes = [f"\trespond /{n} {call('literals', 'caddy', text)} 200\n" for n, text in enumerate(SHORT)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "Caddyfile").write_text(
        "{\n\tadmin off\n\tauto_https off\n}\n"
        f"http://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\trespond /ready ok 200\n{''.join(routes)}}}\n",
        encoding="utf-8",
        newline="",
    )
    with _caddy(tmp_path, port) as client:
        answers = [_get(client, f"/{n}") for n in range(len(SHORT))]
    # the two that the macro's comment names
    known = {"}": "} "}
    expected = [
        known.get(text, text.replace("`", "'") if re.search(r'\\("|\Z)', text) else text) for text in SHORT
    ]
    assert answers == [text.encode() for text in expected]


@contextmanager
def _caddy(folder: Path, port: int) -> Iterator[http.client.HTTPConnection]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log) as server,
    ):
        try:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            for _ in range(100):
                try:
                    _get(client, "/ready")
                    break
                except OSError:
                    client.close()
                    assert server.poll() is None, (folder / "log").read_text()
                    time.sleep(0.1)
            yield client
            client.close()
        finally:
            server.terminate()


def _get(client: http.client.HTTPConnection, path: str) -> bytes:
    client.request("GET", path)
    return client.getresponse().read()


def _node(toolchain: Toolchain, folder: Path, source: str) -> Any:
    """Run a module that prints JSON; every number is a double, as it was there."""
    (folder / "package.json").write_text('{"type":"module"}')
    (folder / "main.ts").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [str(toolchain.node), "--no-warnings", "main.ts"],
        cwd=folder,
        env=dict(toolchain.env),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout, parse_int=float)


def _format(toolchain: Toolchain, folder: Path, name: str, source: str) -> str:
    biome = toolchain.bin("biome")
    command = [
        str(biome),
        "format",
        "--indent-style=space",
        "--files-max-size=100000000",
        f"--stdin-file-path={name}",
    ]
    done = subprocess.run(
        command, cwd=folder, env=dict(toolchain.env), input=source.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


def _assert_unchanged(toolchain: Toolchain, folder: Path, name: str, source: str) -> None:
    formatted = _format(toolchain, folder, name, source)
    # a diff of the whole is unreadable, and slow
    pairs = zip(source.split("\n"), formatted.split("\n"), strict=False)
    assert [pair for pair in pairs if pair[0] != pair[1]][:3] == []
    assert source == formatted


def _assert_formatted(toolchain: Toolchain, folder: Path, value: Any) -> None:
    _assert_unchanged(toolchain, folder, "main.ts", f"export const value = {ts(value, 0, 21, 1)};\n")
    _assert_unchanged(toolchain, folder, "main.json", f"{print_json(value)}\n")
    _assert_unchanged(toolchain, folder, "package.json", f"{print_json(value, expand=True)}\n")


def _key_order(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _key_order(inner)) for key, inner in value.items()]
    return [_key_order(inner) for inner in value] if isinstance(value, list) else None
