"""What a regeneration is going to do, as values: a change for each file, and the writes that make it so."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scaffolder.baseline import Baseline
from scaffolder.merging.three_way import Conflict


class Verb(StrEnum):
    """What happens to a file."""

    CREATED = "created"
    UPDATED = "updated"
    MERGED = "merged"
    RENAMED = "renamed"
    DELETED = "deleted"
    KEPT = "kept"
    ABSENT = "absent"
    CONFLICT = "conflict"
    UNRESOLVED = "unresolved"


TROUBLE = frozenset({Verb.CONFLICT, Verb.UNRESOLVED})
"""What a person has to look at."""

REMARKS = frozenset({Verb.KEPT, Verb.ABSENT})
"""What is only worth a word: nothing is done, and nothing has to be."""


KEYED = (".json", ".jsonc")
"""Files that are merged key by key, and not line by line."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one file; `before` and `after` are its content, None where there is none."""

    verb: Verb
    path: str
    note: str = ""
    before: bytes | None = None
    after: bytes | None = None
    source: str | None = None
    """The path that a renamed file had."""
    beside: str | None = None
    """The file that holds the generated side of a conflict."""
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """A file to be written where `before`, a SHA-256, still lies; None where nothing does."""

    path: str
    content: bytes
    before: str | None
    mode: int | None = None
    precious: bool = False
    """Whether the content is the user's own, brought from another file."""


@dataclass(frozen=True, slots=True)
class Delete:
    """A file to be deleted, if it still has this SHA-256."""

    path: str
    before: str


Operation = Write | Delete


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a regeneration does."""

    changes: tuple[Change, ...]
    operations: tuple[Operation, ...]
    baseline: Baseline
    pending: Mapping[str, bytes | None]
    """Files that were left as they are, but might not be if they change; with their content."""
