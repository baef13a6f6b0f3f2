"""A plan while it is being made: the changes and writes so far, and the baseline that they will leave."""

from dataclasses import dataclass, field

from scaffolder.baseline import Baseline, Beside, Recall, digest
from scaffolder.disk import Disk, File
from scaffolder.merging.three_way import Merge
from scaffolder.plan import Change, Delete, Operation, Plan, Verb, Write

_BESIDE = ".mcp-new"


@dataclass(slots=True)
class Draft:
    """What is decided of a project's files, path by path."""

    disk: Disk
    old: Baseline
    settled: set[str] = field(default_factory=set)
    """Paths that nothing else has to be decided of."""
    changes: list[Change] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    pending: dict[str, bytes | None] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, Beside] = field(default_factory=dict)
    recalls: dict[str, Recall] = field(default_factory=dict)

    def write(self, change: Change, mine: File | None = None) -> None:
        """Write what a change says to where `mine` is."""
        self.changes.append(change)
        if change.after is not None and change.after != change.before:
            location, mode = (mine.location, mine.mode) if mine else (change.path, None)
            before = digest(mine.content) if mine else None
            self.operations.append(Write(location, change.after, before, mode))

    def move(self, change: Change, mine: File, there: File | None = None, *, precious: bool = True) -> None:
        """Write what a change says to its path, where `there` may be, and leave `mine` to be deleted."""
        self.changes.append(change)
        before = digest(there.content) if there else None
        self.operations.append(Write(change.path, change.after or b"", before, mine.mode, precious))
        self.settled.add(change.path)

    def delete(self, path: str, mine: File, change: Change | None = None) -> None:
        """Delete a file."""
        self.operations.append(Delete(path, digest(mine.content)))
        if change:
            self.changes.append(change)

    def hold(self, path: str, base: bytes | None, mine: bytes | None, change: Change | None = None) -> None:
        """Leave a file alone, and remember it as it was generated when that was last taken over."""
        self.files.pop(path, None)
        if base is not None:
            self.files[path] = base
        self.pending[path] = mine
        if change:
            self.changes.append(change)

    def conflict(self, path: str, mine: File, merge: Merge) -> None:
        """Keep the user's side, and lay the generated one beside it."""
        beside, before = self._beside(path)
        sides = (mine.content, merge.content)
        self.write(Change(Verb.CONFLICT, path, kept_note(merge), *sides, None, beside, merge.conflicts), mine)
        self.operations.append(Write(beside, merge.theirs, before))
        self.conflicts[path] = Beside(beside, digest(merge.theirs))

    def _beside(self, path: str) -> tuple[str, str | None]:
        """Name a file that may be written: the one of an earlier conflict, or one that is not there."""
        known = self.old.conflicts.get(path)
        if known and self.untouched(known):
            return known.path, known.digest
        names = (f"{path}{_BESIDE}{number}" for number in ("", *range(2, 1000)))
        return next(name for name in names if not self.disk.exists(name)), None

    def untouched(self, beside: Beside) -> File | None:
        """Give the generated side of an earlier conflict, if it lies there as it was written."""
        there = self.disk.look(beside.path)
        return there if isinstance(there, File) and digest(there.content) == beside.digest else None

    def plan(self, generator: str) -> Plan:
        """Finish."""
        left = Baseline(generator, self.files, self.once, self.conflicts, self.recalls)
        order = {verb: rank for rank, verb in enumerate(Verb)}
        changes = sorted(self.changes, key=lambda change: (order[change.verb], change.path))
        return Plan(tuple(changes), tuple(self.operations), left, self.pending)


def kept_note(merge: Merge) -> str:
    """Say what of a merged file is no longer generated."""
    return "no longer generated, and yours: " + ", ".join(merge.kept) if merge.kept else ""


def as_written(content: bytes) -> str:
    """Return the digest of a file as it was before version control changed its line ends."""
    return digest(content.replace(b"\r\n", b"\n"))
