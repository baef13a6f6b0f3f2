"""The baseline: what was generated last time, kept in the project.

It needs no version control, and reads well in a diff of one: a line of a file is a line of it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from scaffolder.diagnostics import UserError

FORMAT = 1

MANIFEST = "mcp.yaml"
BASELINE = ".mcp-scaffold/baseline.json"
SNAPSHOT = ".mcp-scaffold/manifest.jsonl"
"""The manifest that the files were made from, which the templates write."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The file beside one with a conflict that holds the generated side, and its SHA-256."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Recall:
    """A merge that merging back would not undo: what was there before it, and what it made of that.

    `generated` and `merged` are SHA-256 of the file as it was generated before and of what the merge
    left on the disk.
    """

    generated: str
    merged: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was generated, path by path, and what has been going on with it since."""

    generator: str
    """The version of the templates."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Generated files, as they were generated."""
    written_once: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files that became the user's, as they were written."""
    conflicts: Mapping[str, Beside] = field(default_factory=dict)
    """The conflicts that were not resolved when last seen."""
    recalls: Mapping[str, Recall] = field(default_factory=dict)

    def without(self, paths: Collection[str]) -> "Baseline":
        """Forget files, so that they are generated as if for the first time."""
        return replace(
            self,
            files={path: content for path, content in self.files.items() if path not in paths},
            written_once={path: sha for path, sha in self.written_once.items() if path not in paths},
        )


def first(generator: str, tree: Mapping[str, bytes], written_once: Callable[[str], bool]) -> Baseline:
    """Return the baseline of a project that was just made."""
    return Baseline(
        generator,
        {path: content for path, content in tree.items() if not written_once(path)},
        {path: digest(content) for path, content in tree.items() if written_once(path) and path != MANIFEST},
    )


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def dump(baseline: Baseline) -> bytes:
    """Write a baseline as JSON with a line for each line of a file."""
    document = {
        "format": FORMAT,
        "generator": baseline.generator,
        "conflicts": {path: [*astuple(beside)] for path, beside in sorted(baseline.conflicts.items())},
        "written_once": dict(sorted(baseline.written_once.items())),
        "files": {path: content.decode().split("\n") for path, content in sorted(baseline.files.items())},
        "recalls": {
            path: [recall.generated, recall.merged, recall.content.decode(errors="surrogateescape")]
            for path, recall in sorted(baseline.recalls.items())
        },
    }
    # A separator with a line break is all the layout that a diff needs, and the C encoder can do it. What
    # is no UTF-8 stays an escape: the file itself has to be.
    text = json.dumps(document, ensure_ascii=bool(baseline.recalls), separators=(",\n", ": "))
    return text.encode() + b"\n"


def load(content: bytes) -> Baseline:
    """Read a baseline.

    Raises UserError when it is damaged, or made by a version that this one does not know.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        if document["format"] != FORMAT:
            raise UserError(
                f"{BASELINE} has the format {document['format']}, and this version reads {FORMAT}",
                help=[f"this project was made by mcp-scaffold {document['generator']}: install that"],
            )
        return Baseline(
            document["generator"],
            {path: "\n".join(lines).encode() for path, lines in document["files"].items()},
            document["written_once"],
            {path: Beside(*beside) for path, beside in document["conflicts"].items()},
            {
                path: Recall(generated, merged, text.encode(errors="surrogateescape"))
                for path, (generated, merged, text) in document["recalls"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{BASELINE} cannot be read: {error}",
            help=[
                "after a merge with conflicts, take one side of it: `git checkout --ours .mcp-scaffold`",
                "or delete it: what differs from what is generated then counts as yours",
            ],
        ) from error


def remembered(snapshot: bytes) -> tuple[str | None, dict[str, Any]]:
    """Read the snapshot: the version of the templates, and the manifest.

    Raises ValueError when it is not one.
    """
    manifest: dict[str, Any] = {"tools": []}
    for line in snapshot.splitlines():
        entry = json.loads(line)
        if not isinstance(entry, dict):
            raise ValueError("a line is no mapping")  # noqa: TRY004 - it is a file that is wrong, not a call
        if "tool" in entry:
            manifest["tools"].append(entry["tool"])
        else:
            manifest.update(entry)
    generator = manifest.pop("generator", None)
    return generator, manifest
