"""Merging JSON files value by value: what the user wrote stays, to the byte."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import json5
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scaffolder.merging.jsonc import DEEPEST, JsoncError, parse
from scaffolder.merging.keywise import merge_keys
from scaffolder.merging.layout import comments, read, render
from scaffolder.merging.three_way import Conflict, Merge

GOLDEN = Path(__file__).parent / "golden"
NOTES, CLOCK = (
    {path.name: path.read_text() for path in (GOLDEN / name).glob("*.json*")} for name in ("notes", "clock")
)
IDENTITY = {
    "kv_namespaces": "binding",
    "d1_databases": "binding",
    "durable_objects.bindings": "name",
    "rewrites": "source",
}


def merge(base: str | None, mine: str, theirs: str, identity: Mapping[str, str] = IDENTITY) -> Merge:
    """Merge texts, and check what holds for every merge."""
    before = None if base is None else base.encode()
    merged = merge_keys(before, mine.encode(), theirs.encode(), identity)
    for content in (merged.content, merged.theirs):
        parse(content)
    assert (merged.content == merged.theirs) or merged.conflicts
    known, there = comments(base or ""), comments(merged.content.decode())
    assert not Counter(comments(mine)) - Counter(known) - Counter(there)
    again = merge_keys(theirs.encode(), merged.content, theirs.encode(), identity)
    assert again == Merge(merged.content, merged.content)
    if base is not None:
        assert merge_keys(before, mine.encode(), before or b"", identity).content.decode() == mine
    return merged


def clean(base: str | None, mine: str, theirs: str) -> str:
    """Merge without a conflict and without anything left over."""
    merged = merge(base, mine, theirs)
    assert not merged.conflicts
    assert not merged.kept
    return merged.content.decode()


def there_and_back(base: str, mine: str, theirs: str) -> str:
    """Merge, and check that merging back returns to the same bytes."""
    text = clean(base, mine, theirs)
    assert clean(theirs, text, base) == mine
    return text


def values(text: str | bytes) -> Any:
    """Read a text with another reader than the program's."""
    return json5.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff"))


def edited(text: str, old: str, new: str) -> str:
    """Replace what occurs exactly once."""
    assert text.count(old) == 1
    return text.replace(old, new)


D1 = """  // The users' notes.
  "d1_databases": [{ "binding": "DB", "database_id": "5f0c" }], // made by hand

"""
EDITED_WRANGLER = edited(NOTES["wrangler.jsonc"], '  "vars"', D1 + '  "vars"').replace(
    '"LOG_LEVEL": "info"', '"LOG_LEVEL": "info",\n    "REGION": "eu"'
)


