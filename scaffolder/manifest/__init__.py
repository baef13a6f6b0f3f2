"""Reading `mcp.yaml`: the manifest that it is, or everything that is wrong with it and where."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scaffolder.diagnostics import Diagnostic, Span
from scaffolder.manifest import syntax
from scaffolder.manifest.explain import explain
from scaffolder.manifest.faults import validate
from scaffolder.manifest.model import Manifest
from scaffolder.manifest.positions import Document, read
from scaffolder.manifest.schema import schema

__all__ = ["Invalid", "Loaded", "Manifest", "load", "parse", "schema"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid manifest: the document that was written, and what it says with types."""

    document: Document
    manifest: Manifest

    @property
    def raw(self) -> dict[str, Any]:
        """What was written as data, which is what is rendered."""
        data: dict[str, Any] = self.document.data
        return data


@dataclass(frozen=True, slots=True)
class Invalid:
    """Everything that is wrong, in the order of the file."""

    diagnostics: tuple[Diagnostic, ...]
    readable: bool = True
    """False when there was no file to judge, so that the command could not work."""


def load(path: Path) -> Loaded | Invalid:
    """Read a manifest from a file."""
    file = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"{file} is not UTF-8: byte {error.object[error.start]:#04x} on line {line}"
        return _invalid("not-utf-8", message, Span(file, line), "save it as UTF-8 in your editor")
    except FileNotFoundError:
        return _invalid("no-manifest", f"{file} does not exist", None, _elsewhere(path), readable=False)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return _invalid("unreadable-manifest", f"{file} cannot be read: {reason}", None, readable=False)
    return parse(text, file)


def _elsewhere(path: Path) -> str | None:
    """Say where a manifest is that may have been meant, or what makes one."""
    near = [path.with_name(name) for name in ("mcp.yaml", "mcp.yml")]
    above = [folder / "mcp.yaml" for folder in path.absolute().parents[1:4]]
    found = next((other for other in [*near, *above] if other.is_file()), None)
    if found:
        return f"there is {found}"
    return "`mcp-scaffold new` makes a project" if path.name == "mcp.yaml" else None


def parse(text: str, file: str = "mcp.yaml") -> Loaded | Invalid:
    """Read a manifest from a text; `file` is what messages call it."""
    try:
        document = read(file, text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return Invalid((syntax.explain(file, text, error),))
    surprises = list(syntax.surprises(document)) if document.suspicious else []
    if any(surprise.code == "recursive-alias" for surprise in surprises):
        return Invalid(tuple(surprises))
    if not isinstance(document.data, dict):
        return _not_a_mapping(document)
    manifest, faults = validate(document.data)
    if manifest and not surprises:
        return Loaded(document, manifest)
    odd = list(syntax.odd_keys(document)) if faults else []
    found = {*surprises, *odd, *explain(document, schema(), faults)}
    return Invalid(tuple(sorted(found, key=_order)))


def _not_a_mapping(document: Document) -> Invalid:
    if document.data is None:
        message = f"{document.file} is empty"
        advice = "a manifest needs at least `name`, `targets` and `tools`"
        return _invalid("empty-manifest", message, Span(document.file), advice)
    span = document.between(document.root.start_mark.line, 0) if document.root else None
    what = "a list" if isinstance(document.data, list) else "a single value"
    return _invalid(
        "not-a-mapping",
        f"a manifest is a mapping of keys, found {what}",
        span,
        "start with `name: my-server`",
    )


def _invalid(
    code: str, message: str, span: Span | None, advice: str | None = None, *, readable: bool = True
) -> Invalid:
    return Invalid((Diagnostic(code, message, span, None, advice),), readable)


def _order(diagnostic: Diagnostic) -> tuple[int, int, str, str]:
    span = diagnostic.span
    return (span.line, span.column, diagnostic.code, diagnostic.message) if span else (0, 0, "", "")
