"""Merge a text line by line, three ways: generated before, edited by the user, generated now."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from scaffolder.merging.hunks import Region, aligned, hunks, regions
from scaffolder.merging.lines import Layout, detect, split
from scaffolder.merging.three_way import Conflict, Merge


def merge_lines(base: bytes, mine: bytes, theirs: bytes, *, union: bool = False) -> Merge:
    """Merge two changes of one text; with `union`, a text that is a set of lines and has no conflicts.

    Changes of both sides that touch are a conflict, unless they are equal. Where there is one, either
    side comes back as it is. Everything comes back in the layout of the user's file.
    """
    if theirs in (base, mine):
        return Merge(mine, mine)
    if mine == base:
        return Merge(theirs, theirs)
    before, written = split(base), split(mine)
    layout = detect(before, written)
    ours, fresh = layout.normalised(written), split(theirs)
    merged: list[bytes] = []
    conflicts = []
    done = 0
    for region in regions(hunks(before, ours), hunks(before, fresh)):
        merged += written[done : region.mine.start]
        kept, generated = written[region.mine], [layout.apply(line) for line in fresh[region.theirs]]
        done = region.mine.stop
        if region.sides == {"theirs"}:
            merged += generated
        elif region.sides == {"mine"} or ours[region.mine] == fresh[region.theirs]:
            merged += kept
        elif union:
            merged += _union([layout.apply(line) for line in before[region.lo : region.hi]], kept, generated)
        else:
            conflicts.append(Conflict(_place(region, len(written)), _text(kept), _text(generated)))
    if conflicts:
        return Merge(mine, _joined([layout.apply(line) for line in fresh], layout), tuple(conflicts))
    content = _joined([*merged, *written[done:]], layout)
    return Merge(content, content)


def same(base: bytes, mine: bytes) -> bool:
    """Tell whether a text is what was generated, apart from its layout."""
    before, written = split(base), split(mine)
    return detect(before, written).normalised(written) == before


def overlay(base: bytes, mine: bytes, theirs: bytes) -> bytes:
    """Make the changes from `base` to `theirs` in a text that is `base` in another layout.

    Lines that differ in blanks are equal; changes that touch are both made; where they overlap, theirs is.
    """
    before, written, fresh = split(base), split(mine), split(theirs)
    layout = hunks(_bare(before), _bare(written))
    merged: list[bytes] = []
    done = 0
    for region in regions(layout, hunks(before, fresh), touching=False):
        merged += written[done : region.mine.start]
        if region.lo == region.hi or "theirs" not in region.sides:
            merged += written[region.mine]
        if "theirs" in region.sides:
            merged += fresh[region.theirs]
        done = region.mine.stop
    return _joined([*merged, *written[done:]], Layout())


def _bare(lines: Sequence[bytes]) -> list[bytes]:
    return [b"".join(line.split()) for line in lines]


def _union(base: Sequence[bytes], mine: Sequence[bytes], theirs: Sequence[bytes]) -> list[bytes]:
    """Resolve a conflict as an ordered set: the user's lines, less the removed, and the added in place."""
    was, kept, now = ([line.rstrip(b"\r\n") for line in side] for side in (base, mine, theirs))
    counts, wanted = Counter(kept), _wanted(Counter(was), Counter(kept), Counter(now))
    still, known = aligned(was, now), aligned(kept, was)
    removed = {index for index, at in known.items() if at not in still}
    dropped = _choose(kept, counts - wanted, removed)
    added = _choose(now, wanted - counts, set(range(len(now))) - set(still.values()))
    places = {at: index for index, at in aligned(kept, now).items() if index not in dropped}
    # What replaces a line takes its place, so that going back finds it there.
    spots = {at: index for index, at in known.items()}
    replaced = {
        hunk.start: spots[at]
        for hunk in hunks(was, now)
        for at in range(hunk.lo, hunk.hi)[::-1]
        if at in spots
    }
    after: dict[int, list[bytes]] = {}
    place = -1
    for index, line in enumerate(now):
        place = replaced.get(index, place)
        if index in added:
            after.setdefault(place, []).append(theirs[index])
        elif index in places or (counts[line] == 1 and line in wanted):
            place = places[index] if index in places else kept.index(line)
    merged = after.get(-1, [])
    for index, line in enumerate(mine):
        merged += [*([] if index in dropped else [line]), *after.get(index, [])]
    return merged


def _wanted(base: Counter[bytes], mine: Counter[bytes], theirs: Counter[bytes]) -> Counter[bytes]:
    """Count how often each line is to stand there; what both added or both removed counts once."""
    wanted: Counter[bytes] = Counter()
    for line in {*mine, *theirs}:
        before, kept, now = base[line], mine[line], theirs[line]
        if line and kept >= before and now >= before:
            wanted[line] = max(kept, now)
        elif line and kept <= before and now <= before:
            wanted[line] = min(kept, now)
        else:  # Changes that differ; and blank lines, which belong to their neighbours.
            wanted[line] = max(kept + now - before, 0)
    return +wanted


def _choose(lines: Sequence[bytes], counts: Counter[bytes], likely: AbstractSet[int]) -> set[int]:
    """Choose as many of equal lines as are counted, the likely ones first."""
    chosen = set()
    left = Counter(counts)
    for index in sorted(range(len(lines)), key=lambda index: (index not in likely, index)):
        if left[lines[index]] > 0:
            left[lines[index]] -= 1
            chosen.add(index)
    return chosen


def _joined(lines: Sequence[bytes], layout: Layout) -> bytes:
    """Join lines, so that only the last of them may lack its end."""
    whole = b"".join(line if line.endswith(b"\n") else line + layout.newline for line in lines[:-1])
    last = lines[-1] if lines else b""
    return whole + (last if layout.final else last.removesuffix(layout.newline) or last)


def _place(region: Region, length: int) -> str:
    first, last = min(region.mine.start + 1, max(length, 1)), region.mine.stop
    return f"lines {first}-{last}" if last > first else f"line {first}"


def _text(lines: Sequence[bytes]) -> str | None:
    return b"".join(lines).decode(errors="replace") if lines else None
