"""YAML as ruamel.yaml writes it: what is put into a manifest, and all of it where nothing less will do."""

import io
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString
from yaml import SafeLoader

from scaffolder.amend.parts import Kind, Part, column_of
from scaffolder.amend.splice import Path, Writer

_HEADER = "%YAML 1.1\n---"
_ENDLESS = 1 << 30


class _Resolver(VersionedResolver):
    """Take plain scalars for what PyYAML takes them for: `y` is a text, `1e3` as well."""

    @property
    def versioned_resolver(self) -> Any:
        """The patterns by the first character."""
        return SafeLoader.yaml_implicit_resolvers


def writer(text: str, root: Part | None) -> Writer:
    """Write values as they are indented elsewhere in a text."""
    mapping, offset, width = _indents(text, root)
    yaml = _yaml(mapping, offset, width)

    def block(value: Any) -> str:
        lines = _dump(yaml, _built(value, inline=False)).removesuffix("\n").split("\n")
        margin = len(lines[0]) - len(lines[0].lstrip(" "))
        return "\n".join(line[margin:] for line in lines)

    def inline(value: Any) -> str:
        return _dump(yaml, _built([value], inline=True)).strip()[1:-1]

    return Writer(block, inline, mapping, offset)


def redone(text: str, root: Part | None, edit: Callable[[Any], None]) -> tuple[str, str]:
    """Edit a text as a tree: as it would be written without the edit, and with it."""
    yaml = _yaml(*_indents(text, root))
    tree = yaml.load(text)
    end = "" if text.endswith("\n") else "\n"
    before = _dump(yaml, tree).removesuffix(end)
    edit(tree)
    return before, _dump(yaml, tree).removesuffix(end)


def changer(path: Path, value: Any, *, remove: bool) -> Callable[[Any], None]:
    """Make the edit of a tree: an entry goes, or is set, or is appended."""

    def edit(tree: Any) -> None:
        *way, last = path
        for step in way:
            tree = tree[step]
        if remove:
            del tree[last]
        elif isinstance(tree, list) and last == len(tree):
            tree.append(_built(value, inline=False))
        else:
            tree[last] = _built(value, inline=False)

    return edit


def _yaml(mapping: int, offset: int, width: int) -> YAML:
    yaml = YAML()
    yaml.Resolver = _Resolver
    yaml.version = "1.1"  # the numbers of PyYAML's version: 017 is 15
    yaml.preserve_quotes = True
    yaml.width = _ENDLESS
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=mapping, sequence=offset + width, offset=offset)
    return yaml


def _dump(yaml: YAML, value: Any) -> str:
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue().removeprefix(_HEADER)[1:]


def _built(value: Any, *, inline: bool) -> Any:
    """Make nodes of plain data, shared with nothing."""
    if isinstance(value, dict):
        mapping = CommentedMap(
            (_built(key, inline=True), _built(inner, inline=inline)) for key, inner in value.items()
        )
        if inline:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq(_built(inner, inline=inline) for inner in value)
        if inline:
            sequence.fa.set_flow_style()
        return sequence
    return _text(value, inline=inline) if isinstance(value, str) else value


def _text(value: str, *, inline: bool) -> str:
    if value.isprintable():
        return str(value)
    lines = value.removesuffix("\n").split("\n")
    legible = all(line.isprintable() and line == line.strip() for line in lines) and lines[0] and lines[-1]
    kind: type[str] = LiteralScalarString if legible and not inline else DoubleQuotedScalarString
    return kind(value)


def _indents(text: str, root: Part | None) -> tuple[int, int, int]:
    """Measure how far keys stand below keys, dashes below keys, and items behind dashes."""
    mappings: list[int] = []
    offsets: list[int] = []
    widths: list[int] = []
    pending = [root] if root else []
    for part in pending:  # grows while it is read
        for key, value in part.entries:
            if part.inline or value.inline or not value.entries:
                continue
            pending.append(value)
            inner = column_of(text, value.entries[0][0].start)
            if value.kind is Kind.SEQUENCE:
                dash = text.rfind("-", 0, value.entries[0][0].start)
                widths.append(inner - column_of(text, dash))
                inner = column_of(text, dash)
            if part.kind is Kind.MAPPING:
                deeper = inner - column_of(text, key.start)
                (offsets if value.kind is Kind.SEQUENCE else mappings).append(deeper)
    found = [
        next((number for number in numbers if number >= 0), 2) for numbers in (mappings, offsets, widths)
    ]
    return found[0] or 2, found[1], max(found[2], 2)
