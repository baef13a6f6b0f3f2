"""Merging line by line: nothing that the user wrote is lost, and what both changed is said."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scaffolder.merging.diff3 import merge_lines, overlay, same
from scaffolder.merging.hunks import Hunk, hunks, regions
from scaffolder.merging.lines import detect, split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Any bytes at all; few different lines, so that many are equal; and what `splitlines` would break at.
LINES = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"}", b"  a", b"    b", b"\ta", b"a\r", b"\x0c", b"\xe2\x80\xa8x\x85"]),
    st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")),
)
TEXTS = st.builds(
    lambda lines, last: b"".join(line + b"\n" for line in lines) + last,
    st.lists(LINES, max_size=10),
    st.one_of(st.just(b""), LINES),
)

CODE = b"""import { a } from "a";

/**
 * What it does.
 */
export function one(): void {
  if (a) {
    run(a);
  }
}

class Two {
  /** Says. */
  three = 3;
  /**
   * More.
   */
  four = 4;
}
"""


@st.composite
def edited(draw: st.DrawFn, base: list[bytes], tag: str) -> list[bytes]:
    """Edit a list of different lines, with lines that nobody else has."""
    lines = list(base)
    for number in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines)))
        new = [f"{tag} {number}.{index}\n".encode() for index in range(draw(st.integers(0, 3)))]
        lines[at : at + draw(st.integers(0, 3))] = new
    return lines


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Make a base of different lines, and two edits of it."""
    base = [b"%d\n" % number for number in range(draw(st.integers(0, 15)))]
    return base, draw(edited(base, "mine")), draw(edited(base, "theirs"))


@given(TEXTS, TEXTS)
def test_one_side_alone_gives_that_side(base: bytes, other: bytes) -> None:
    """A change of one side only, or the same change of both, is the result, byte for byte."""
    for mine, theirs in ((base, other), (other, base), (other, other)):
        merge = merge_lines(base, mine, theirs)
        assert (merge.content, merge.theirs, merge.conflicts) == (other, other, ())


@given(TEXTS, TEXTS, TEXTS)
def test_a_conflict_leaves_both_sides_as_they_are(base: bytes, mine: bytes, theirs: bytes) -> None:
    """In place stays the user's file; a merge without a conflict is one text."""
    merge = merge_lines(base, mine, theirs)
    if merge.conflicts:
        assert merge.content == mine
        layout = detect(split(base), split(mine))
        if layout == detect([], []):
            assert merge.theirs == theirs
    else:
        assert merge.content == merge.theirs


@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_no_line_of_the_user_is_lost(base: bytes, mine: bytes, theirs: bytes, union: bool) -> None:  # noqa: FBT001 -- drawn
    """What the user added, and what both kept, is in the result.

    Of several equal lines each side may have removed another one; what was generated counts in the layout
    that the user gave it.
    """
    layout = detect(split(base), split(mine))
    merge = merge_lines(base, mine, theirs, union=union)
    before, now = (lines(b"".join(map(layout.apply, split(text)))) for text in (base, theirs))
    kept, after = lines(mine), lines(merge.content)
    if not merge.conflicts:
        assert not (kept - before) - after
        assert all(after[line] for line in kept & before & now if before[line] == 1)


@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_a_second_run_changes_nothing(base: bytes, mine: bytes, theirs: bytes, union: bool) -> None:  # noqa: FBT001 -- drawn
    """What was generated is the base of the next run, which has nothing to do."""
    content = merge_lines(base, mine, theirs, union=union).content
    assert merge_lines(theirs, content, theirs, union=union).content == content


@given(histories())
def test_going_back_gives_what_was_there(history: tuple[list[bytes], list[bytes], list[bytes]]) -> None:
    """Generating as before takes the generated change out again, and nothing else.

    Where both sides made the same change it is nobody's, and goes with the generated one.
    """
    base, mine, theirs = history
    both = regions(hunks(base, mine), hunks(base, theirs))
    assume(all(len(region.sides) == 1 for region in both))
    old, own, new = map(b"".join, history)
    merge = merge_lines(old, own, new)
    assert not merge.conflicts
    back = merge_lines(new, merge.content, old)
    assert (back.content, back.conflicts) == (own, ())


def test_going_back_holds_with_equal_lines() -> None:
    """Blank lines and brackets stand everywhere; which one was meant is chosen alike both ways."""
    tried = failed = 0
    for base, mine, theirs in triples(1500, repeated=0.35):
        both = regions(hunks(split(base), split(mine)), hunks(split(base), split(theirs)))
        if all(len(region.sides) == 1 for region in both):
            back = merge_lines(theirs, merge_lines(base, mine, theirs).content, base)
            tried += 1
            failed += back.content != mine
    assert tried > 500
    assert failed <= tried / 200


