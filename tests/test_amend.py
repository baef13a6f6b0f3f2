"""Editing a manifest as text: the edit is made, and not a character beside it changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import manifests, tool_names, tools

from scaffolder.amend import (
    add_target,
    add_tool,
    new_tool,
    remove_target,
    remove_tool,
    rename_tool,
    set_value,
)
from scaffolder.diagnostics import UserError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

HERE = Path(__file__).parent
MANIFESTS = {
    str(path.relative_to(HERE)): path.read_text()
    for path in sorted([*HERE.glob("manifests/valid/*.yaml"), *HERE.glob("golden/*/mcp.yaml")])
}
TOOL = {"name": "new", "inputSchema": {"type": "object"}}
LAYOUTS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "windows": lambda text: text.replace("\n", "\r\n"),
    "open end": lambda text: text.rstrip("\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "blank lines below": lambda text: text + "\n\n",
    "comment below": lambda text: text + "# The end.",
}

NEW = "  - name: new\n    inputSchema:\n      type: object\n"
LISTS = {
    "block": (
        "tools:\n  - name: a\n",
        "tools:\n  - name: a\n@",
    ),
    "not indented": (
        "x:\n- 1\ntools:\n- name: a\n",
        "x:\n- 1\ntools:\n- name: a\n- name: new\n  inputSchema:\n    type: object\n",
    ),
    "indented by four": (
        "x:\n    y: 1\ntools:\n    -   name: a\n        b:\n            c: 1\n",
        (
            "x:\n    y: 1\ntools:\n    -   name: a\n        b:\n            c: 1\n"
            "    -   name: new\n        inputSchema:\n            type: object\n"
        ),
    ),
    "empty": (
        "tools: []  # none yet\nx: 1\n",
        "tools:  # none yet\n@x: 1\n",
    ),
    "in brackets": (
        "tools: [ { name: a } ] # eol\n",
        "tools: [ { name: a }, {name: new, inputSchema: {type: object}} ] # eol\n",
    ),
    "in brackets, a line each": (
        "tools: [\n  { name: a }, # first\n  { name: b },\n]\n",
        "tools: [\n  { name: a }, # first\n  { name: b },\n  {name: new, inputSchema: {type: object}},\n]\n",
    ),
    "all in brackets": (
        '{"tools": [{"name": "a"}], "x": 1}\n',
        '{"tools": [{"name": "a"}, {name: new, inputSchema: {type: object}}], "x": 1}\n',
    ),
    "apart": (
        "tools:\n  - name: a\n\n  # b\n  - name: b\n\n\n# Next.\nx: 1\n",
        "tools:\n  - name: a\n\n  # b\n  - name: b\n\n@\n\n# Next.\nx: 1\n",
    ),
    "a comment of the item before": (
        "tools:\n  - name: a # eol\n    # more of a\n  # the end\nx: 1\n",
        "tools:\n  - name: a # eol\n    # more of a\n@  # the end\nx: 1\n",
    ),
    "a text of several lines": (
        "tools:\n  - name: a\n    b: |\n      one\n      # two\n\n# Next.\nx: 1\n",
        "tools:\n  - name: a\n    b: |\n      one\n      # two\n@\n# Next.\nx: 1\n",
    ),
    "a text that keeps its blank lines": (
        "tools:\n  - name: a\n    b: |+\n      one\n\nx: 1\n",
        "tools:\n  - name: a\n    b: |+\n      one\n\n@x: 1\n",
    ),
    "an alias": (
        "x: &x {name: a}\ntools:\n  - *x\n  - <<: *x\n    name: b\n",
        "x: &x {name: a}\ntools:\n  - *x\n  - <<: *x\n    name: b\n@",
    ),
    "a document in marks": (
        "%YAML 1.1\n---\ntools:\n  - name: a\n...\n",
        "%YAML 1.1\n---\ntools:\n  - name: a\n@...\n",
    ),
    "scalars of YAML 1.1": (
        "x: [yes, 017, 1:30, 0x1F, 2026-11-20, ~, 1_0]\ny: Off\ntools:\n  - name: a\n    max: 1_000 # odd\n",
        "x: [yes, 017, 1:30, 0x1F, 2026-11-20, ~, 1_0]\ny: Off\ntools:\n  - name: a\n    max: 1_000 # odd\n@",
    ),
    "folded texts": (
        "x: >-\n  one\n  two\n\n  three\ny: 'one\n\n  two'\ntools:\n- name: a\n  b: one\n    two\n",
        (
            "x: >-\n  one\n  two\n\n  three\ny: 'one\n\n  two'\ntools:\n- name: a\n  b: one\n    two\n"
            "- name: new\n  inputSchema:\n    type: object\n"
        ),
    ),
}
"""What stands there, and what does with a tool appended, for which `@` stands if it is laid out as usual."""


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tool_is_appended_and_removed_again(name: str, layout: str) -> None:
    """The new lines are laid out as the others, nothing else changes, and removing gives the same bytes."""
    before, after = LISTS[name]
    own, wanted = LAYOUTS[layout](before), LAYOUTS[layout](after.replace("@", NEW))
    assert add_tool(own, TOOL) == wanted
    assert remove_tool(wanted, "new") == own


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("file", MANIFESTS)
def test_a_real_manifest_comes_back(file: str, layout: str) -> None:
    """Whatever is added to one goes again without a trace."""
    text = LAYOUTS[layout](MANIFESTS[file])
    with_tool = add_tool(text, new_tool("added", description="What it does:\nthis", session=True))
    assert said(with_tool)["tools"][-1]["description"] == "What it does:\nthis"
    assert remove_tool(with_tool, "added") == text
    with_target = add_target(text, "elsewhere")
    assert said(with_target)["targets"][-1] == "elsewhere"
    measured = set_value(with_target, ["monitor", "observed", "elsewhere"], {"p95_ms": 12.5, "samples": 3})
    measured = set_value(measured, ["target_options", "elsewhere", "plan"], "paid")
    assert said(measured)["monitor"]["observed"]["elsewhere"] == {"p95_ms": 12.5, "samples": 3}
    assert remove_target(measured, "elsewhere") == text


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(MANIFESTS)), tool_names.flatmap(lambda name: tools(name, ["A"])), st.data())
def test_any_tool_comes_and_goes(file: str, tool: dict[str, Any], data: st.DataObject) -> None:
    """Hostile texts arrive as they are, nothing else changes, and removing gives the same bytes."""
    text = MANIFESTS[file]
    if tool["name"].lower() in {other["name"].lower() for other in said(text)["tools"]}:
        return
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    after = add_tool(layout(text), tool)
    assert repr(said(after)["tools"][-1]) == repr(tool)
    assert remove_tool(after, tool["name"]) == layout(text)


@settings(max_examples=60, deadline=None)
@given(manifests(), st.booleans(), st.randoms(use_true_random=False))
def test_any_manifest_can_be_edited(
    manifest: dict[str, Any],
    flow: bool,  # noqa: FBT001 -- drawn
    chance: random.Random,
) -> None:
    """A manifest as PyYAML writes it, in block style or in brackets, says what it should after every edit."""
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=60)
    expected = said(text)
    edited = add_tool(text, TOOL | {"name": "a-name-that-is-free"})
    assert said(edited) == expected | {"tools": [*expected["tools"], TOOL | {"name": "a-name-that-is-free"}]}
    assert remove_tool(edited, "a-name-that-is-free") == text
    for name in chance.sample([tool["name"] for tool in expected["tools"]], len(expected["tools"])):
        text = remove_tool(text, name)
        expected["tools"] = [tool for tool in expected["tools"] if tool["name"] != name]
        assert said(text) == expected
    for target in expected["targets"]:
        text = remove_target(text, target)
        assert target not in said(text).get("target_options", {})
        assert target not in said(text).get("monitor", {}).get("observed", {})
    assert said(text)["targets"] == []


COMMENTED = """# The server.
targets:
  # first
  - one
  - two # eol

  # Floats.

  # third
  - three
