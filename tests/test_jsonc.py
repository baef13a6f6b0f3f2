"""Reading JSON with comments: every position, every refusal."""

import json
import re
from pathlib import Path
from typing import Any

import json5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.merging.jsonc import DEEPEST, Array, JsoncError, Member, Node, Object, Scalar, parse, plain

GOLDEN = sorted((Path(__file__).parent / "golden").rglob("*.json*"))
CONFIGURATIONS = [path for path in GOLDEN if path.suffix in {".json", ".jsonc"}]

BLANKS = st.sampled_from(
    [
        "",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\n  \n",
        " // a note\n",
        "/* one */",
        "/* two\n * lines */ ",
        '// "{[,\r\n',
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """Write a value with blanks, comments and trailing commas wherever they may be."""
    blank = draw(BLANKS)
    if not isinstance(value, list | dict) or not value:
        return blank + json.dumps(value, ensure_ascii=draw(st.booleans())) + draw(BLANKS)
    if isinstance(value, list):
        parts = [draw(written(element)) for element in value]
    else:
        parts = [draw(written(key)) + ":" + draw(written(element)) for key, element in value.items()]
    text = ",".join(parts) + draw(st.sampled_from(["", ","])) + draw(BLANKS)
    return blank + ("[" + text + "]" if isinstance(value, list) else "{" + text + "}") + draw(BLANKS)


@given(st.data(), VALUES)
def test_what_is_written_is_read(data: st.DataObject, value: Any) -> None:
    """Blanks, comments, trailing commas and a byte order mark change nothing about the value."""
    text = data.draw(written(value))
    assert plain(parse(text.encode()).root) == value
    assert plain(parse(b"\xef\xbb\xbf" + text.encode()).root) == value


@given(st.data(), VALUES)
def test_every_node_knows_where_it_stands(data: st.DataObject, value: Any) -> None:
    """The text between a node's offsets is the node, and a member's the key."""
    document = parse(data.draw(written(value)).encode())

    def check(node: Node) -> None:
        text = document.text[node.start : node.end]
        assert plain(parse(text.encode()).root) == plain(node)
        assert text == text.strip()
        if isinstance(node, Object):
            for member in node.members:
                assert json.loads(document.text[member.start : member.end]) == member.key
                check(member.value)
        if isinstance(node, Array):
            for element in node.elements:
                check(element)

    check(document.root)


@given(st.text(alphabet='{}[]",:/* \n1e-.tru"\\u0\ufeff', max_size=12) | st.text(max_size=12))
def test_nothing_else_than_a_refusal_comes_of_any_text(text: str) -> None:
    """Whatever is accepted is JSON with comments to another reader as well; the rest has a position."""
    try:
        value = plain(parse(text.encode()).root)
    except JsoncError as error:
        position = (error.line, error.column)
    else:
        position = (1, 1)
        assert json5.loads(text.removeprefix("\ufeff")) == value
    assert min(position) >= 1


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: "/".join(path.parts[-2:]))
def test_generated_files_read_the_same_elsewhere(path: Path) -> None:
    """Another reader finds the same values in what is generated."""
    assert plain(parse(path.read_bytes()).root) == json5.loads(path.read_text())


def test_spans() -> None:
    """Offsets count characters, and each span is exactly the key or the value."""
    document = parse('{ "ä": [1, /* n */ "b"], }'.encode())
    elements = Array(7, 23, (Scalar(8, 9, 1), Scalar(19, 22, "b")))
    assert document.root == Object(0, 26, (Member("ä", 2, 5, elements),))


def test_nodes_cannot_be_changed() -> None:
    """What was read stays what it was."""
    with pytest.raises(AttributeError):
        parse(b"1").root.start = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0.5e+3", -500.0),
        ('"\\u00e9\\n\\/"', "é\n/"),
        ("\ufeff{}", {}),
        ("// only\r\n[\r\n]\r\n// a note", []),
        ('{"a": {"b": [true, false, null,],},}', {"a": {"b": [True, False, None]}}),
        ('{"": "", "__proto__": "//"}', {"": "", "__proto__": "//"}),
        ("/**/1/***/", 1),
        ("1e999", float("inf")),
        ("1" + "0" * 9999, float("inf")),
    ],
)
def test_examples(text: str, value: Any) -> None:
    """What JSON with comments allows."""
    assert plain(parse(text.encode()).root) == value


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        (b"", 1, 1, "the file ends where a value is expected"),
        (b"\xef\xbb\xbf", 1, 1, "the file ends where a value is expected"),
        (b"// nothing\n", 2, 1, "the file ends where a value is expected"),
        (b'{"a": 1', 1, 8, "the file ends where `,` or `}` is expected"),
        (b"[1", 1, 3, "the file ends where `,` or `]` is expected"),
        (b'{\n  "a": 1\n  "b": 2\n}', 3, 3, '`,` or `}` is expected here, not "\\""'),
        (b"[1 2]", 1, 4, '`,` or `]` is expected here, not "2"'),
        (b"[,]", 1, 2, 'a value is expected here, not ","'),
        (b"[1,,]", 1, 4, 'a value is expected here, not ","'),
        (b"{,}", 1, 2, 'a key in double quotes or `}` is expected here, not ","'),
        (b"{a: 1}", 1, 2, 'a key in double quotes or `}` is expected here, not "a"'),
        (b"{'a': 1}", 1, 2, 'a key in double quotes or `}` is expected here, not "\'"'),
        (b'{"a" 1}', 1, 6, '`:` is expected here, not "1"'),
        (b'{"a": }', 1, 7, 'a value is expected here, not "}"'),
        (b'{"a": 1}}', 1, 9, 'the end of the file is expected here, not "}"'),
        (b"1 2", 1, 3, 'the end of the file is expected here, not "2"'),
        (b"01", 1, 2, 'the end of the file is expected here, not "1"'),
        (b"[+1]", 1, 2, 'a value is expected here, not "+"'),
        (b"[.5]", 1, 2, 'a value is expected here, not "."'),
        (b"[1.]", 1, 3, '`,` or `]` is expected here, not "."'),
        (b"[NaN]", 1, 2, 'a value is expected here, not "N"'),
        (b"[True]", 1, 2, 'a value is expected here, not "T"'),
        (b"[nullx]", 1, 6, '`,` or `]` is expected here, not "x"'),
        (b"[1] /* open", 1, 5, "this comment is never closed"),
        (b"/* open", 1, 1, "this comment is never closed"),
        (b"# no\n1", 1, 1, 'a value is expected here, not "#"'),
        (b'["a\nb"]', 1, 2, "this string is not closed, or holds an escape or a character that JSON has not"),
        (
            b'["\\x41"]',
            1,
            2,
            "this string is not closed, or holds an escape or a character that JSON has not",
        ),
        (b'{"a": 1, "b": 2,\r\n "\\u0061": 3}', 2, 2, 'the key "\\u0061" appears twice in one object'),
        (b'{"x": {"a": 1, "a": 1}}', 1, 16, 'the key "a" appears twice in one object'),
        ('{\n "ä": "'.encode() + b"\xff", 2, 8, "this is not UTF-8"),
        ("{}".encode("utf-16"), 1, 1, "this is not UTF-8"),
        (b"[\xed\xa0\x80]", 1, 2, "this is not UTF-8"),
        (b"[1\x00]", 1, 3, '`,` or `]` is expected here, not "\\u0000"'),
    ],
)
def test_refusals(content: bytes, line: int, column: int, message: str) -> None:
    """What it is not says what is wrong, and where."""
    with pytest.raises(JsoncError) as caught:
        parse(content)
    assert (caught.value.line, caught.value.column, caught.value.message) == (line, column, message)
    assert str(caught.value) == f"{message} (line {line}, column {column})"


@pytest.mark.parametrize("opener", ["[", '{"a":'])
def test_nesting_has_an_end(opener: str) -> None:
    """A text that nests too deep is refused, and does not end in a RecursionError."""
    closer = "]" if opener == "[" else "}"
    parse((opener * DEEPEST + "1" + closer * DEEPEST).encode())
    with pytest.raises(JsoncError, match=re.escape(f"nests deeper than {DEEPEST} levels")):
        parse((opener * 100_000).encode())


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["[" + " \n" * 50_000 + "x", "/*" * 50_000, "{" + "/**/ " * 50_000, '"' * 50_001]
)
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    """No text makes the reader try every way to read its blanks and comments."""
    with pytest.raises(JsoncError):
        parse(text.encode())
