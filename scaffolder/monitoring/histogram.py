"""Draw how cold starts and warm answers are distributed: in characters for a terminal, and as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WARM = "warm answers"

EIGHTHS = " ▏▎▍▌▋▊▉█"

BINS = 16
NARROWEST = 56
"""Columns; a terminal that is narrower wraps the lines."""

# Bins end where people would end them: so many to a power of ten.
STEPS: dict[int, Sequence[float]] = {
    3: (1, 2, 5),
    6: (1, 1.5, 2, 3, 5, 7),
    12: (1, 1.2, 1.5, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8),
    24: (1, *(1 + step / 10 for step in range(1, 10)), 2, 2.2, 2.4, 2.6, 2.8, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
}


@dataclass(frozen=True, slots=True)
class Bin:
    """An interval of latencies, in milliseconds, without its upper end; and how many lie in it."""

    start: float
    end: float
    cold: int
    warm: int


def bins(cold: Sequence[float], warm: Sequence[float], most: int = BINS) -> tuple[Bin, ...]:
    """Count latencies in intervals that grow with them, at most so many, from the lowest to the highest."""
    values = [*cold, *warm]
    if not values:
        return ()
    low, high = max(min(values), 0.001), max(*values, 0.001)
    edges = next(
        (
            found
            for number in sorted(STEPS, reverse=True)
            if len(found := _edges(low, high, STEPS[number])) <= most + 1
        ),
        [],
    )
    if not edges:
        # Over so many powers of ten, a bin holds several.
        powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 2)
        width = math.ceil((len(powers) - 1) / most)
        edges = [10.0**power for power in range(powers[0], powers[-1] + width, width)]
    return tuple(
        Bin(start, end, _count(cold, start, end, edges), _count(warm, start, end, edges))
        for start, end in pairwise(edges)
    )


def terminal(
    cold: Sequence[float],
    warm: Sequence[float],
    *,
    width: int = 80,
    ascii_only: bool = False,
    other: str = WARM,
) -> list[str]:
    """Draw both in lines of at most `width` columns: a bin each, cold starts left, the others right."""
    found = bins(cold, warm)
    if not found:
        return []
    labels = [f"{_number(each.start)} - {_number(each.end)} ms" for each in found]
    label = max(map(len, labels))
    counts = [len(str(max(getattr(each, kind) for each in found))) for kind in ("cold", "warm")]
    # Label, two bars, and a count behind each, with two columns between.
    room = (max(width, NARROWEST) - label - sum(counts) - 6) // 2
    room = max(room, 4)
    most = max(max(each.cold, each.warm) for each in found)
    head = f"{'':{label}}  {'cold starts':{room + 1 + counts[0]}}  {other}"
    lines = [head[: max(width, NARROWEST)].rstrip()]
    for each, text in zip(found, labels, strict=True):
        halves = [
            f"{_bar(number, most, room, ascii_only=ascii_only):{room}} {number or '':>{digits}}"
            for number, digits in ((each.cold, counts[0]), (each.warm, counts[1]))
        ]
        lines.append(f"{text:>{label}}  {halves[0]}  {halves[1]}".rstrip())
    return lines


WIDTH, ROW, TOP, LEFT, COUNTS = 720, 28, 84, 150, 60

# Where a bar begins in its row, and how high it is: alone, and where both kinds are in it.
ALONE, ABOVE, BELOW = (6, 16), (3, 10), (15, 10)

CHARACTER = 8
"""Units that a character of a label takes at most; what draws the letters is not known here."""

TITLE = 66
"""Characters of a title that fit."""

STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1b1b1b }
    .title { font-size: 16px; font-weight: 600 } .small { font-size: 10px }
    .cold { fill: #0b57a4 } .warm { fill: url(#warm) } .line { stroke: #767676 }
    .paper { fill: #fff } .stripe { stroke: #b45309 } .ground { fill: #fde9cf }
    @media (prefers-color-scheme: dark) {
      text { fill: #f2f2f2 } .paper { fill: #161616 }
      .cold { fill: #7ab8ff } .stripe { stroke: #ffb454 } .ground { fill: #3a2a12 }
    }
"""


