"""Render a manifest into the files of a project, in memory.

The only module that knows the templates. It reads `copier.yml` and walks
`templates/project` as Copier does, with Jinja2 alone: Copier's start-up costs more than
the whole of this. That both give the same bytes is a test.
"""

import fnmatch
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from jinja2 import (
    BytecodeCache,
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    Template,
)

from scaffolder.bundle import bundle
from scaffolder.cache import cache_folder

SUFFIX = ".jinja"
INLINE = "inline:"
LITERALS = "templates/_lib/literals.jinja"

Tree = dict[str, bytes]
"""The files of a project: POSIX path from its root -> content."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file comes from: the template, and what renders it."""

    template: str
    content: Callable[[], bytes]


Outline = dict[str, Source]
"""The files that a project would have, none of them rendered yet: POSIX path from its root -> source."""

type_parsers: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "json": json.loads,
    "yaml": lambda text: yaml.load(text, yaml.CSafeLoader),
}

# A path part that makes one path for each item: {% yield item from items %}name{% endyield %}.
YIELD = re.compile(r"\{% yield (\w+) from (.+?) %\}(.+?)\{% endyield %\}(.*)")


def render(manifest: Mapping[str, Any], *, skip: frozenset[str] = frozenset()) -> Tree:
    """Render a valid manifest, as parsed from its YAML, into a tree.

    Paths in `skip` are left out without being rendered.
    """
    files = outline(manifest)
    return {path: source.content() for path, source in files.items() if path not in skip}


def outline(manifest: Mapping[str, Any]) -> Outline:
    """Name the files of a valid manifest, and render each when it is asked for."""
    return _templates(bundle()).outline(manifest)


def written_once(path: str) -> bool:
    """Tell whether a file is the user's after it was first written, as `copier.yml` says."""
    return _templates(bundle()).written_once.fullmatch(path) is not None


def pretty(value: Any) -> str:
    """Print a JSON value as the templates do, which is as the formatter wants it."""
    literals: Any = _templates(bundle()).environment.get_template(LITERALS).module
    return str(literals.json(value))


@lru_cache(maxsize=1)
def _templates(root: Path) -> "_Templates":
    return _Templates(root)


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a template's path; `items` and `item` where it stands for several."""

    name: Callable[[Mapping[str, Any]], str]
    item: str = ""
    items: Callable[[Mapping[str, Any]], list[Any]] = field(default=lambda _: [None])


class _Templates:
    """`copier.yml` and the files under `templates/project`, compiled once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings: dict[str, Any] = yaml.load((root / "copier.yml").read_bytes(), yaml.CSafeLoader)
        envops = self.settings["_envops"]
        self.environment = Environment(  # noqa: S701 - it makes source code, not HTML
            # The expressions of copier.yml and of paths go by their own text, so that they are cached too.
            loader=ChoiceLoader([FileSystemLoader(root), FunctionLoader(_inline)]),
            bytecode_cache=_compiled(envops),
            extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
            auto_reload=False,
            cache_size=-1,
            **{**envops, "undefined": StrictUndefined},
        )
        # A process that renders again, since a manifest is being edited, prints mostly what it did before.
        literals = self.environment.get_template(LITERALS).module
        for macro in ("json", "ts"):
            setattr(literals, macro, _remembering(getattr(literals, macro)))
        self.questions = {
            name: question for name, question in self.settings.items() if not name.startswith("_")
        }
        once = "|".join(fnmatch.translate(pattern) for pattern in self.settings["_skip_if_exists"])
        self.written_once = re.compile(once)
        project = root / self.settings["_subdirectory"]
        self.files = [
            (tuple(self._part(part) for part in self._target(path, project).parts), path)
            for path in sorted(project.rglob("*"))
            if path.is_file()
        ]

    def outline(self, manifest: Mapping[str, Any]) -> Outline:
        context = self._answers(manifest)
        return {
            path: Source(
                template.as_posix(),
                partial(self._content, template, {**context, **extra} if extra else context),
            )
            for parts, template in self.files
            for path, extra in _paths(parts, context)
        }

    def _answers(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the questions from the manifest, and work out the computed answers."""
        answers: dict[str, Any] = {}
        for name, question in self.questions.items():
            if name.endswith("_check"):
                continue  # The manifest is valid; these stop plain Copier at one that is not.
            if name in manifest:
                answers[name] = manifest[name]
                if question.get("multiselect"):
                    # A set of choices has their order, as it has in Copier's dialogue.
                    choices = yaml.load(self._compile(question["choices"]).render(answers), yaml.CSafeLoader)
                    answers[name] = [choice for choice in choices.values() if choice in manifest[name]]
                continue
            default = question["default"]
            if isinstance(default, str):
                text = self._compile(default).render(answers)
                kind = "yaml" if question.get("multiselect") else question["type"]
                default = type_parsers[kind](text)
            answers[name] = default
        return answers

    def _content(self, source: Path, context: Mapping[str, Any]) -> bytes:
        if source.suffix != SUFFIX:
            return source.read_bytes()
        name = source.relative_to(self.root).as_posix()
        return self.environment.get_template(name).render(context).encode()

    def _part(self, text: str) -> _Part:
        if match := YIELD.fullmatch(text):
            item, items, name, rest = match.groups()
            template = self._compile(name + rest)
            return _Part(template.render, item, self._expression(items))
        if "{" in text:
            return _Part(self._compile(text).render)
        return _Part(lambda _: text)

    def _expression(self, source: str) -> Callable[[Mapping[str, Any]], list[Any]]:
        expression = self.environment.compile_expression(source)
        return lambda context: list(expression(context) or ())

    def _compile(self, source: str) -> Template:
        return self.environment.get_template(INLINE + source)

    @staticmethod
    def _target(path: Path, project: Path) -> Path:
        relative = path.relative_to(project)
        return relative.with_suffix("") if relative.suffix == SUFFIX else relative


def _remembering(macro: Callable[..., str]) -> Callable[..., str]:
    """Call a macro that depends on nothing but its arguments once for the same ones."""
    known: dict[str, str] = {}

    def call(*arguments: Any, **options: Any) -> str:
        key = json.dumps([arguments, options])
        if key not in known:
            known[key] = macro(*arguments, **options)
        return known[key]

    return call


def _inline(name: str) -> str | None:
    """Load a template that is named by its own source."""
    return name.removeprefix(INLINE) if name.startswith(INLINE) else None


def _compiled(envops: Mapping[str, Any]) -> BytecodeCache | None:
    """Keep compiled templates between runs: compiling is most of what a first run takes.

    Jinja tells entries apart by their source alone; what else decides how one is compiled is in the
    name of the folder.
    """
    made_by = json.dumps([version("jinja2"), version("jinja2-ansible-filters"), envops], sort_keys=True)
    folder = cache_folder("templates") / hashlib.sha256(made_by.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None
    except OSError:
        return None


def _paths(parts: tuple[_Part, ...], context: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name the files that a template makes, with what each knows beside the context.

    An empty part drops the file, as it does in Copier.
    """
    if not parts:
        yield "", {}
        return
    first, rest = parts[0], parts[1:]
    for item in first.items(context):
        extra = {first.item: item} if first.item else {}
        inner = {**context, **extra} if extra else context
        name = first.name(inner)
        if not name:
            continue
        for path, deeper in _paths(rest, inner):
            full = f"{name}/{path}" if path else name
            yield full.removeprefix("./"), {**extra, **deeper}
