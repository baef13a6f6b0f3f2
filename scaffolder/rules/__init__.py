"""The rules about valid manifests: each is a function whose docstring is its page, and finds warnings."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from scaffolder.diagnostics import Diagnostic, Severity
from scaffolder.manifest import Loaded
from scaffolder.manifest.faults import Fault
from scaffolder.manifest.findings import locate
from scaffolder.manifest.wording import closest, code
from scaffolder.rules import address, client, handle, ignores, rename, runtime, schema, secret, setting
from scaffolder.rules.remarks import Limit, Remark, processes


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it finds, and the limits that it goes by."""

    find: Callable[[Loaded], Iterator[Remark]]
    limits: Callable[[], Iterable[Limit]] = tuple

    @property
    def code(self) -> str:
        """What the rule is called: as its function is, in kebab-case."""
        return self.find.__name__.replace("_", "-")


def warnings(loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Judge a manifest by every rule; what comes is in the order of the file."""
    found = [_diagnostic(loaded, rule.code, remark) for rule in RULES for remark in rule.find(loaded)]
    heard = ignores.unless_ignored(loaded.document, found)
    return tuple(sorted(heard, key=lambda one: (one.span.line, one.span.column) if one.span else (0, 0)))


def unknown_ignore(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a comment that is to silence a rule which does not exist.

    Why: a misspelt code silences nothing, and one of a rule that is gone may say too much one day.

    What to do: name the code that stands in the brackets of the warning. An error has no rule to
    be silenced: mend what it is about.
    """
    known = {rule.code for rule in RULES}
    for comment in ignores.comments(loaded.document):
        for name in comment.codes or ("",):
            if name not in known:
                meant = closest(name, known)
                yield Remark(
                    (),
                    f"{code(name)} is not the code of a rule" if name else "this comment names no rule",
                    f"did you mean `{meant}`?" if meant else None,
                    "silence one rule at a time: `# mcp-scaffold: ignore[code]`",
                    span=comment.span,
                )


def _diagnostic(loaded: Loaded, name: str, remark: Remark) -> Diagnostic:
    # A place costs a second reading of the file: only where there is something to say.
    span = remark.span or locate(loaded.document, {}, Fault(name, remark.place, None)).span(key=remark.key)
    return Diagnostic(name, remark.message, secret.masked(span), remark.label, remark.help, Severity.WARNING)


RULES = (
    Rule(runtime.deprecated_runtime, runtime.deprecations),
    Rule(runtime.over_time_limit, runtime.durations),
    Rule(runtime.long_call, runtime.call_times),
    Rule(runtime.session_on_eventual_store, runtime.consistencies),
    Rule(runtime.protocol_session_on_eventual_store, runtime.consistencies),
    Rule(runtime.unused_session),
    Rule(runtime.stream_on_edge, processes),
    Rule(setting.local_file, processes),
    Rule(setting.private_address, processes),
    Rule(runtime.options_without_target),
    Rule(address.path_mismatch),
    Rule(address.private_url),
    Rule(address.shared_url),
    Rule(address.without_address),
    Rule(rename.idle_rename),
    Rule(client.missing_description),
    Rule(client.long_description, client.text_limits),
    Rule(client.unportable_tool_name, client.alphabets),
    Rule(client.long_tool_name, client.name_lengths),
    Rule(client.too_many_tools, client.tool_numbers),
    Rule(schema.outside_reference),
    Rule(schema.broken_reference),
    Rule(schema.root_combination, schema.refused_keywords),
    Rule(schema.unknown_type),
    Rule(schema.required_without_property),
    Rule(handle.sealed_schema),
    Rule(secret.unused_secret),
    Rule(secret.pasted_secret),
    Rule(unknown_ignore),
)