def tabs(text: str) -> str:
    """Indent with tabs."""
    return "\n".join(
        "\t" * ((len(line) - len(line.lstrip(" "))) // 2) + line.lstrip(" ") for line in text.split("\n")
    )


def four(text: str) -> str:
    """Indent with four spaces."""
    return tabs(text).replace("\t", "    ")


def crlf(text: str) -> str:
    """End lines as Windows does."""
    return text.replace("\n", "\r\n")


def marked(text: str) -> str:
    """Start with a byte order mark."""
    return "\ufeff" + text


def commas(text: str) -> str:
    """Put a comma after the last item of several lines."""
    lines = text.split("\n")
    for index, line in enumerate(lines[1:]):
        if line.lstrip()[:1] in ("}", "]") and lines[index].strip()[-1:] not in ("{", "[", ""):
            lines[index] += ","
    return "\n".join(lines)


def unfinished(text: str) -> str:
    """Leave out the last line's end."""
    return text.rstrip("\n")


FORMATS = [str, tabs, four, crlf, marked, commas, unfinished, lambda text: marked(crlf(commas(tabs(text))))]


@pytest.mark.parametrize("name", sorted(NOTES.keys() & CLOCK.keys()))
def test_an_untouched_file_becomes_what_is_generated(name: str) -> None:
    """Where the user changed nothing, the result is the generated file, byte for byte."""
    assert there_and_back(NOTES[name], NOTES[name], CLOCK[name]) == CLOCK[name]


@pytest.mark.parametrize("change", FORMATS)
@pytest.mark.parametrize("name", sorted(NOTES.keys() & CLOCK.keys()))
def test_a_reformatted_file_keeps_its_format(name: str, change: Any) -> None:
    """Indentation, line ends, commas, a byte order mark: a new version looks as the user's file does."""
    assert there_and_back(NOTES[name], change(NOTES[name]), CLOCK[name]) == change(CLOCK[name])
    assert there_and_back(CLOCK[name], change(CLOCK[name]), NOTES[name]) == change(NOTES[name])


@pytest.mark.parametrize("change", FORMATS)
def test_a_binding_a_variable_and_comments_of_the_user_stay(change: Any) -> None:
    """A D1 binding, a variable and the comments on them come through, in every format."""
    text = there_and_back(NOTES["wrangler.jsonc"], change(EDITED_WRANGLER), CLOCK["wrangler.jsonc"])
    wanted = edited(CLOCK["wrangler.jsonc"], '  "vars"', D1 + '  "vars"').replace(
        '"DEFAULT_ZONE": "Europe/Zurich"', '"DEFAULT_ZONE": "Europe/Zurich",\n    "REGION": "eu"'
    )
    assert text == change(wanted)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("package.json", '    "@types/node"', '    "@types/left-pad": "1.3.0",\n    "@types/node"'),
        (
            "package.json",
            '    "typescript": "7.0.2"',
            '    "prettier": "3.9.0",\n\n    "typescript": "7.0.2"',
        ),
        ("package.json", '    "check": ', '    "test": "node --test",\n    "check": '),
        ("package.json", '  "type": "module"', '  "type": "module",\n  "files": [\n    "src"\n  ]'),
        (
            "wrangler.jsonc",
            '  "observability"',
            '  "triggers": { "crons": ["0 5 * * *"] },\n  "observability"',
        ),
        ("wrangler.jsonc", '"preview_urls": false', '"preview_urls": true'),
        ("wrangler.jsonc", '  "preview_urls"', '  /* for\n   * pull requests */\n  "preview_urls"'),
        ("wrangler.jsonc", '{\n  "$schema"', '// My worker.\n{ // see the README\n\n  "$schema"'),
        ("wrangler.jsonc", '"enabled": true\n', '"enabled": true // costs nothing\n    // so far\n'),
        ("wrangler.jsonc", '  "workers_dev": true,\n', ""),
        (
            "vercel.json",
            '  "framework"',
            '  "crons": [{ "path": "/a", "schedule": "0 5 * * *" }],\n  "framework"',
        ),
        (
            "vercel.json",
            'mcp"\n    }\n  ]',
            'mcp"\n    },\n    { "source": "/(.*)", "destination": "/" }\n  ]',
        ),
        (
            "vercel.json",
            '    {\n      "source": "/mcp"',
            '    { "source": "/old" },\n    {\n      "source": "/mcp"',
        ),
        (
            "vercel.json",
            '      "supportsCancellation": true',
            '      "memory": 512,\n      "supportsCancellation": true',
        ),
    ],
)
def test_ordinary_edits_outlive_a_change(name: str, old: str, new: str) -> None:
    """A dependency, a script, a cron, a route, a comment: each survives a change and its undoing."""
    mine = edited(CLOCK[name], old, new)
    assert there_and_back(CLOCK[name], mine, NOTES[name]) == edited(NOTES[name], old, new)


def test_a_moved_key_stays_where_it_was_moved() -> None:
    """The order of an object is the user's."""
    vars_ = '  "vars": {\n    "DEFAULT_ZONE": "Europe/Zurich"\n  },\n'

    def moved(text: str) -> str:
        return edited(text, vars_, "").replace("{\n", "{\n" + vars_, 1)

    before = CLOCK["wrangler.jsonc"]
    now = edited(before, '  "workers_dev"', '  "minify": true,\n  "workers_dev"')
    assert there_and_back(before, moved(before), now) == moved(now)