@pytest.mark.parametrize(("repeated", "agreement"), [(0, 1), (0.35, 0.98)])
def test_git_says_the_same(repeated: float, agreement: float, tmp_path: Path) -> None:
    """The same conflicts as `git merge-file --diff3`, and the same bytes where there are none.

    With many equal lines there are several shortest differences, and git may choose another one.
    """
    cases = triples(300, repeated)
    equal = 0
    for case in cases:
        for name, text in zip(("base", "mine", "theirs"), case, strict=True):
            (tmp_path / name).write_bytes(text)
        command = ["git", "merge-file", "-p", "--diff3", "mine", "base", "theirs"]
        git = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        merge = merge_lines(*case)
        equal += len(merge.conflicts) == git.returncode and (
            bool(merge.conflicts) or merge.content == git.stdout
        )
    assert equal >= agreement * len(cases)


@pytest.mark.parametrize(
    ("mine", "theirs", "conflict"),
    [
        (b"a\nB\nc\n", b"a\nb\nC\n", ("lines 2-3", "B\nc\n", "b\nC\n")),
        (b"a\nB\nc\n", b"a\nX\nc\n", ("line 2", "B\n", "X\n")),
        (b"a\nc\n", b"a\nX\nc\n", ("line 2", None, "X\n")),
        (b"a\nX\nY\nc\n", b"a\nc\n", ("lines 2-3", "X\nY\n", None)),
        (b"a\nb\nc\nx\n", b"a\nb\nc\ny\n", ("line 4", "x\n", "y\n")),
        (b"\xff\nb\nc\n", b"\xfe\nb\nc\n", ("line 1", "\ufffd\n", "\ufffd\n")),
        (b"", b"a\nb\nX\n", ("line 1", None, "a\nb\nX\n")),
    ],
)
def test_a_conflict_says_where_and_what(mine: bytes, theirs: bytes, conflict: tuple[object, ...]) -> None:
    """Changes that touch are one conflict, at the lines of the user's file, with the text of both sides."""
    merge = merge_lines(b"a\nb\nc\n", mine, theirs)
    assert [(one.place, one.mine, one.theirs) for one in merge.conflicts] == [conflict]
    assert (merge.content, merge.theirs) == (mine, theirs)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (b"x\nb\nc\nd\ne\n", b"a\nb\nc\nd\ny\n"),
        (b"x\nb\nC\nd\ne\n", b"a\nb\nC\nd\ny\n"),
        (b"x\nb\nd\ne\n", b"a\nb\nd\ny\n"),
    ],
)
def test_changes_apart_are_both_made(mine: bytes, theirs: bytes) -> None:
    """One unchanged line in between is enough; what both changed alike is taken once."""
    merge = merge_lines(b"a\nb\nc\nd\ne\n", mine, theirs)
    assert not merge.conflicts
    assert merge.content.startswith(b"x\nb\n")
    assert merge.content.endswith(b"y\n")


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "result"),
    [
        ("a b", "a b u v", "a b t", "a b t u v"),
        ("a b t", "a b t u v", "a b", "a b u v"),
        ("a b c", "u a c", "a b2 c", "u a b2 c"),
        ("a b c", "a B c", "a c", "a B c"),
        ("a b", "a b x y", "a b y z", "a b x y z"),
        ("a b c", "c b a u", "a b c t", "c t b a u"),
        ("a", "u a", "t a", "t u a"),
        ("a", "a - #mine u", "a - #theirs t", "a - #theirs t - #mine u"),
        ("a - #theirs t", "a - #theirs t - #mine u", "a", "a - #mine u"),
        ("a t a", "a t t a", "a a", "a t a"),
        ("a b", "u", "a b t", "t u"),
    ],
)
def test_a_set_of_lines_has_no_conflicts(base: str, mine: str, theirs: str, result: str) -> None:
    """The user's lines, less those no longer generated, and the new ones below what they stand below.

    A `-` is a blank line here.
    """
    old, own, new, wanted = (
        "".join(word.strip("-") + "\n" for word in text.split(" ")).encode()
        for text in (base, mine, theirs, result)
    )
    assert merge_lines(old, own, new, union=True).content == wanted
    windows = merge_lines(old, own.replace(b"\n", b"\r\n"), new, union=True)
    assert windows.content == wanted.replace(b"\n", b"\r\n")
    assert merge_lines(old, own[:-1], new, union=True).content == wanted[:-1]


