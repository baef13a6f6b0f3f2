"""The note of what was generated."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.baseline import Baseline, Beside, Recall, dump, load, remembered
from scaffolder.diagnostics import UserError

paths = st.sampled_from(["a", "b/c.txt", ".d/é", "f g/h"])
texts = st.text().map(str.encode)
baselines = st.builds(
    Baseline,
    st.just("0.1.0"),
    st.dictionaries(paths, texts, max_size=4),
    st.dictionaries(paths, st.just("0" * 64), max_size=2),
    st.dictionaries(paths, st.builds(Beside, paths, st.just("1" * 64)), max_size=2),
    st.dictionaries(paths, st.builds(Recall, st.just("2"), st.just("3"), st.binary()), max_size=2),
)


@given(baselines)
def test_what_is_noted_is_read_again(baseline: Baseline) -> None:
    """Every byte, whatever the user's files hold."""
    assert load(dump(baseline)) == baseline


def test_a_changed_line_is_a_changed_line() -> None:
    """A diff of two baselines shows what a diff of the files would."""
    one = dump(Baseline("1", {"a": b"x\ny\nz\n", "b": b""})).splitlines()
    other = dump(Baseline("1", {"a": b"x\nY\nz\n", "b": b""})).splitlines()
    assert [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]] == [(b'"y",', b'"Y",')]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"<<<<<<< HEAD\n{}\n=======\n", b'{"format": 1, "files": 3}', b"\xff"]
)
def test_a_damaged_baseline_is_an_error_with_a_way_out(content: bytes) -> None:
    """Whatever is in it."""
    with pytest.raises(UserError, match=r"baseline\.json cannot be read") as caught:
        load(content)
    assert "delete it" in caught.value.help[0]


GOOD = {
    "format": 1,
    "generator": "0.1.0",
    "conflicts": {},
    "written_once": {},
    "files": {},
    "recalls": {},
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"generator": 1},
        {"written_once": []},
        {"written_once": {"a": None}},
        {"files": {"a": [1]}},
        {"conflicts": {"a": ["b"]}},
        {"recalls": {"a": ["x", "y", "not base64!"]}},
        {"recalls": {"a": ["x"]}},
    ],
    ids=str,
)
def test_a_baseline_of_other_types_is_damaged(wrong: dict[str, object]) -> None:
    """It may have come with a project from anywhere."""
    load(json.dumps(GOOD).encode())
    with pytest.raises(UserError, match="cannot be read"):
        load(json.dumps({**GOOD, **wrong}).encode())


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "a//b", "", ".", "a\0b"])
def test_no_path_leads_out_of_the_project(path: str) -> None:
    """Nothing outside of it is ever read, written or deleted because a baseline says so."""
    wrongs: list[dict[str, object]] = [
        {"files": {path: []}},
        {"written_once": {path: "0"}},
        {"conflicts": {"a": [path, "0"]}},
        {"recalls": {path: ["", "", ""]}},
    ]
    for wrong in wrongs:
        with pytest.raises(UserError, match=r"is no path of a project"):
            load(json.dumps({**GOOD, **wrong}).encode())


def test_a_format_of_the_future_is_not_guessed_at() -> None:
    """The version that knows it is named."""
    with pytest.raises(UserError, match="has the format 2") as caught:
        load(b'{"format": 2, "generator": "9.9.9"}')
    assert "9.9.9" in caught.value.help[0]


def test_a_snapshot_is_a_manifest() -> None:
    """Its version is told apart from what it says."""
    lines = b'{"generator": "0.1.0"}\n{"name": "a"}\n{"tool": {"name": "t"}}\n'
    assert remembered(lines) == ("0.1.0", {"name": "a", "tools": [{"name": "t"}]})
    for wrong in (b"[]\n", b'{"tool": 5}\n', b'{"tool": {}}\n', b"<<<<<<< HEAD\n"):
        with pytest.raises(ValueError, match=r"."):
            remembered(wrong)