def test_a_change_on_both_sides_is_a_conflict() -> None:
    """The user's value stays in the file, ours stands in the other, and both have all the rest."""
    mine = edited(CLOCK["package.json"], "&& tsc -p api", "&& tsc -p api && node --test")
    merged = merge(CLOCK["package.json"], mine, NOTES["package.json"])
    check = values(NOTES["package.json"])["scripts"]["check"]
    assert merged.theirs.decode() == NOTES["package.json"]
    assert merged.content.decode() == edited(NOTES["package.json"], check, values(mine)["scripts"]["check"])
    (conflict,) = merged.conflicts
    assert conflict == Conflict("scripts.check", f'"{values(mine)["scripts"]["check"]}"', f'"{check}"')


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "place"),
    [
        ('{"a": {"b.c": 1}}', '{"a": {"b.c": 2}}', '{"a": {"b.c": 3}}', 'a["b.c"]'),
        ('{"a b": 1}', '{"a b": 2}', '{"a b": 3}', '["a b"]'),
        ('{"": {"@x/y": 1}}', '{"": {"@x/y": 2}}', '{"": {"@x/y": 3}}', '[""].@x/y'),
        ('{"\\ud800": 1}', '{"\\ud800": 2}', '{"\\ud800": 3}', '["\\ud800"]'),
        (
            '{"rewrites": [{"source": "/a", "to": 1}]}',
            '{"rewrites": [{"source": "/b"}, {"source": "/a", "to": 2}]}',
            '{"rewrites": [{"source": "/a", "to": 3}]}',
            'rewrites["/a"].to',
        ),
        ('{"a": [[1]]}', '{"a": [[2]]}', '{"a": [[3]]}', "a"),
        ('{"a": 1}', '{"a": {"b": 1}}', '{"a": [1]}', "a"),
        ('{"a": {"b": 1}}', '{"a": {"b": 2}}', '{"a": "b"}', "a"),
        ('{"a": 1}', '{"a": true}', '{"a": false}', "a"),
        ('{"a": 1}', "[1]", '{"a": 2}', ""),
        (None, '{"a": {"b": 1}}', '{"a": {"b": 2}}', "a.b"),
        (None, '{"a": 1}', '{"a": true}', "a"),
        ("not JSON", '{"a": 1}', '{"a": 2}', "a"),
    ],
)
def test_places(base: str | None, mine: str, theirs: str, place: str) -> None:
    """A conflict says where it is as a person would write it."""
    merged = merge_keys(base.encode() if base else None, mine.encode(), theirs.encode(), IDENTITY)
    assert [conflict.place for conflict in merged.conflicts] == [place]
    assert merged.content.decode() == mine
    place.encode()


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "wanted"),
    [
        # What the user deleted stays deleted, whatever became of it.
        ('{"a": 1, "b": 2}', '{"a": 1}', '{"a": 1, "b": 3}', '{"a": 1}'),
        ('{"a": {"b": 1}}', "{}", '{"a": {"b": 1, "c": 2}}', "{}"),
        ('{"a": ["x", "y"]}', '{"a": ["x"]}', '{"a": ["x", "y", "z"]}', '{"a": ["x", "z"]}'),
        # A set: additions and removals of both, each new element beside its neighbour.
        ('["a", "b", "c"]', '["u", "b", "c", "v"]', '["a", "n", "c", "m"]', '["u", "n", "c", "m", "v"]'),
        ('["a"]', '["u"]', '["n"]', '["n", "u"]'),
        ('["a", "b", "c"]', '["a", "u", "b", "c"]', '["c", "b", "a"]', '["c", "u", "b", "a"]'),
        ('["a", "b", "c"]', '["b", "a", "c"]', '["c", "b", "a"]', '["b", "a", "c"]'),
        ('["a", "a"]', '["a", "b"]', '["a", "a"]', '["a", "b"]'),
        ('["a"]', '["a", "a", {"x": 1}]', '["b"]', '["b", "a", {"x": 1}]'),
        ("[1, true]", "[1.0, true, 2]", "[1, true, 3]", "[1.0, true, 3, 2]"),
        # Equal values are equal however they are written.
        ('{"a": 1}', '{"a": 1.0}', '{"a": 2}', '{"a": 2}'),
        ('{"a": "\\u0041"}', '{"a": "A"}', '{"a": "B"}', '{"a": "B"}'),
        ('{"a": [{"x": 1, "y": 2}]}', '{"a": [{"y": 2, "x": 1}]}', '{"a": []}', '{"a": []}'),
        ('{"a": 1}', '{"a": 2}', '{"a": 2.0}', '{"a": 2}'),
        # No base: both have their say.
        (
            None,
            '{"a": 1, "u": {"x": 1}}',
            '{"b": 2, "a": 1, "u": {"y": 2}}',
            '{"b": 2, "a": 1, "u": {"y": 2, "x": 1}}',
        ),
        (None, '{"a": ["u"]}', '{"a": ["n"]}', '{"a": ["n", "u"]}'),
        (
            None,
            '{"rewrites": [{"source": "/u"}, {"source": "/a", "u": 1}]}',
            '{"rewrites": [{"source": "/a", "n": 2}]}',
            '{"rewrites": [{"source": "/u"}, {"source": "/a", "n": 2, "u": 1}]}',
        ),
        # One line stays one line.
        (
            "{}",
            "{ }",
            '{\n  "a": {\n    // why\n    "b": [\n      1\n    ]\n  }\n}\n',
            '{ "a": { "b": [1] } }',
        ),
        (
            '{"a":1}',
            '{"a":1,"u":2}',
            '{\n  "a": 1,\n  "b": {\n    "c": 2\n  }\n}',
            '{"a":1,"b":{"c":2},"u":2}',
        ),
        ('{"a": 1}', '{"a": 1 /* one */ }', '{"a": 1, "b": 2}', '{"a": 1 /* one */, "b": 2 }'),
        # Line breaks in unusual places.
        ('{"a": 1}', '{"a": 1 // one\n}', '{"a": 1, "b": 2}', '{"a": 1, // one\n  "b": 2\n}'),
        ('{"a": 1}', '{ "a": 1 // one\r}', '{"a": 1, "b": 2}', '{ "a": 1, // one\r  "b": 2\r}'),
        ('{"a": 1, "b": 2}', '{"a": 1, // one\n "b": 2 }', '{"a": 1}', '{"a": 1 // one\n}'),
        ('{"a": 1}', '{\n"a": 1\n}', '{"a": 1, "b": [1]}', '{\n"a": 1,\n"b": [1]\n}'),
        ("[]", "[\n  // none yet\n]\n", '["a"]', '[\n  "a"\n  // none yet\n]\n'),
        (
            '{"a": {}}',
            '{\n    "a": {}\n}',
            '{\n  "a": {\n    "b": 1\n  }\n}',
            '{\n    "a": {\n        "b": 1\n    }\n}',
        ),
    ],
)
def test_examples(base: str | None, mine: str, theirs: str, wanted: str) -> None:
    """Small files, each with one question."""
    assert clean(base, mine, theirs) == wanted


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "wanted", "kept"),
    [
        ('{"a": 1}', '{"a": 2}', "{}", '{"a": 2}', "a"),
        ('{"a": {"b": 1, "c": 2}}', '{"a": {"b": 1, "c": 3}}', "{}", '{"a": {"c": 3}}', "a.c"),
        ('{"a": [[1]]}', '{"a": [[1], [2]]}', "{}", '{"a": [[1], [2]]}', "a"),
        ('{"a": 1}', '{"a": /* mine */ 1}', "{}", '{"a": /* mine */ 1}', "a"),
        (
            '{"a": 1, "b": 2}',
            '{\n  // mine\n  "a": 1, "b": 2}',
            '{"b": 2}',
            '{\n  // mine\n  "a": 1, "b": 2}',
            "a",
        ),
        ('{"a": {"b": 1}}', '{"a": {"b": 1 /* mine */ }}', "{}", '{"a": {"b": 1 /* mine */ }}', "a.b"),
        ('{"a": {"b": 1}}', '{"a": {\n"b": 1\n// mine\n}}', "{}", '{"a": {\n"b": 1\n// mine\n}}', "a"),
        ('["a"]', '["a" /* mine */]', "[]", '["a" /* mine */]', '["a"]'),
        (
            '{"kv_namespaces": [{"binding": "S"}, {"binding": "T"}]}',
            '{"kv_namespaces": [{"binding": "S", "id": "1"}, {"binding": "T"}]}',
            "{}",
            '{"kv_namespaces": [{"binding": "S", "id": "1"}]}',
            'kv_namespaces["S"]',
        ),
    ],
)
def test_what_the_user_changed_stays_though_it_is_gone(
    base: str, mine: str, theirs: str, wanted: str, kept: str
) -> None:
    """A value or a comment of the user's keeps what it is in, which is reported."""
    merged = merge(base, mine, theirs)
    assert (merged.content.decode(), merged.kept, merged.conflicts) == (wanted, (kept,), ())