@given(TEXTS, TEXTS, TEXTS)
def test_a_set_of_lines_takes_every_change(base: bytes, mine: bytes, theirs: bytes) -> None:
    """There is no conflict, and what was added to the set is in the result, blank lines apart."""
    merge = merge_lines(base, mine, theirs, union=True)
    assert not merge.conflicts
    was, now, after = ({line.rstrip(b"\r") for line in lines(text)} for text in (base, theirs, merge.content))
    assert {line.lstrip() for line in now - was} <= {b"", *(line.lstrip() for line in after)}


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "result"),
    [
        ("a: {b: 1}\nc: 2\n", "a: { b: 1 }\nc: 2\n", "a: {b: 1}\nx\nc: 2\n", "a: { b: 1 }\nx\nc: 2\n"),
        ("a\nb\nc\n", "a \nB\nc", "a\nb\nx\n", "a \nB\nx\n"),
        ("a\nb\nc\n", "A\nB\nc\n", "a\nx\nc\n", "a\nx\nc\n"),
        ("a\nb\n", "a\nmine\nb\n", "a\ntheirs\nb\n", "a\nmine\ntheirs\nb\n"),
        ("a\n", "  a", "a\nb\n", "  a\nb\n"),
    ],
)
def test_an_edit_is_laid_over_another_layout(base: str, mine: str, theirs: str, result: str) -> None:
    """What the edit changed is as the edit has it, and all else as it was written."""
    assert overlay(base.encode(), mine.encode(), theirs.encode()).decode() == result


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "tabs": lambda text: reindented(text, b"\t"),
    "four": lambda text: reindented(text, b"    "),
    "three": lambda text: reindented(text, b"   "),
    "windows": lambda text: text.replace(b"\n", b"\r\n"),
    "windows and tabs": lambda text: reindented(text, b"\t").replace(b"\n", b"\r\n"),
    "open end": lambda text: text.removesuffix(b"\n"),
    "all at once": lambda text: reindented(text, b"    ").replace(b"\n", b"\r\n").removesuffix(b"\r\n"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_laid_out_anew_is_merged_in_its_layout(name: str) -> None:
    """A change arrives in the user's layout, beside the user's own, and goes again."""
    layout = LAYOUTS[name]
    theirs = CODE.replace(b"    run(a);\n", b"    run(a);\n    again(a);\n")
    assert same(CODE, layout(CODE))
    assert merge_lines(CODE, layout(CODE), theirs).content == layout(theirs)
    mine = layout(CODE.replace(b"  four = 4;\n", b"  four = 5;\n  five() {\n    return 5;\n  }\n"))
    assert not same(CODE, mine)
    merge = merge_lines(CODE, mine, theirs)
    assert (merge.content, merge.conflicts) == (
        layout(theirs.replace(b"  four = 4;\n", b"  four = 5;\n  five() {\n    return 5;\n  }\n")),
        (),
    )
    assert merge_lines(theirs, merge.content, CODE).content == mine
    conflicting = CODE.replace(b"four = 4", b"four = 6")
    merge = merge_lines(CODE, mine, conflicting)
    assert (merge.content, merge.theirs, len(merge.conflicts)) == (mine, layout(conflicting), 1)


def test_lines_that_no_unit_indents_stay() -> None:
    """A text of several lines inside reindented code is the user's as it stands."""
    mine = reindented(CODE, b"    ").replace(b"    three", b"      odd\n    three")
    theirs = CODE.replace(b"  four = 4;", b"  four = 5;")
    assert merge_lines(CODE, mine, theirs).content == mine.replace(b"four = 4", b"four = 5")


def test_mixed_line_endings_stay() -> None:
    """Each line keeps its ending; a new one gets that of most."""
    mine = CODE.replace(b"\n", b"\r\n").replace(b"{\r\n", b"{\n")
    theirs = CODE.replace(b"  four = 4;\n", b"  four = 4;\n  five = 5;\n")
    wanted = mine.replace(b"  four = 4;\r\n", b"  four = 4;\r\n  five = 5;\r\n")
    assert merge_lines(CODE, mine, theirs).content == wanted


@pytest.mark.parametrize(
    ("base", "mine"),
    [
        (CODE, CODE.replace(b"  if", b"    if")),
        (CODE, CODE + b"\tx\n"),
        (b"\tone\n\t\ttwo\n", b"  one\n    two\n"),
        (b"a\n", b"    a\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\n", b""),
        (b"", b"a"),
    ],
)
def test_a_few_lines_are_not_a_layout(base: bytes, mine: bytes) -> None:
    """Indenting a line is an edit like any other; a base that is not indented by two has one layout."""
    assert detect(split(base), split(mine)) == detect([], [])


@given(TEXTS, TEXTS)
def test_a_layout_can_be_undone(base: bytes, mine: bytes) -> None:
    """Every line of the user's either fits the layout, or is left as it is."""
    written = split(mine)
    layout = detect(split(base), written)
    for line, normalised in zip(written, layout.normalised(written), strict=True):
        assert line in {normalised, layout.apply(normalised), layout.apply(normalised)[: len(line)]}


@given(st.lists(st.integers(0, 4), max_size=40), st.lists(st.integers(0, 4), max_size=40))
def test_hunks_turn_one_sequence_into_the_other(old: list[int], new: list[int]) -> None:
    """Between the hunks all is equal; no two of them touch, and they are no more than there have to be."""
    done = start = 0
    edits = 0
    for number, hunk in enumerate(hunks(old, new)):
        assert old[done : hunk.lo] == new[start : hunk.start]
        assert number == 0 or hunk.lo > done
        assert hunk != Hunk(hunk.lo, hunk.lo, hunk.start, hunk.start)
        done, start = hunk.hi, hunk.end
        edits += hunk.hi - hunk.lo + hunk.end - hunk.start
    assert old[done:] == new[start:]
    # A hunk that moved down until it met another has joined it, with the equal items in between: none.
    assert edits == len(old) + len(new) - 2 * longest_common(old, new)


def test_many_changes_are_anchored_at_lines_that_stand_once() -> None:
    """A file of which too much changed for the shortest difference keeps what is plainly the same."""
    common = [b"%d\n" % number for number in range(1000)]
    shuffled = random.Random(1).choices([b"x\n", b"y\n", b"\n"], k=2000)
    mine = [line for pair in zip(common, shuffled[:1000], strict=True) for line in pair]
    theirs = [line for pair in zip(common, shuffled[1000:], strict=True) for line in pair]
    assert sum(hunk.hi - hunk.lo for hunk in hunks(mine, theirs)) <= 1000


def test_large_files_are_merged() -> None:
    """Ten thousand lines with a few changes each; and two where no line stands once, as a conflict."""
    base = [b"  line %d\n" % number for number in range(10_000)]
    mine, theirs = list(base), list(base)
    mine[10:12], mine[5000:5000], mine[9000] = [], [b"mine\n"] * 3, b"\n"
    theirs[2000:2001], theirs[7000:7010], theirs[9990] = [b"theirs\n"] * 5, [], b"\n"
    merge = merge_lines(*map(b"".join, (base, mine, theirs)))
    assert not merge.conflicts
    assert len(split(merge.content)) == len(mine) + len(theirs) - len(base)
    noise = random.Random(1)
    garbage = [b"".join(noise.choices([b"a\n", b"b\n", b"\n"], k=10_000)) for _ in range(2)]
    assert merge_lines(b"".join(base), *garbage).conflicts


def lines(text: bytes) -> Counter[bytes]:
    """Count the lines without their ends, since a line that was the last may get one."""
    return Counter(line.removesuffix(b"\n").removesuffix(b"\r") for line in split(text))


def reindented(text: bytes, unit: bytes) -> bytes:
    """Indent by another unit, and leave the odd space before a star."""
    out = []
    for line in split(text):
        width = (len(line) - len(line.lstrip(b" "))) // 2
        out.append(unit * width + line[2 * width :])
    return b"".join(out)


def longest_common(old: list[int], new: list[int]) -> int:
    """Measure the longest common subsequence by the book."""
    row = [0] * (len(new) + 1)
    for one in old:
        above = row
        row = [0]
        for index, other in enumerate(new):
            row.append(above[index] + 1 if one == other else max(above[index + 1], row[-1]))
    return row[-1]


def triples(count: int, repeated: float) -> list[tuple[bytes, bytes, bytes]]:
    """Make a base and two edits of it, with a share of lines that stand often; always the same."""
    chance = random.Random(count)
    number = iter(range(10**9))

    def line() -> bytes:
        equal = chance.random() < repeated
        return chance.choice([b"\n", b"}\n", b"  }\n"]) if equal else b"line %d\n" % next(number)

    def edit(text: list[bytes]) -> bytes:
        text = list(text)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text) + 1)
            text[at : at + chance.choice([0, 1, 2, 3])] = [
                line() for _ in range(chance.choice([0, 1, 1, 2, 4]))
            ]
        return b"".join(text)

    found = []
    for _ in range(count):
        base = [line() for _ in range(chance.randrange(30))]
        found.append((b"".join(base), edit(base), edit(base)))
    return found
