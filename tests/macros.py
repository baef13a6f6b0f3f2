"""Calls one macro of templates/_lib, in the environment that Copier gives a template."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

ROOT = Path(__file__).parents[1]


@cache
def environment() -> SandboxedEnvironment:
    """Make the environment once: the sandbox, the filters and the whitespace rules of copier.yml."""
    return SandboxedEnvironment(
        loader=FileSystemLoader(ROOT),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def call(library: str, macro: str, *args: Any, **kwargs: Any) -> str:
    """Return what `macro` of templates/_lib/`library`.jinja prints."""
    module = environment().get_template(f"templates/_lib/{library}.jinja").module
    return str(getattr(module, macro)(*args, **kwargs))
