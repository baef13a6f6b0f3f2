"""Where two sequences differ, and where the changes of two sides to one base meet."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

MOST_EDITS = 400
"""Above this many edits the shortest script costs too much, and the lines that stand once lead the way."""

_Pairs = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Hunk:
    """A change: what stood at old[lo:hi] is new[start:end] now."""

    lo: int
    hi: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the base that one side or both changed, and what each side has for it."""

    lo: int
    hi: int
    mine: slice
    theirs: slice
    sides: frozenset[str]


def hunks(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """Compare two sequences: few changes, in order, none touching another, each as far down as it goes."""
    head = _common(old, new)
    rest = min(len(old), len(new)) - head
    tail = _common(old[len(old) - rest :][::-1], new[len(new) - rest :][::-1]) if rest else 0
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    pairs = [(head + i, head + j) for i, j in _pairs(a, b)]
    found: list[Hunk] = []
    lo, start = head, head
    for i, j in [*pairs, (len(old) - tail, len(new) - tail)]:
        if i > lo or j > start:
            found.append(Hunk(lo, i, start, j))
        lo, start = i + 1, j + 1
    return _settled(found, old, new)


def aligned(old: Sequence[Hashable], new: Sequence[Hashable]) -> dict[int, int]:
    """Tell which item of the old sequence is which of the new."""
    pairs: dict[int, int] = {}
    done = shift = 0
    for hunk in [*hunks(old, new), Hunk(len(old), len(old), len(new), len(new))]:
        pairs |= {index: index + shift for index in range(done, hunk.lo)}
        done, shift = hunk.hi, hunk.end - hunk.hi
    return pairs


def regions(mine: Sequence[Hunk], theirs: Sequence[Hunk], *, touching: bool = True) -> Iterator[Region]:
    """Join the hunks of two sides, in order; those that touch count as one, or only those that overlap."""
    pending = sorted(
        [(hunk.lo, hunk.hi, "mine", hunk) for hunk in mine]
        + [(hunk.lo, hunk.hi, "theirs", hunk) for hunk in theirs],
        key=lambda entry: entry[:3],
    )
    shifts = {"mine": 0, "theirs": 0}
    index = 0
    while index < len(pending):
        lo, hi = pending[index][:2]
        before = dict(shifts)
        sides = set()
        first = index
        while index < len(pending) and (index == first or _meets(lo, hi, pending[index], touching=touching)):
            _, end, side, hunk = pending[index]
            hi = max(hi, end)
            shifts[side] = hunk.end - hunk.hi
            sides.add(side)
            index += 1
        yield Region(
            lo,
            hi,
            slice(lo + before["mine"], hi + shifts["mine"]),
            slice(lo + before["theirs"], hi + shifts["theirs"]),
            frozenset(sides),
        )


def _meets(lo: int, hi: int, entry: tuple[int, int, str, Hunk], *, touching: bool) -> bool:
    start, end = entry[:2]
    return start < hi or (start == hi and (touching or lo == hi == end))


def _common(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Count the equal items at the beginning."""
    for count, (one, other) in enumerate(zip(a, b, strict=False)):
        if one != other:
            return count
    return min(len(a), len(b))


def _settled(found: list[Hunk], old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Hunk]:
    """Move insertions and deletions down while they say the same; one that meets another joins it.

    Which of several equal lines was inserted is a choice; the same choice every time is what lets a
    change be undone.
    """
    settled: list[Hunk] = []
    for hunk in reversed(found):
        lo, hi, start, end = hunk.lo, hunk.hi, hunk.start, hunk.end
        following = settled[-1].lo if settled else len(old)
        if lo == hi:
            while hi < following and new[start] == new[end]:
                lo, hi, start, end = lo + 1, hi + 1, start + 1, end + 1
        elif start == end:
            while hi < following and old[lo] == old[hi]:
                lo, hi, start, end = lo + 1, hi + 1, start + 1, end + 1
        if settled and hi == following:
            below = settled.pop()
            hi, end = below.hi, below.end
        settled.append(Hunk(lo, hi, start, end))
    return settled[::-1]


def _pairs(a: Sequence[Hashable], b: Sequence[Hashable]) -> _Pairs:
    """Pair the items of a longest common subsequence, or of a long one where that would take too long."""
    # What stands on one side only is in no pair; without it, the edits that are left are few.
    known_a, known_b = set(a), set(b)
    left = [i for i, item in enumerate(a) if item in known_b]
    right = [j for j, item in enumerate(b) if item in known_a]
    shared_a, shared_b = [a[i] for i in left], [b[j] for j in right]
    pairs = _shortest(shared_a, shared_b)
    if pairs is None:
        pairs = _anchored(shared_a, shared_b)
    return [(left[i], right[j]) for i, j in pairs]


def _shortest(a: Sequence[Hashable], b: Sequence[Hashable]) -> _Pairs | None:
    """Find the shortest edit script as Myers does, or nothing if it is long."""
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(len(a) + len(b), MOST_EDITS) + 1):
        reached: dict[int, int] = {}
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (
                diagonal != edits and furthest[diagonal - 1] < furthest[diagonal + 1]
            )
            x = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            y = x - diagonal
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            reached[diagonal] = x
            if x >= len(a) and y >= len(b):
                return _walk_back(trace, len(a), len(b))
        trace.append(reached)
        furthest = reached
    return None


def _walk_back(trace: list[dict[int, int]], x: int, y: int) -> _Pairs:
    pairs: _Pairs = []
    for edits in range(len(trace), 0, -1):
        reached, diagonal = trace[edits - 1], x - y
        down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
        from_x = reached[diagonal + 1] if down else reached[diagonal - 1]
        from_y = from_x - (diagonal + 1 if down else diagonal - 1)
        pairs += ((x - step, y - step) for step in range(1, min(x - from_x, y - from_y) + 1))
        x, y = from_x, from_y
    pairs += ((x - step, y - step) for step in range(1, min(x, y) + 1))
    return pairs[::-1]


def _anchored(a: Sequence[Hashable], b: Sequence[Hashable]) -> _Pairs:
    """Pair what stands once on either side, in the longest order they share, and go on in between."""
    counts_a, counts_b = Counter(a), Counter(b)
    places = {item: j for j, item in enumerate(b) if counts_b[item] == 1}
    once = [(i, places[item]) for i, item in enumerate(a) if counts_a[item] == 1 and item in places]
    pairs: _Pairs = []
    i = j = 0
    # Without an anchor the whole of it counts as changed: more to read in a conflict, never wrong.
    anchors = _longest_rising(once)
    for next_i, next_j in [*anchors, (len(a), len(b))] if anchors else []:
        pairs += ((i + x, j + y) for x, y in _pairs(a[i:next_i], b[j:next_j]))
        pairs.append((next_i, next_j))
        i, j = next_i + 1, next_j + 1
    return pairs[:-1]


def _longest_rising(points: _Pairs) -> _Pairs:
    """Choose the most points that rise in both coordinates."""
    lowest: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(points):
        length = bisect_left(lowest, j)
        before.append(last[length - 1] if length else -1)
        if length == len(lowest):
            lowest.append(j)
            last.append(index)
        else:
            lowest[length], last[length] = j, index
    chosen: _Pairs = []
    index = last[-1] if last else -1
    while index >= 0:
        chosen.append(points[index])
        index = before[index]
    return chosen[::-1]
