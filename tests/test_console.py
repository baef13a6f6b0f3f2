"""What all commands print alike."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder import console


def test_a_table_lines_up() -> None:
    """Each column is as wide as its widest cell, and no line ends in spaces."""
    rows = [("deno", "1 ms", ""), ("b", "100 ms", "x")]
    assert console.table(("name", "p95", ""), rows) == "name  p95\ndeno  1 ms\nb     100 ms  x"
    assert console.table(("name", "p95"), [row[:2] for row in rows], right=True) == (
        "name     p95\ndeno    1 ms\n   b  100 ms"
    )
    assert console.table(("name",), []) == "name"


@given(st.text(st.characters(exclude_categories=())))
def test_escaped_json_is_the_same_value(text: str) -> None:
    """Nothing in it steers a terminal."""
    for indent in (None, 2):
        printed = console.escaped(json.dumps({text: [text]}, ensure_ascii=False, indent=indent))
        assert all(char.isprintable() or char == "\n" for char in printed)
        assert json.loads(printed) == json.loads(json.dumps({text: [text]}))


def test_the_object_of_a_command_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a command could not work."""
    console.failed("x", "\x9b2J \u202e", as_json=True)
    assert '"error": "\\u009b2J \\u202e"' in capsys.readouterr().out