def test_what_the_user_added_to_stays_without_our_parts() -> None:
    """Of a list or an object that is no longer generated, the user's own entries are left."""
    mine = edited(
        edited(
            NOTES["wrangler.jsonc"],
            '        "class_name": "SessionObject"\n      }',
            '        "class_name": "SessionObject"\n      },'
            '\n      { "name": "CACHE", "class_name": "Cache" }',
        ),
        '    "LOG_LEVEL": "info"',
        '    "LOG_LEVEL": "info",\n    // mine\n    "REGION": "eu"',
    )
    without = NOTES["wrangler.jsonc"]
    for start, end in (("  // One object", '  "vars"'), ('  "vars"', "  // A deploy")):
        without = without[: without.index(start)] + without[without.index(end) :]
    text = there_and_back(NOTES["wrangler.jsonc"], mine, without)
    wanted = '  "durable_objects": {\n    "bindings": [\n'
    wanted += '      { "name": "CACHE", "class_name": "Cache" }\n    ]\n  },\n'
    wanted += '  "vars": {\n    // mine\n    "REGION": "eu"\n  },\n'
    assert text == edited(without, "  // A deploy", wanted + "  // A deploy")


def test_a_generated_comment_follows_its_text() -> None:
    """A comment of ours is updated, added and removed; one that the user changed is theirs."""
    old, new = "  // wrangler's default is 30 s.\n", "  // It is 30 s\n  // by default.\n"
    before = edited(
        CLOCK["wrangler.jsonc"], "  // The most that the plan allows; wrangler's default is 30 s.\n", old
    )
    now = edited(before, old, new)
    mine = four(edited(before, old, "\n" + old + "\n"))
    assert there_and_back(before, mine, now) == mine.replace(four(old), four(new))
    without = edited(before, old, "")
    mine = edited(before, "300000", "1000")
    assert there_and_back(before, mine, without) == edited(without, "300000", "1000")
    rewritten = edited(before, old, "  // Mine.\n")
    assert there_and_back(before, rewritten, now) == rewritten
    assert there_and_back(before, edited(before, old, ""), now) == without