tools: # all of them
  # About a.
  # More of a.
  - name: a
    # Inside.
    b: 1 # eol
    # Still of a.

  # Section.

  # About b.
  - name: b
    d: |
      text
      # Not a comment.

  # About c.
  - name: c

# Next section.
target_options:
  # About one.
  one: { plan: paid }
  two:
    plan: free
monitor:
  # Kept?
  observed:
    one: { p95_ms: 1 }
# The end.
"""


@pytest.mark.parametrize(
    ("edit", "gone"),
    [
        (
            lambda text: remove_tool(text, "a"),
            "  # About a.\n  # More of a.\n  - name: a\n    # Inside.\n    b: 1 # eol\n    # Still of a.\n\n",
        ),
        (
            lambda text: remove_tool(text, "b"),
            "  # About b.\n  - name: b\n    d: |\n      text\n      # Not a comment.\n\n",
        ),
        (lambda text: remove_tool(text, "c"), "\n  # About c.\n  - name: c\n"),
        (lambda text: remove_target(text, "three"), "\n  # third\n  - three\n"),
    ],
)
def test_comments_go_with_what_they_are_about(edit: Callable[[str], str], gone: str) -> None:
    """The comments right above an item and inside it are its own; all others stay."""
    assert edit(COMMENTED) == COMMENTED.replace(gone, "", 1)


def test_a_target_takes_what_is_said_of_it_along() -> None:
    """Its options go, and what was measured; and what would be empty without it."""
    after = COMMENTED
    for gone in (
        "  # first\n  - one\n",
        "  # About one.\n  one: { plan: paid }\n",
        "monitor:\n  # Kept?\n  observed:\n    one: { p95_ms: 1 }\n",
    ):
        after = after.replace(gone, "", 1)
    assert remove_target(COMMENTED, "one") == after
    assert "target_options" not in remove_target(after, "two")


BRACKETS = [
    ("<\n  A, # one\n  X, # two\n>", "<\n  A, # one\n>"),
    ("<\n  A, # one\n  X # two\n>", "<\n  A # one\n>"),
    ("<\n  X, # one\n  B, # two\n>", "<\n  B, # two\n>"),
    ("<\n  # one\n  X,\n  # two, keep!\n  B,\n>", "<\n  # two, keep!\n  B,\n>"),
    ("< # all\n  # one\n  X # two\n  # end\n>", "< # all\n  # end\n>"),
    ("<X, # one\n  B> # all", "<\n  B> # all"),
    ("<A, X, # both\n  B>", "<A, # both\n  B>"),
    ("<X, B, # both\n  C>", "<B, # both\n  C>"),
    ("<A, # one\n  X>", "<A # one\n  >"),
    ("< A # one, or\n, X # two\n, B >", "< A # one, or\n, B >"),
    ("< X # one\n, B # two\n, C >", "<\nB # two\n, C >"),
    ("<\n  A,\n\n  # section\n\n  # two\n  X,\n\n  B,\n>", "<\n  A,\n\n  # section\n\n  B,\n>"),
    ("<\n  A, # one, ]\n\n  # two\n  X\n  # end\n>", "<\n  A # one, ]\n  # end\n>"),
    ("<\n  X,\n\n  A,\n\n  B\n>", "<\n  A,\n\n  B\n>"),
    ("<\n  A,\n\n  X,\n\n  B\n>", "<\n  A,\n\n  B\n>"),
    ("<\n  A,\n  X>", "<\n  A>"),
    ("< A, X >", "< A >"),
    ("< A, X, >", "< A, >"),
    ("< A, X, B >", "< A, B >"),
    ("< X > # all", "<> # all"),
    ("<\n  # one\n  X, # two\n>", "<>"),
]
"""What stands in brackets, and what does without `X`."""
STYLES = {"targets": "[@]", "tools": "[{ name: @ }]", "target_options": "{@: { plan: paid }}"}


@pytest.mark.parametrize("key", STYLES)
@pytest.mark.parametrize(("before", "after"), BRACKETS)
def test_comments_in_brackets_go_with_what_they_are_about(key: str, before: str, after: str) -> None:
    """An entry takes the comment on its line and those right above it along; all others stay in place."""
    entry = STYLES[key][1:-1]
    own, wanted = (
        re.sub("[ABCX]", lambda name: entry.replace("@", name[0]), text)
        .replace("<", STYLES[key][0])
        .replace(">", STYLES[key][-1])
        for text in (before, after)
    )
    if key == "tools":
        assert remove_tool(f"a: 1 # a\ntools: {own}\n# end\n", "X") == f"a: 1 # a\ntools: {wanted}\n# end\n"
    elif key == "targets":
        assert remove_target(f"targets: {own}\n", "X") == f"targets: {wanted}\n"
    else:
        left = f"{key}: {wanted}\n" if re.search("[ABC]", after) else ""
        assert remove_target(f"targets: [X, Z]\n{key}: {own}\n", "X") == f"targets: [Z]\n{left}"


@dataclass(frozen=True)
class Row:
    """A line of a list: its items, and the comments that stand around it."""

    items: tuple[str, ...]
    section: str = ""
    above: tuple[str, ...] = ()
    beside: str = ""


@dataclass(frozen=True)
class Written:
    """A list as somebody wrote it."""

    rows: tuple[Row, ...]
    block: bool
    trailing: bool
    """Whether a comma stands behind the last item."""
    below: str

    def text(self) -> str:
        """Write it, without blank lines unless they set comments apart."""
        lines = ["targets: # all" if self.block else "targets: [ # all"]
        for row in self.rows:
            lines += [f"  {row.section}\n"] * bool(row.section) + [f"  {above}" for above in row.above]
            comma = "," * (self.trailing or row is not self.rows[-1])
            items = f"- {row.items[0]}" if self.block else ", ".join(row.items) + comma
            lines.append(f"  {items} {row.beside}".rstrip())
        end = [f"\n  {self.below}"] * bool(self.below) + ["]"] * (not self.block)
        return "\n".join([*lines, *end, "x: 1 # x\n"])

    def without(self, item: str) -> Written:
        """Take an item away, and what is about it alone: the row if it is the only one there."""
        left = [replace(row, items=tuple(other for other in row.items if other != item)) for row in self.rows]
        return replace(self, rows=tuple(row for row in left if row.items))


@st.composite
def lists_with_comments(draw: st.DrawFn) -> Written:
    """Draw a list in which every item and every comment is another one."""
    block = draw(st.booleans())
    rows = []
    for row in range(draw(st.integers(1, 5))):
        items = draw(st.integers(1, 1 if block else 3))
        above = draw(st.integers(0, 2))
        rows.append(
            Row(
                tuple(f"item-{row}-{item}" for item in range(items)),
                draw(st.sampled_from(["", f"# [section, {row}"])),
                tuple(f"# above: {row}, {line}]" for line in range(above)),
                draw(st.sampled_from(["", f"# beside {row}, 'it"])),
            )
        )
    return Written(tuple(rows), block, draw(st.booleans()), draw(st.sampled_from(["", "# below, } -"])))


@settings(max_examples=300, deadline=None)
@given(lists_with_comments(), st.sampled_from(sorted(LAYOUTS)), st.data())
def test_every_other_comment_stays_where_it_is(written: Written, layout: str, data: st.DataObject) -> None:
    """Whichever item goes, each line that is not about it alone stays, in its place."""
    items = [item for row in written.rows for item in row.items]
    gone = data.draw(st.sampled_from(items))
    after = remove_target(LAYOUTS[layout](written.text()), gone)
    assert said(after)["targets"] == [item for item in items if item != gone]
    wanted = written.without(gone)
    # A section's comment is about the rows below it, not only about the one that goes.
    sections = {row.section for row in written.rows} - {""}
    if wanted.rows:
        assert [line for line in filled(after) if line not in sections] == [
            line for line in filled(LAYOUTS[layout](wanted.text())) if line not in sections
        ]
    kept = re.findall("#.*", after.replace("\r", ""))
    left = re.findall("#.*", LAYOUTS[layout](wanted.text()).replace("\r", ""))
    assert set(kept) == {*left, *sections}
    assert len(kept) == len(set(kept))


@settings(max_examples=100, deadline=None)
@given(lists_with_comments(), st.sampled_from(sorted(LAYOUTS)))
def test_a_target_comes_and_goes_among_comments(written: Written, layout: str) -> None:
    """No comment is lost or gets another neighbour, and removing gives the same bytes."""
    text = LAYOUTS[layout](written.text())
    after = add_target(text, "new")
    assert said(after)["targets"] == [*said(text)["targets"], "new"]
    assert re.findall("#.*", after) == re.findall("#.*", text)
    assert remove_target(after, "new") == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            (
                "  # About a.\n  - name: a # eol\n    # Inside.\n    b: |\n      # text\n"
                "\n  # About c.\n  - name: c\n"
            ),
            (
                "  # About a.\n  - name: new # eol\n    # Inside.\n    b: |\n      # text\n"
                "    renamed_from: a\n\n  # About c.\n  - name: c\n"
            ),
        ),
        (
            "  - description: A. # what\n    # which\n    name: 'a'   # eol\n    inputSchema: {}\n",
            (
                "  - description: A. # what\n    # which\n    name: new   # eol\n    inputSchema: {}\n"
                "    renamed_from: a\n"
            ),
        ),
        (
            "  - name: a\n    renamed_from: z # was\n    b: 1\n",
            "  - name: new\n    renamed_from: a # was\n    b: 1\n",
        ),
        (
            "  - name: a # eol\n    # Was.\n    renamed_from: new # was\n    # Next.\n    b: 1\n",
            "  - name: new # eol\n    # Next.\n    b: 1\n",
        ),
        (
            "  - renamed_from: new\n    name: a\n    # Next.\n    b: 1\n",
            "  - name: new\n    # Next.\n    b: 1\n",
        ),
        (
            "  [{ b: 1, name: a }, { name: c }] # eol\n",
            "  [{ b: 1, name: new, renamed_from: a }, { name: c }] # eol\n",
        ),
        (
            "  [{ renamed_from: new, name: a }, { name: c }] # eol\n",
            "  [{ name: new }, { name: c }] # eol\n",
        ),
        (
            "  [\n    {\n      b: 1, # one\n      name: a # two\n    }, # three\n  ]\n",
            (
                "  [\n    {\n      b: 1, # one\n      name: new, # two\n      renamed_from: a\n"
                "    }, # three\n  ]\n"
            ),
        ),
        (
            "  - name: a # eol\n# odd\n\n  - name: c\n",
            "  - name: new # eol\n    renamed_from: a\n# odd\n\n  - name: c\n",
        ),
        (
            "  - renamed_from: new # was\n    name: a # eol\n",
            "  - name: new # eol\n",
        ),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tool_is_renamed(before: str, after: str, layout: str) -> None:
    """It says what it was called, or nothing if it has its former name back; the rest stays as it is."""
    text = "# Top.\ntools: # all\n" + before
    wanted = "# Top.\ntools: # all\n" + after
    assert rename_tool(LAYOUTS[layout](text), "a", "new") == LAYOUTS[layout](wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("file", MANIFESTS)
def test_a_tool_gets_its_name_back(file: str, layout: str) -> None:
    """Every tool of a real manifest can be renamed, and back again without a trace."""
    text = LAYOUTS[layout](MANIFESTS[file])
    for tool in said(text)["tools"]:
        after = rename_tool(text, tool["name"], "renamed.x")
        assert tool | {"name": "renamed.x", "renamed_from": tool["name"]} in said(after)["tools"]
        back = rename_tool(after, "renamed.x", tool["name"])
        assert back == text or "renamed_from" in tool


def test_a_tool_can_change_its_case() -> None:
    """A name is only taken if another tool has it; and the same name is no change."""
    text = "tools: [{name: a}, {name: b}]\n"
    assert rename_tool(text, "a", "A") == "tools: [{name: A, renamed_from: a}, {name: b}]\n"
    assert rename_tool(text, "a", "a") == text


def test_the_last_item_leaves_an_empty_list() -> None:
    """A list stays a list, with the comment behind its key."""
    text = COMMENTED
    for name in "abc":
        text = remove_tool(text, name)
    assert "tools: [] # all of them\n" in text
    assert "# Section." in text
    assert "# Next section." in text


def test_what_is_shared_stays_with_the_others() -> None:
    """A tool whose schema others refer to can go: the first of them has it then."""
    text = (
        "# Top.\ntools:\n  # a\n  - name: a\n    inputSchema: &s {type: object, properties: &p {x: {}}}\n"
        "  # b\n  - name: b\n    inputSchema: *s # shared\n    outputSchema: *s\n    more: *p\n# End.\n"
    )
    after = remove_tool(text, "a")
    assert after == (
        "# Top.\ntools:\n  # b\n  - name: b\n"
        "    inputSchema: &s {type: object, properties: {x: {}}} # shared\n"
        "    outputSchema: *s\n    more: &p {x: {}}\n# End.\n"
    )


@pytest.mark.parametrize(
    ("text", "path", "value", "after"),
    [
        ("a: 1 # eol\nb: 2\n", "a", "x", "a: x # eol\nb: 2\n"),
        ("a: 1\n", "a", "1", "a: '1'\n"),
        ("a: 'x'\n", "a", True, "a: true\n"),
        ("a: true\n", "a", 1, "a: 1\n"),
        ("a: 1\n", "a", 1.0, "a: 1.0\n"),
        ("a:\nb: 1\n", "a", [1, {"x": 2}], "a: [1, {x: 2}]\nb: 1\n"),
        ("a:\nb: 1\n", "a.c.d", 1, "a: {c: {d: 1}}\nb: 1\n"),
        ("a: {}\n", "a.b", 1, "a: {b: 1}\n"),
        ("a: {}\n", "a.b.c", 1, "a:\n  b:\n    c: 1\n"),
        ("a: { b: 1 } # eol\n", "a.c", 2, "a: { b: 1, c: 2 } # eol\n"),
        ("a:\n  b: 1\n", "a.b", 1, "a:\n  b: 1\n"),
        ("a:\n    b: 1 # b\n    c: 2\n", "a", {"b": 3, "d": 4}, "a:\n    b: 3 # b\n    d: 4\n"),
        ("a:\n  b: 1\n", "a", {}, "a: {}\n"),
        ("a: |\n  x\nb: 1 # eol\n", "a", "z", "a: z\nb: 1 # eol\n"),
        (
            "a: [1]\ny: { y: yes, n: 1e3, o: 017 }\n",
            "a",
            {"y": "n"},
            "a: {y: n}\ny: { y: yes, n: 1e3, o: 017 }\n",
        ),
        (
            "a:\n- 1\n# b\ny: { y: yes, n: 1e3, o: 017 }\n",
            "a",
            1,
            "a: 1\n# b\ny: { y: yes, n: 1e3, o: 017 }\n",
        ),
        ("a: yes\nb: { c: 017 }\n", "b.d", "off", "a: yes\nb: { c: 017, d: 'off' }\n"),
        ("a: # eol\n  # above\n  1\nb: 2\n", "a", 3, "a: # eol\n  # above\n  3\nb: 2\n"),
        ("a: # eol\n  - 1 # one\n# b\nb: 2\n", "a", 3, "a: 3 # eol\n# b\nb: 2\n"),
        ("a: | # odd\n  x\n\nb: 2\n", "a", 3, "a: 3\n\nb: 2\n"),
        ("a: &x 1\nb: *x\n", "b", 2, "a: &x 1\nb: 2\n"),
        ("a: 1", "b.c", "x\ny", "a: 1\nb:\n  c: |-\n    x\n    y"),
    ],
)
def test_a_value_is_set_in_its_place(text: str, path: str, value: Any, after: str) -> None:
    """Only the value changes; what stays the same is not written anew."""
    assert set_value(text, path.split("."), value) == after


@pytest.mark.parametrize(
    "text",
    [
        "? tools\n: - name: a # eol\n  - name: b\nx: { y: yes } # x\n",
        "tools:\n  -\n    name: a # eol\n  -\n    name: b\nx: { y: yes } # x\n",
        "tools: [{name: a}, # one\n  {name: b} # two\n  ]\nx: { y: yes } # x\n",
        "x: { y: yes } # x\ntools: !!seq\n  - name: a # eol\n  - name: b\n",
    ],
)
def test_unusual_yaml_is_edited_too(text: str) -> None:
    """Where a line cannot simply be put in, the tree is edited; all else is as it was written."""
    after = add_tool(text, TOOL)
    assert said(after)["tools"] == [{"name": "a"}, {"name": "b"}, TOOL]
    assert "x: { y: yes } # x\n" in after
    after = remove_tool(text, "b")
    assert said(after)["tools"] == [{"name": "a"}]
    assert "x: { y: yes } # x\n" in after


def test_an_edit_that_would_change_more_is_refused() -> None:
    """The user is told what to do by hand."""
    with pytest.raises(UserError, match="cannot be edited"):
        rename_tool("tools:\n  - &t\n    name: a\n  - <<: *t\n    name: c\n", "a", "b")
    with pytest.raises(UserError, match="cannot be edited") as caught:
        set_value("a: &x {c: 1}\nb: *x\n", ["b", "c"], {"d": 2})
    assert caught.value.help == (
        "write it by hand: `{d: 2}`",
        "then run `mcp-scaffold regenerate`",
    )


def test_an_edit_that_would_lose_a_comment_is_refused() -> None:
    """Better no edit than one that takes a neighbour's comment along, or leaves one to a neighbour."""
    text = "tools:\n- name: a\n  b: |+\n    z\n\n# c\n- name: c\n\nx: 1\n"
    with pytest.raises(UserError, match="cannot be edited") as caught:
        remove_tool(text, "c")
    assert caught.value.help[0] == "remove it by hand"
    assert said(remove_tool(text.replace("# c\n", ""), "c"))["tools"] == [{"name": "a", "b": "z\n\n"}]


