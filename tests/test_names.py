"""Identifiers and files for the names of tools: readable, valid wherever used, never shared by two."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import call

if TYPE_CHECKING:
    from pathlib import Path

    from toolchain import Toolchain

# How long an example takes says nothing on a busy machine.
UNHURRIED = settings(deadline=None)

identifier = partial(call, "names", "identifier")
file = partial(call, "names", "file")

names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)

KEYWORDS = (  # noqa: SIM905 - words read better without their quotes
    "arguments await break case catch class const continue debugger default delete do else enum eval "
    "export extends false finally for function if implements import in instanceof interface let new null "
    "package private protected public return static super switch this throw true try typeof var void "
    "while with yield undefined NaN Infinity globalThis"
).split()

# Names with a meaning of their own somewhere: to TypeScript, to a runtime, to JavaScript's objects.
CONTEXTUAL = (  # noqa: SIM905 - likewise
    "abstract any as asserts async accessor bigint boolean constructor declare defer from get global "
    "infer intrinsic is keyof meta module namespace never number object of out override readonly require "
    "satisfies set source string symbol target type unique unknown using exports Object Symbol Promise "
    "Reflect Array Function self window process top name location __proto__ prototype toString "
    "hasOwnProperty Bun Deno fetch Request Response crypto console _ __ _1 a1 A"
).split()

DEVICES = ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]

# Every short name over the characters that a rule looks at.
SHORT = [
    head + "".join(tail)
    for length in range(4)
    for head in "ad1_"
    for tail in product("ad1_.-", repeat=length)
]
NAMES = [
    *SHORT,
    *(
        form
        for word in (*KEYWORDS, *CONTEXTUAL, "handlers", "Tool", "ToolName")
        for form in (word, f"{word}_", f"{word}.d")
    ),
    *(
        form
        for device in DEVICES
        for form in (device, device.upper(), f"{device}.x", f"{device}.d", f"{device}x")
    ),
]


def _name_of(identifier: str) -> str:
    """Read a tool's name back from its identifier, which no two names could share then."""
    unreserved = identifier[:-1] if identifier[-1] == "$" else identifier
    undigited = re.sub(r"^\$(?=\d)", "", unreserved)
    return undigited.replace("$d", "-").replace("$p", ".")


def test_plain_names_stay_themselves() -> None:
    """A name in snake_case or camelCase is its own identifier and its own file."""
    for name in [
        "get_weather",
        "getWeather",
        "_private",
        "a",
        "x1",
        "classes",
        "constant",
        "connect",
        "type",
    ]:
        assert identifier(name) == file(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get-weather", "get$dweather"),
        ("repo.get", "repo$pget"),
        ("2fa", "$2fa"),
        ("new", "new$"),
        ("handlers", "handlers$"),
        ("1.a-b", "$1$pa$db"),
    ],
)
def test_other_names_are_marked(name: str, expected: str) -> None:
    """What an identifier cannot hold is marked with a dollar sign, which no tool's name holds."""
    assert identifier(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("con", "con$"),
        ("CON.x", "CON$.x"),
        ("com1", "com1$"),
        ("lpt0.a.b", "lpt0$.a.b"),
        ("com10", "com10"),
        ("a.con", "a.con"),
        ("types.d", "types.d$"),
        ("a.d.b", "a.d$.b"),
        ("nul.d", "nul$.d$"),
        ("a.D", "a.D"),
        ("repo.get-all", "repo.get-all"),
    ],
)
def test_files_avoid_devices_and_declarations(name: str, expected: str) -> None:
    """Windows opens no device for a file, and TypeScript takes none for a declaration."""
    assert file(name) == expected


def test_short_names_share_nothing() -> None:
    """All short names together have as many identifiers, and as many files even where case does not count."""
    distinct = sorted(set(NAMES))
    assert len({identifier(name) for name in distinct}) == len(distinct)
    folded = {name.lower() for name in distinct}
    assert len({file(name).lower() for name in distinct}) == len(folded)


@UNHURRIED
@given(names | st.sampled_from(NAMES))
def test_a_name_can_be_read_back(name: str) -> None:
    """The identifier and the file determine the name, so that no two names share one."""
    assert _name_of(identifier(name)) == name
    assert file(name).replace("$", "") == name


@UNHURRIED
@given(names | st.sampled_from(NAMES))
def test_a_name_is_valid_where_it_is_used(name: str) -> None:
    """An identifier is no reserved word; a file has a name that every system can store."""
    assert re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", identifier(name))
    assert identifier(name) not in {*KEYWORDS, "handlers", "Tool", "ToolName"}
    path = f"{file(name)}.ts"
    assert path.partition(".")[0].lower() not in DEVICES
    assert ".d." not in path


@pytest.mark.slow
def test_typescript_takes_every_name(toolchain: Toolchain, tmp_path: Path) -> None:
    """A module that imports a tool for each of the names passes the strict type checker and runs."""
    by_file = {file(name).lower(): name for name in NAMES}
    tools = sorted(by_file.values())
    (tmp_path / "tools").mkdir()
    for name in tools:
        (tmp_path / "tools" / f"{file(name)}.ts").write_text("export default (): number => 1;\n")
    imports = "".join(f'import {identifier(name)} from "./tools/{file(name)}.ts";\n' for name in tools)
    entries = "".join(f'  ["{name}"]: {identifier(name)},\n' for name in tools)
    (tmp_path / "handlers.ts").write_text(
        f"{imports}type Tool = () => number;\ntype ToolName = string;\n"
        f"export const handlers: {{ readonly [Name in ToolName]: Tool }} = {{\n{entries}}};\n"
    )
    (tmp_path / "main.ts").write_text(
        'import { handlers } from "./handlers.ts";\n'
        f"if (Object.values(handlers).map((tool) => tool()).length !== {len(tools)}) throw new Error();\n"
    )
    (tmp_path / "package.json").write_text('{"type":"module"}')
    options = "--noEmit --strict --module esnext --target esnext --moduleResolution bundler --isolatedModules"
    flags = [
        *options.split(),
        "--verbatimModuleSyntax",
        "--allowImportingTsExtensions",
        "--ignoreConfig",
        "main.ts",
    ]
    for command in ([str(toolchain.bin("tsc")), *flags], [str(toolchain.node), "--no-warnings", "main.ts"]):
        done = subprocess.run(
            command, cwd=tmp_path, env=dict(toolchain.env), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
