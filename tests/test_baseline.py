"""The note of what was generated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.baseline import Baseline, Beside, Recall, dump, load, remembered
from scaffolder.diagnostics import UserError

paths = st.text(min_size=1, max_size=10)
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
    """The most common damage is a merge with conflicts."""
    with pytest.raises(UserError, match=r"baseline\.json cannot be read") as caught:
        load(content)
    assert "git checkout --ours .mcp-scaffold" in caught.value.help[0]


def test_a_format_of_the_future_is_not_guessed_at() -> None:
    """The version that knows it is named."""
    with pytest.raises(UserError, match="has the format 2") as caught:
        load(b'{"format": 2, "generator": "9.9.9"}')
    assert "9.9.9" in caught.value.help[0]


def test_a_snapshot_is_a_manifest() -> None:
    """Its version is told apart from what it says."""
    lines = b'{"generator": "0.1.0"}\n{"name": "a"}\n{"tool": {"name": "t"}}\n'
    assert remembered(lines) == ("0.1.0", {"name": "a", "tools": [{"name": "t"}]})
    with pytest.raises(ValueError, match="no mapping"):
        remembered(b"[]\n")
