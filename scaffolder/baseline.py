"""The baseline: what was generated last time, kept in the project.

It needs no version control, and reads well in a diff of one: a line of a file is a line of it.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any, TypeVar

from scaffolder.diagnostics import UserError
from scaffolder.disk import is_inside

T = TypeVar("T")

FORMAT = 1

MANIFEST = "mcp.yaml"
FOLDER = ".mcp-scaffold"
"""What nobody but the program has any business in."""
BASELINE = f"{FOLDER}/baseline.json"
SNAPSHOT = f"{FOLDER}/manifest.jsonl"
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
    """SHA-256 of the files that became the user's, as they were written; nothing for one that was there."""
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

    def as_before(self, old: "Baseline", paths: Collection[str]) -> "Baseline":
        """Say of files what an older baseline says of them."""

        def mixed(new: Mapping[str, T], old: Mapping[str, T]) -> dict[str, T]:
            rest = {path: value for path, value in new.items() if path not in paths}
            return rest | {path: old[path] for path in paths if path in old}

        return Baseline(
            self.generator,
            mixed(self.files, old.files),
            mixed(self.written_once, old.written_once),
            mixed(self.conflicts, old.conflicts),
            mixed(self.recalls, old.recalls),
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
            # The user's files may hold anything; the baseline is UTF-8.
            path: [recall.generated, recall.merged, b64encode(recall.content).decode()]
            for path, recall in sorted(baseline.recalls.items())
        },
    }
    # A separator with a line break is all the layout that a diff needs, and the C encoder can do it.
    return json.dumps(document, ensure_ascii=False, separators=(",\n", ": ")).encode() + b"\n"


def load(content: bytes) -> Baseline:
    """Read a baseline, which may have come with a project from anywhere.

    Raises UserError when it is damaged, or made by a version that this one does not know.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        if document["format"] != FORMAT:
            raise UserError(
                f"{BASELINE} has the format {document['format']}, and this version reads {FORMAT}",
                help=[f"this project was made by mcp-scaffold {document['generator']}: install that"],
            )
        baseline = Baseline(
            _text(document["generator"]),
            {_path(path): "\n".join(lines).encode() for path, lines in document["files"].items()},
            {_path(path): _text(sha) for path, sha in document["written_once"].items()},
            {
                _path(path): Beside(_path(beside), _text(sha))
                for path, (beside, sha) in document["conflicts"].items()
            },
            {
                _path(path): Recall(_text(generated), _text(merged), b64decode(_text(mine)))
                for path, (generated, merged, mine) in document["recalls"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{BASELINE} cannot be read: {error}",
            help=["delete it: what differs from what is generated then counts as yours"],
        ) from error
    return baseline


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - it is a file that is wrong, not a call
    return value


def _path(value: object) -> str:
    if not is_inside(_text(value)):
        raise ValueError(f"{value!r} is no path of a project")
    return str(value)


def remembered(snapshot: bytes) -> tuple[str | None, dict[str, Any]]:
    """Read the snapshot: the version of the templates, and the manifest.

    Raises ValueError when it is not one.
    """
    manifest: dict[str, Any] = {"tools": []}
    try:
        for line in snapshot.splitlines():
            entry = dict(json.loads(line).items())
            if "tool" in entry:
                manifest["tools"].append({"name": _text(entry["tool"]["name"]), **entry["tool"]})
            else:
                manifest.update(entry)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{SNAPSHOT} is no snapshot: {error}") from error
    generator = manifest.pop("generator", None)
    return generator, manifest
