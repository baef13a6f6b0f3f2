"""The rule of the hashes is documented well enough: its JavaScript, as it stands there, finds the same."""

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from e2e import servers
from hypothesis import given, settings
from hypothesis import strategies as st
from toolchain import Toolchain

from scaffolder.hashing import canonical, definitions_hash, tools_hash
from scaffolder.render import render

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/tools-hash.md").read_text()
[JAVASCRIPT] = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
[EXAMPLE] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)

# Reads one list of tools a line, and prints their hashes a line.
MAIN = """
import { readFileSync } from "node:fs";
for (const line of readFileSync(0, "utf8").trim().split("\\n")) {
  const tools = JSON.parse(line);
  console.log(toolsHash(tools), definitionsHash(tools));
}
"""

Tools = Sequence[dict[str, Any]]
Hashes = Callable[[Sequence[Tools]], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def documented(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Hashes:
    """Compute hashes with the program of the page."""
    script = tmp_path_factory.mktemp("hash") / "hash.mjs"
    script.write_text(JAVASCRIPT + MAIN)

    def compute(lists: Sequence[Tools]) -> list[tuple[str, str]]:
        done = subprocess.run(
            [str(toolchain.node), str(script)],
            input="\n".join(map(json.dumps, lists)),
            env=toolchain.env,
            capture_output=True,
            text=True,
            check=True,
        )
        pairs = [line.split() for line in done.stdout.splitlines()]
        return [(first, second) for first, second in pairs]

    return compute


def ours(tools: Tools) -> tuple[str, str]:
    """Compute hashes as the probe does."""
    return tools_hash(tools), definitions_hash(tools)


def listed() -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the lists of tools of real servers, as they were recorded."""
    found = []
    for path in sorted((ROOT / "tests/real_servers").glob("*.json")):
        document = json.loads(path.read_bytes())
        tools = document if isinstance(document, list) else document["tools"]
        found.append((path.stem, tools))
    return found


def test_the_program_has_ten_lines() -> None:
    """It is short enough to be copied into any monitor."""
    lines = [line for line in JAVASCRIPT.splitlines() if line and not line.startswith("import")]
    assert len(lines) <= 10


def test_the_examples_of_the_page(documented: Hashes) -> None:
    """What it says that comes out comes out."""
    tools = json.loads(EXAMPLE)
    said = re.findall(r"sha256:[0-9a-f]{64}", PAGE)
    assert documented([[], tools]) == [(said[0], said[0]), (said[1], definitions_hash(tools))]
    assert ours([]) == (said[0], said[0])
    assert tools_hash(tools) == said[1]
    [text] = re.findall(r"`(\[\{.*?\}\])`", PAGE)
    contracts = [{key: tool[key] for key in ("name", "inputSchema")} for tool in reversed(tools)]
    assert canonical(contracts).decode() == text


def test_servers_of_others(documented: Hashes) -> None:
    """The tools of servers that are in use have the same hashes in both languages."""
    lists = [tools for _, tools in listed()]
    assert len(lists) > 10
    assert documented(lists) == [ours(tools) for tools in lists]


def test_what_is_hard_to_print(documented: Hashes) -> None:
    """So have numbers and keys that languages print or sort differently, whatever the order of the list."""
    tools = list(servers.TOOLS)
    assert documented([tools, tools[::-1]]) == [ours(tools)] * 2


def test_the_manifest(documented: Hashes) -> None:
    """The hashes that are generated are those of the tools that are generated."""
    for manifest in (servers.notes(["bun"]), servers.notes(["deno"], transport={"legacy": "sessions"})):
        tree = render(manifest)
        expected = json.loads(tree["monitor/monitor.json"])
        tools = json.loads(tree["monitor/tools.json"])["tools"]
        assert documented([tools]) == [(expected["tools_hash"], expected["definitions_hash"])]
        assert ours(tools) == (expected["tools_hash"], expected["definitions_hash"])


def test_only_names_and_input_schemas_change_it(documented: Hashes) -> None:
    """One change at a time: each of the contract changes both hashes, each of the rest the second alone."""
    tool = {"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"type": "string"}}}}
    contract = [
        {**tool, "name": "b"},
        {**tool, "inputSchema": {**tool["inputSchema"], "required": ["x"]}},  # type: ignore[dict-item] # a mapping
        {**tool, "inputSchema": {"type": "object", "properties": {"x": {"type": "number"}}}},
        {**tool, "inputSchema": {"type": "object", "properties": {"y": {"type": "string"}}}},
    ]
    members = ("title", "description", "outputSchema", "annotations")
    words = [{**tool, member: {"type": "object"}} for member in members]
    others = [{**tool, member: {"x": 1}} for member in ("_meta", "icons", "execution")]
    (first, *rest) = documented([[each] for each in (tool, *contract, *words, *others)])
    same = [(a == first[0], b == first[1]) for a, b in rest]
    assert same == [(False, False)] * 4 + [(True, False)] * 4 + [(True, True)] * 3


TEXT = st.characters(exclude_categories=["Cs"])
# Not the key "\": JSON.parse of V8 (seen in 13.6 and 15.0) takes an escaped key for that one, where an object
# before had it at that place.
KEYS = st.characters(exclude_categories=["Cs"], exclude_characters="\\")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(TEXT, max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(KEYS, max_size=3), inner, max_size=3),
    max_leaves=8,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.text("ab😀\ue000", min_size=1, max_size=3),
            "inputSchema": st.dictionaries(st.text("ab", max_size=2), JSON),
        },
        optional={"description": st.text(TEXT, max_size=5)},
    ),
    max_size=3,
    unique_by=lambda tool: str(tool["name"]),
)


@settings(max_examples=5, deadline=None)
@given(st.lists(TOOLS, min_size=20, max_size=60))
def test_any_tools_at_all(documented: Hashes, lists: list[list[dict[str, Any]]]) -> None:
    """No list of tools is known that the two languages hash differently."""
    assert documented(lists) == [ours(tools) for tools in lists]
