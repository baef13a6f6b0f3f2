"""Rules about valid manifests: each is a function whose docstring is its page, and finds warnings."""

from collections.abc import Callable, Iterator

from scaffolder.diagnostics import Diagnostic, Severity
from scaffolder.manifest import Loaded
from scaffolder.providers import profiles
from scaffolder.wording import code

Rule = Callable[[Loaded], Iterator[Diagnostic]]


def warnings(loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Judge a manifest by every rule."""
    return tuple(found for rule in RULES for found in rule(loaded))


def deprecated_runtime(loaded: Loaded) -> Iterator[Diagnostic]:
    """Warn of a target that runs on what its vendor has deprecated.

    It works until the vendor removes it. Choose another runtime under `target_options`, or leave
    the key out to get the provider's default.
    """
    options = loaded.manifest.target_options or {}
    for target in loaded.manifest.targets:
        profile = profiles()[target]
        chosen = options[target].choice("runtime") if target in options else None
        deprecated = profile.runtimes[chosen].deprecated if chosen else None
        # A place costs a second reading of the file: only where there is something to say.
        entry = loaded.document.find(("target_options", target, "runtime")) if deprecated else None
        if chosen and deprecated and entry:
            yield Diagnostic(
                "deprecated-runtime",
                f"the runtime {code(chosen)} of `{target}` is deprecated",
                loaded.document.span(entry.value),
                f"the default is `{profile.default_runtime}`",
                deprecated.value.removesuffix("."),
                Severity.WARNING,
            )


RULES: tuple[Rule, ...] = (deprecated_runtime,)