def test_a_comment_in_what_we_replace_makes_a_conflict() -> None:
    """A value that is replaced as a whole is not, where it holds a comment of the user's."""
    merged = merge('{"a": [[1]]}', '{"a": [[1 /* mine */]]}', '{"a": [[2]]}')
    assert merged.conflicts == (Conflict("a", "[[1 /* mine */]]", "[[2]]"),)


def test_only_the_user_can_write_what_cannot_be_read() -> None:
    """A file that does not parse is refused, whatever it is merged with; a broken base counts as none."""
    with pytest.raises(JsoncError):
        merge_keys(b"{}", b"{", b'{"a": 1}')
    assert merge_keys(b"{", b'{"u": 1}', b'{"a": 1}').content == b'{"a": 1, "u": 1}'


def test_deep_files_merge() -> None:
    """The deepest file that can be read can be merged."""
    deep = '{"a":' * (DEEPEST - 1) + "{%s}" + "}" * (DEEPEST - 1)
    assert clean(deep % "", deep % '"u":1', deep % '"b":2') == deep % '"b":2,"u":1'


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.json*")), ids=lambda path: "/".join(path.parts[-2:]))
def test_taking_apart_and_putting_together_changes_nothing(path: Path) -> None:
    """The pieces of a file are the file."""
    if path.suffix != ".jsonl":
        assert render(read(path.read_bytes())) == path.read_text()


# Random files. What is generated is drawn from a pool of keys, in the pool's order, as templates have
# one; the first letter of a key says what it holds.
POOL = ["name", "s1", "o1", "l1", "x1", "s2", "i1", "o2", "a.b"]
OURS = st.sampled_from([0, 1, True, None, "", "a", "http://b // c", 1.5])
NOTES_OF_OURS = st.sampled_from(["", "", "first", "second"])
GONE = object()