@pytest.mark.parametrize(
    ("edit", "message", "advice"),
    [
        (
            lambda text: add_tool(text, TOOL | {"name": "B"}),
            "there is a tool `b` already",
            ("tools: a, b, c",),
        ),
        (
            lambda text: remove_tool(text, "B"),
            "there is no tool `B`",
            ("did you mean `b`?", "tools: a, b, c"),
        ),
        (
            lambda text: rename_tool(text, "B", "x"),
            "there is no tool `B`",
            ("did you mean `b`?", "tools: a, b, c"),
        ),
        (
            lambda text: rename_tool(text, "a", "C"),
            "there is a tool `c` already",
            ("tools: a, b, c",),
        ),
        (lambda _: rename_tool("tools: [1]", "", "x"), 'there is no tool `""`', ("tools: none",)),
        (lambda text: add_target(text, "two"), "`two` is a target already", ("targets: one, two, three",)),
        (
            lambda text: remove_target(text, "thre"),
            "there is no target `thre`",
            ("did you mean `three`?", "targets: one, two, three"),
        ),
        (
            lambda _: remove_target("targets: []", "x"),
            "there is no target `x`",
            ("targets: none",),
        ),
        (
            lambda _: add_tool("tools: {}", TOOL),
            "`tools` is not a list",
            ("`mcp-scaffold check` says what is wrong",),
        ),
        (
            lambda _: add_tool("tools: [", TOOL),
            "the manifest cannot be read",
            ("`mcp-scaffold check` says why",),
        ),
        (lambda text: set_value(text, ["tools", "x"], 1), "`tools` is not a mapping", ()),
        (lambda _: set_value("", ["x"], 1), "the manifest is not a mapping", ()),
    ],
)
def test_what_cannot_be_done_is_said(
    edit: Callable[[str], str], message: str, advice: tuple[str, ...]
) -> None:
    """The message says what there is, and what was probably meant."""
    with pytest.raises(UserError) as caught:
        edit(COMMENTED)
    assert (str(caught.value), caught.value.help) == (message, advice)


def filled(text: str) -> list[str]:
    """List the lines that are not blank."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def said(text: str) -> Any:
    """Read a manifest as the program does."""
    return yaml.load(text, yaml.CSafeLoader)
