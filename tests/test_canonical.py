"""Canonical JSON and its hash, against another implementation of RFC 8785 and against ECMAScript itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from macros import call

if TYPE_CHECKING:
    from pathlib import Path

    from toolchain import Toolchain

# How long an example takes says nothing on a busy machine.
UNHURRIED = settings(deadline=None)

canonical = partial(call, "canonical", "canonical")
sha256 = partial(call, "canonical", "sha256")

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1)
# Keys that Python and UTF-16 sort differently: the last of the basic plane beside the first above it.
keys = st.text() | st.text(
    st.sampled_from("a~\u007f\u0080\ud7ff\ue000\uffff\U00010000\U0010ffff"), max_size=4
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=30,
)

# What a fast path could get wrong: floats, exponents, digits inside strings, keys above U+D7FF.
HOSTILE: list[Any] = [
    *(1.0, -0.0, 0.5, 1e-7, 1e21, 123456789012345680000.0, 5e-324, 0.000001, 1e16, 2**53 - 1, -(2**53) + 1),
    *("", "1.5", "[1.0]", ':1e5,"x":1.0', "\ue000", "\U0001f600", '\u2028\u0000\x7f\x85\ufeff"\\/'),
    *([], {}, [[]], [{}], None, True, False, [1.0], {"a": 1.0}, [[1, 1.0]], {"a": [True, 1e2]}),
    {"\U00010000": 1, "\ue000": 2, "": 3, "a": 4, "aa": 5, "A": 6, "\u007f": 7, "\ud7ff": 8},
    {"items": 1, "keys": 2, "values": 3, "get": 4, "__proto__": 5, "encode": {"b": 1.5, "a": 2}},
    {"10": 1, "9": 2, "1": 3, "-1": 4},
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_are_canonical(value: Any) -> None:
    """Both paths through the macro give what RFC 8785 asks for."""
    expected = rfc8785.dumps(value).decode()
    assert canonical(value) == expected
    # a float beside the value forces the exact path
    assert canonical([0.5, value]) == f"[0.5,{expected}]"


@UNHURRIED
@given(values)
def test_any_value_is_canonical(value: Any) -> None:
    """No value differs from what another implementation of RFC 8785 makes of it."""
    assert canonical(value) == rfc8785.dumps(value).decode()


@UNHURRIED
@given(values)
def test_the_hash_is_that_of_the_canonical_text(value: Any) -> None:
    """The hash is SHA-256 of the UTF-8 bytes, in lower-case hexadecimal."""
    assert sha256(value) == f"sha256:{hashlib.sha256(rfc8785.dumps(value)).hexdigest()}"


def test_the_order_of_keys_does_not_count() -> None:
    """Two manifests that differ in the order of their keys have one hash, and a list's order counts."""
    assert sha256({"a": 1, "b": [1, 2]}) == sha256({"b": [1, 2], "a": 1})
    assert sha256([1, 2]) != sha256([2, 1])
    assert sha256([]) == "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


@pytest.mark.slow
def test_node_hashes_the_same_text(toolchain: Toolchain, tmp_path: Path) -> None:
    """ECMAScript's own order of keys and way of printing give the same text."""
    (tmp_path / "sort.mjs").write_text(
        """
import { readFileSync, writeFileSync } from "node:fs";
const sort = (value) =>
  Array.isArray(value) ? `[${value.map(sort).join()}]`
  : value !== null && typeof value === "object"
    ? `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${sort(value[key])}`).join()}}`
    : JSON.stringify(value);
const values = JSON.parse(readFileSync("in.json", "utf8"));
writeFileSync("out.json", JSON.stringify(values.map(sort)));
"""
    )

    @settings(max_examples=30, deadline=None)
    @given(st.lists(values, max_size=30))
    def check(drawn: list[Any]) -> None:
        sample = [*drawn, *HOSTILE]
        (tmp_path / "in.json").write_text(json.dumps(sample))
        node = str(toolchain.node)
        subprocess.run([node, "sort.mjs"], cwd=tmp_path, env=dict(toolchain.env), check=True)
        printed = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
        assert printed == [canonical(value) for value in sample]

    check()