@dataclass(frozen=True)
class Entry:
    """A member or an element, and how it is dressed."""

    key: str | None
    value: Any
    note: str = ""
    blank: bool = False
    beside: str = ""

    @property
    def name(self) -> Any:
        """What tells it apart from its neighbours."""
        if self.key is not None:
            return self.key
        return self.value.named if isinstance(self.value, Box) else self.value


@dataclass(frozen=True)
class Box:
    """An object or an array."""

    brackets: str
    entries: tuple[Entry, ...] = ()
    flat: bool = False

    @property
    def named(self) -> str | None:
        """What tells an object apart in an array."""
        return next((entry.value for entry in self.entries if entry.key == "id"), None)


@dataclass(frozen=True)
class Format:
    """How a file is written."""

    unit: str = "  "
    newline: str = "\n"
    comma: bool = False
    mark: bool = False
    end: bool = True


FORMS = st.builds(
    Format,
    unit=st.sampled_from(["  ", "    ", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    comma=st.booleans(),
    mark=st.booleans(),
    end=st.booleans(),
)


def write(root: Box, form: Format) -> str:
    """Write a file."""
    text = put(root, form, "", flat=False) + "\n" * form.end
    return "\ufeff" * form.mark + text.replace("\n", form.newline)


def put(value: Any, form: Format, indent: str, *, flat: bool) -> str:
    """Write a value."""
    if not isinstance(value, Box):
        return json.dumps(value)
    opener, closer = tuple(value.brackets)
    flat = flat or value.flat
    if not value.entries:
        return opener + closer
    deeper = indent if flat else indent + form.unit
    texts = [
        ("" if entry.key is None else json.dumps(entry.key) + ": ")
        + put(entry.value, form, deeper, flat=flat)
        for entry in value.entries
    ]
    if flat:
        pad = " " if opener == "{" else ""
        return opener + pad + ", ".join(texts) + pad + closer
    lines = [opener]
    for index, (entry, text) in enumerate(zip(value.entries, texts, strict=True)):
        comma = "," if form.comma or index < len(texts) - 1 else ""
        beside = f" // {entry.beside}" if entry.beside else ""
        lines += (
            [""] * entry.blank
            + [f"{deeper}// {entry.note}"] * bool(entry.note)
            + [deeper + text + comma + beside]
        )
    return "\n".join([*lines, indent + closer])


@st.composite
def generated(draw: st.DrawFn, depth: int = 0, named: str | None = None) -> Box:
    """Draw what a template might generate."""
    entries = [Entry("id", named)] if named else []
    for key in POOL:
        if not (draw(st.booleans()) or (depth == 0 and key == "name")):
            continue
        value: Any = draw(OURS)
        structured = draw(st.integers(0, 15)) > 0
        if key[0] == "o" and depth < 2 and structured:
            value = draw(generated(depth + 1))
        elif key[0] == "i" and depth < 2 and structured:
            names = draw(st.sampled_from(["", "p", "q", "pq", "qr", "pr", "pqr"]))
            value = Box("[]", tuple(Entry(None, draw(generated(2, name))) for name in names))
        elif key[0] == "l" and structured:
            names = draw(st.sampled_from(["", "a", "b", "ab", "bc", "ac", "abc"]))
            value = Box("[]", tuple(Entry(None, name) for name in names), flat=True)
        elif key[0] == "x":
            pair = Box("[]", (Entry(None, draw(st.integers(0, 2))), Entry(None, 1)), flat=True)
            value = Box("[]", (Entry(None, pair),), flat=True)
        entries.append(Entry(key, value, draw(NOTES_OF_OURS)))
    return Box("{}", tuple(entries))


@dataclass(frozen=True)
class User:
    """How a user edits."""

    dresses: bool = True
    """Whether they write comments and blank lines."""
    gentle: bool = False
    """Whether they leave alone what goes together with what is no longer generated: a blank line above it,
    a form of its own, its deletion by the user too, an entry between it and where it will come back."""


@st.composite
def edits(draw: st.DrawFn, user: User, box: Box, other: Box | None, *, flat: bool = False) -> Box:
    """Draw what a user might make of a file, of which `other` is the next version."""
    future = {entry.name: entry for entry in other.entries} if other else {}
    is_list = box.brackets == "[]"
    free = not (user.gentle and (other is None or is_list))
    flat = flat or box.flat or (free and draw(st.integers(0, 9)) == 0)
    changed = (draw(changes(user, entry, future.get(entry.name), flat=flat)) for entry in box.entries)
    entries = [entry for entry in changed if entry]
    if not is_list and not user.gentle and draw(st.integers(0, 3)) == 0:
        entries = draw(st.permutations(entries))
    closed = (is_list and not box.entries) or (user.gentle and other is None and box.named is not None)
    for number in range(0 if closed else draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(entries)))
        lost = [entry.name not in future for entry in entries]
        if user.gentle and at < len(entries) and (lost[at] or (at and all(lost[:at]))):
            at = len(entries)
        entries.insert(at, draw(additions(user, box, f"u{number}", flat=flat)))
    return replace(box, entries=tuple(entries), flat=flat)


@st.composite
def changes(draw: st.DrawFn, user: User, entry: Entry, will: Entry | None, *, flat: bool) -> Entry | None:
    """Draw what becomes of an entry."""
    free = (will is not None or not user.gentle) and entry.key not in {"name", "id"}
    if free and draw(st.integers(0, 7)) == 0:
        return None
    value = entry.value
    if isinstance(value, Box) and entry.key != "x1":
        value = draw(
            edits(user, value, will.value if will and isinstance(will.value, Box) else None, flat=flat)
        )
    elif (
        entry.key not in {None, "id"} and (not user.gentle or will == entry) and draw(st.integers(0, 9)) == 0
    ):
        value = draw(st.sampled_from(["mine", 7]))
    if flat or not free or not user.dresses:
        return Entry(entry.key, value, "" if flat else entry.note)
    deleted = [""] if will and (will.note or not entry.note) else []
    note = draw(st.sampled_from([entry.note] * 6 + ["user's own", *deleted]))
    beside = draw(st.sampled_from([""] * 6 + ["user's beside"]))
    return Entry(entry.key, value, note, draw(st.integers(0, 5)) == 0, beside)


@st.composite
def additions(draw: st.DrawFn, user: User, box: Box, name: str, *, flat: bool) -> Entry:
    """Draw an entry of the user's own."""
    value: Any = name
    if box.brackets == "{}" and draw(st.booleans()):
        value = Box("{}", (Entry("more", Box("[]", (Entry(None, 2),))),), flat=draw(st.booleans()))
    elif any(isinstance(entry.value, Box) and entry.key is None for entry in box.entries):
        value = Box("{}", (Entry("id", name),), flat=draw(st.booleans()))
    dressed = user.dresses and not flat
    note = "user's new" if dressed and draw(st.booleans()) else ""
    blank = dressed and draw(st.integers(0, 3)) == 0
    return Entry(name if box.brackets == "{}" else None, value, note, blank)


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\r\n]*|/\*(?s:.*?)\*/|[{}\[\],:]|[^\s{}\[\],:"]+')
BLANKS = ["", " ", "\n", "\n\t ", "\r\n  ", "\r", " // ?\n", "/* ? */", " /* ?\n  ? */ ", "\n\n  // ?\n  "]


@st.composite
def scattered(draw: st.DrawFn, text: str) -> str:
    """Write a file as nobody would."""
    often = draw(st.sampled_from([0, 1, 10]))
    chance = draw(st.randoms(use_true_random=False))
    tokens = [token for token in TOKEN.findall(text) if not token.startswith(("/", "\ufeff"))]
    blanks = (chance.choice(BLANKS) if chance.randrange(10) < often else " " for _ in tokens)
    return "".join(blank + token for blank, token in zip(blanks, tokens, strict=True))


def paths(box: Box, path: str = "") -> Iterator[str]:
    """Return where arrays of objects are."""
    for entry in box.entries:
        if isinstance(entry.value, Box):
            inner = path if entry.key is None else f"{path}.{entry.key}".strip(".")
            yield inner
            yield from paths(entry.value, inner)


def told_apart(value: Any, key: str = "") -> Any:
    """Return a value with objects in the place of arrays whose elements are told apart."""
    if isinstance(value, dict):
        return {name: told_apart(inner, name) for name, inner in value.items()}
    if isinstance(value, list) and key[0] == "l":
        return {json.dumps(element): json.dumps(element) for element in value}
    if isinstance(value, list) and key[0] == "i":
        return {"#" + element["id"]: told_apart(element) for element in value}
    return json.dumps(value)


def expected(base: Any, mine: Any, theirs: Any, *, ours: bool, name: str = "") -> Any:
    """Merge three values in the plainest way there is, without regard to any order."""
    if mine is GONE:
        return theirs if base is GONE else GONE
    if theirs is GONE and base is GONE:
        return mine
    other = base if theirs is GONE and name[:1] != "#" else theirs
    if isinstance(mine, dict) and isinstance(other, dict):
        sides = [side if isinstance(side, dict) else {} for side in (base, mine, theirs)]
        merged = {
            name: expected(*(side.get(name, GONE) for side in sides), ours=ours, name=name)
            for name in sides[1] | sides[2]
        }
        left = {name: value for name, value in merged.items() if value is not GONE}
        return left if left or theirs is not GONE else GONE
    if theirs is GONE:
        return GONE if mine == base else mine
    if theirs in (base, mine):
        return mine
    return theirs if ours or mine == base else mine


def leaves(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every plain value with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, *path, name)
    else:
        yield path, value


def strict(text: str) -> bool:
    """Tell whether a text has no trailing comma."""
    signs = (token[0] for token in TOKEN.findall(text) if token[0] != "/")
    return not re.search(r",[\]}]", "".join(signs))


@settings(max_examples=120, deadline=None)
@given(st.data(), generated(), generated(), FORMS)
def test_values_are_merged_as_by_the_plainest_merge(
    data: st.DataObject, base: Box, theirs: Box, form: Format
) -> None:
    """In both results stands what each side changed, compared as values."""
    identity = dict.fromkeys(paths(base), "id") | dict.fromkeys(paths(theirs), "id")
    before, now = write(base, Format()), write(theirs, Format())
    mine = write(data.draw(edits(User(dresses=False), base, theirs)), form)
    merged = merge(before, mine, now, identity)
    sides = [told_apart(values(text)) for text in (before, mine, now)]
    assert told_apart(values(merged.content)) == expected(*sides, ours=False)
    assert told_apart(values(merged.theirs)) == expected(*sides, ours=True)


@settings(max_examples=150, deadline=None)
@given(st.data(), generated(), generated(), FORMS)
def test_nothing_of_the_users_is_lost(data: st.DataObject, base: Box, theirs: Box, form: Format) -> None:
    """Every value and comment that the user wrote is there afterwards, and nothing that they deleted."""
    identity = dict.fromkeys(paths(base), "id") | dict.fromkeys(paths(theirs), "id")
    before, mine = write(base, Format()), write(data.draw(edits(User(), base, theirs)), form)
    if data.draw(st.booleans()):
        mine = data.draw(scattered(mine.removeprefix("\ufeff")))
    merged = merge(before, mine, write(theirs, Format()), identity)
    was, has, gets = (dict(leaves(told_apart(values(text)))) for text in (before, mine, merged.content))
    assert {path: value for path, value in has.items() if value != was.get(path)}.items() <= gets.items()
    assert not (was.keys() - has.keys()) & gets.keys()
    assert strict(merged.content.decode()) or not strict(mine)


@settings(max_examples=200, deadline=None)
@given(st.data(), generated(), generated(), FORMS)
def test_the_way_back_leads_to_the_same_bytes(
    data: st.DataObject, base: Box, theirs: Box, form: Format
) -> None:
    """A change that is undone leaves no trace in the user's file."""
    identity = dict.fromkeys(paths(base), "id") | dict.fromkeys(paths(theirs), "id")
    before, now = write(base, Format()), write(theirs, Format())
    mine = write(data.draw(edits(User(gentle=True), base, theirs)), form)
    merged = merge(before, mine, now, identity)
    assume(not merged.conflicts and not merged.kept)
    assert merge(now, merged.content.decode(), before, identity).content.decode() == mine
