"""What a three-way merge comes to: a text, and the places where both sides changed the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conflict:
    """A place that both sides changed: where it is, and what each side has there; None for nothing."""

    place: str
    mine: str | None
    theirs: str | None


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged file: `mine` is the user's side, `theirs` is what was generated anew."""

    content: bytes
    """What the user gets: both sides' changes, and the user's own wherever there is a conflict."""
    theirs: bytes
    """The same with the generated side wherever there is a conflict; equal where there is none."""
    conflicts: tuple[Conflict, ...] = ()
    kept: tuple[str, ...] = ()
    """Places that are no longer generated and stay, since the user had changed them."""
