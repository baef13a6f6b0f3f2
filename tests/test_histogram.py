"""A histogram shows every sample once, fits the terminal, and can be read without colours or eyes."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.monitoring.histogram import BINS, NARROWEST, bins, svg, terminal

SPACE = "{http://www.w3.org/2000/svg}"

latencies = st.lists(st.floats(0, 1e6), max_size=40)


@given(latencies, latencies)
def test_every_sample_is_in_one_bin(cold: list[float], warm: list[float]) -> None:
    """The bins adjoin each other, are few, and hold all that was measured."""
    found = bins(cold, warm)
    assert sum(each.cold for each in found) == len(cold)
    assert sum(each.warm for each in found) == len(warm)
    assert len(found) <= BINS
    assert all(a.end == b.start and a.start < a.end for a, b in pairwise(found))


@given(latencies, latencies, st.integers(10, 300), st.booleans())
def test_it_fits_the_terminal(
    cold: list[float],
    warm: list[float],
    width: int,
    ascii_only: bool,  # noqa: FBT001 -- drawn
) -> None:
    """No line is wider than the terminal, if that is not narrower than anybody's; and all counts are said."""
    lines = terminal(cold, warm, width=width, ascii_only=ascii_only)
    assert all(len(line) <= max(width, NARROWEST) for line in lines)
    assert bool(lines) == bool(cold or warm)
    assert not ascii_only or all(line.isascii() for line in lines)
    numbers = sum(int(number) for line in lines for number in re.findall(r"[█▏▎▍▌▋▊▉#]\s+(\d+)", line))
    assert numbers == len(cold) + len(warm)


def test_a_drawing() -> None:
    """The longest bar takes the room there is, and a single sample is not lost beside hundreds."""
    lines = terminal([400.0], [20.0] * 300 + [210.0] * 150, width=70)
    assert [line for line in lines if not line.endswith("ms")] == [
        "              cold starts                 warm answers",
        "  20 - 25 ms                              ████████████████████████ 300",
        "200 - 250 ms                              ████████████             150",
        "400 - 500 ms  ▏                        1",
    ]
    assert len(lines) == 17


@given(latencies, latencies, st.text(), st.text())
def test_it_is_svg_that_needs_nothing_else(
    cold: list[float], warm: list[float], title: str, description: str
) -> None:
    """Well-formed whatever its title says, with a bar for each count, and nothing is fetched."""
    title = "".join(char for char in title if char.isprintable())
    description = "".join(char for char in description if char.isprintable())
    text = svg(cold, warm, title=title, description=description)
    root = ET.fromstring(text)
    bars = [each for each in root.iter(f"{SPACE}rect") if each.find(f"{SPACE}title") is not None]
    said = [re.match(r"(\d+) (cold|warm), ", str(each.findtext(f"{SPACE}title"))) for each in bars]
    counted = {"cold": 0, "warm": 0}
    for match in said:
        assert match
        counted[match[2]] += int(match[1])
    assert counted == {"cold": len(cold), "warm": len(warm)}
    assert not re.search(r"href|@import|@font-face|<script|<image", text.split("</desc>")[1])
    assert "http" not in text.split("</desc>")[1].replace("http://www.w3.org", "")


@given(latencies, latencies, st.text(max_size=200))
def test_nothing_lies_on_anything_else(cold: list[float], warm: list[float], title: str) -> None:
    """Bars, counts and labels stay within the paper and in rows of their own, however long they are."""
    title = "".join(char for char in title if char.isprintable())
    root = ET.fromstring(svg(cold, warm, title=title, description=""))
    width, height = (float(root.get(name, "")) for name in ("width", "height"))
    taken: list[tuple[float, float]] = []
    for row in root.findall(f"{SPACE}g/{SPACE}g"):
        label, *marks = row
        assert float(label.get("x", "")) - 8 * len(label.text or "") >= 0
        for bar, number in zip(marks[::2], marks[1::2], strict=True):
            top, left = float(bar.get("y", "")), float(bar.get("x", ""))
            taken.append((top, top + float(bar.get("height", ""))))
            assert left > float(label.get("x", ""))
            end = left + float(bar.get("width", ""))
            assert end < float(number.get("x", ""))
            assert float(number.get("x", "")) + 7 * len(number.text or "") <= width
            # A digit is 8 units high, and no higher than its bar.
            assert taken[-1][0] <= float(number.get("y", "")) - 8 < float(number.get("y", "")) <= taken[-1][1]
    assert all(a[1] < b[0] for a, b in pairwise(taken))
    assert all(end < height for _, end in taken)
    (shown,) = [each.text for each in root.iter(f"{SPACE}text") if each.get("class") == "title"]
    assert len(shown or "") <= 66


def test_a_bar_that_is_alone_stands_beside_its_label() -> None:
    """And takes the room of both."""
    root = ET.fromstring(svg([300.0, 20.0], [20.0], title="t", description="d"))
    both, *_, alone = root.findall(f"{SPACE}g/{SPACE}g")
    assert [bar.get("height") for bar in both.findall(f"{SPACE}rect")] == ["10", "10"]
    (bar,) = alone.findall(f"{SPACE}rect")
    label = alone.findall(f"{SPACE}text")[0]
    middle = float(bar.get("y", "")) + float(bar.get("height", "")) / 2
    assert middle == pytest.approx(float(label.get("y", "")) - 5, abs=1)
    assert bar.get("height") == "16"


def test_nothing_measured_is_said() -> None:
    """An empty drawing is a sentence."""
    assert "Nothing was measured." in svg([], [], title="t", description="d")


def test_it_can_be_read_to_somebody() -> None:
    """It has a name and a description, every row is in words, and the bars differ in more than colour."""
    root = ET.fromstring(svg([300.0, 310.0], [20.0], title="Cold & warm", description="p95 < 1 s"))
    assert root.get("role") == "img"
    names = {each.get("id"): each.text for each in root if each.get("id")}
    assert [names[name] for name in str(root.get("aria-labelledby")).split()] == ["Cold & warm", "p95 < 1 s"]
    rows = [each.get("aria-label") for each in root.iter(f"{SPACE}g") if each.get("aria-label")]
    assert rows[0] is not None
    assert rows[0].endswith("ms: 0 cold, 1 warm")
    assert rows[-1] is not None
    assert rows[-1].endswith("ms: 2 cold, 0 warm")
    assert root.find(f"{SPACE}defs/{SPACE}pattern") is not None


@pytest.mark.parametrize("value", [0.0, 0.0001, 1e-9, 9.999999, 10.0, 999_999.0])
def test_a_single_sample_is_drawn(value: float) -> None:
    """Also one that is next to nothing, or at the end of a bin."""
    (drawn,) = bins([value], [])
    assert drawn.cold == 1
    assert len(terminal([value], [], width=80)) == 2