def svg(
    cold: Sequence[float], warm: Sequence[float], *, title: str, description: str, other: str = WARM
) -> str:
    """Draw both as an SVG document that needs nothing else, and that a screen reader can read.

    Cold starts are solid and warm answers hatched, so that nobody has to tell two colours apart.
    """
    found = bins(cold, warm)
    most = max((max(each.cold, each.warm) for each in found), default=1)
    height = TOP + ROW * max(len(found), 1) + 16
    labels = [f"{_number(each.start)} to {_number(each.end)} ms" for each in found]
    left = max([LEFT, *(10 + CHARACTER * len(label) for label in labels)])
    heading = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
    rows = []
    if not found:
        rows.append(f'  <text x="16" y="{TOP + 16}">Nothing was measured.</text>')
    for index, (each, label) in enumerate(zip(found, labels, strict=True)):
        y = TOP + ROW * index
        both = each.cold and each.warm
        rows.append(f'  <g role="listitem" aria-label="{_said(label, each)}">')
        rows.append(f'    <text x="{left - 10}" y="{y + 19}" text-anchor="end">{label}</text>')
        for kind, number, place in (("cold", each.cold, ABOVE), ("warm", each.warm, BELOW)):
            if number:
                shift, high = place if both else ALONE
                long = round((WIDTH - left - COUNTS) * number / most, 1)
                rows.append(
                    f'    <rect class="{kind}" x="{left}" y="{y + shift}" width="{long:g}" height="{high}">'
                    f"<title>{number} {kind}, {label}</title></rect>"
                )
                base = f'x="{left + long + 6:g}" y="{y + shift + high / 2 + 4:g}"'
                rows.append(f'    <text {base} class="small">{number}</text>')
        rows.append("  </g>")
    body = "\n".join(rows)
    axis = (
        f'  <line class="line" x1="{left}" x2="{left}" y1="{TOP - 6}" y2="{height - 10}"/>\n' if found else ""
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" \
height="{height}" role="img" aria-labelledby="title description">
  <title id="title">{escape(title)}</title>
  <desc id="description">{escape(description)}</desc>
  <style>{STYLE}  </style>
  <defs>
    <pattern id="warm" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect class="ground" width="6" height="6"/><line class="stripe" y2="6" stroke-width="4"/>
    </pattern>
  </defs>
  <rect class="paper" width="{WIDTH}" height="{height}"/>
  <text class="title" x="16" y="28">{escape(heading)}</text>
  <rect class="cold" x="16" y="44" width="12" height="12"/>
  <text x="34" y="55">cold starts ({len(cold)})</text>
  <rect class="warm" x="180" y="44" width="12" height="12"/>
  <text x="198" y="55">{escape(other)} ({len(warm)})</text>
{axis}  <g role="list">
{body}
  </g>
</svg>
"""


def _said(label: str, each: Bin) -> str:
    return f"{label}: {each.cold} cold, {each.warm} warm"


def _edges(low: float, high: float, steps: Sequence[float]) -> list[float]:
    """Give the ends of the bins that cover an interval, of those that a power of ten is divided into."""
    first, last = math.floor(math.log10(low)) - 1, math.floor(math.log10(high)) + 1
    ends = [float(f"{step}e{power}") for power in range(first, last + 1) for step in steps]
    start = max(index for index, end in enumerate(ends) if end <= low)
    stop = min(index for index, end in enumerate(ends) if end > high)
    return ends[start : stop + 1]


def _count(values: Sequence[float], start: float, end: float, edges: Sequence[float]) -> int:
    # What is below the first end, as a zero would be, is counted with the first bin.
    return sum((start <= value or start == edges[0]) and value < end for value in values)


def _bar(number: int, most: int, room: int, *, ascii_only: bool) -> str:
    """Draw a bar; what is not nothing is never drawn as nothing."""
    if not number:
        return ""
    eighths = max(1, round(number / most * room * 8))
    if ascii_only:
        return "#" * max(1, eighths // 8)
    return (EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def _number(value: float) -> str:
    """Write a latency without more digits than its bin has."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"  # noqa: PLR2004 - from ten on the ends are whole
