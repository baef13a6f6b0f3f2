"""Broken rules as diagnostics: found and allowed said, the place marked, the likely meaning offered."""

from collections.abc import Callable, Iterable

import yaml

from scaffolder.diagnostics import Diagnostic, Span
from scaffolder.manifest.faults import Fault
from scaffolder.manifest.fields import LARGEST_INTEGER, MAX_DEPTH
from scaffolder.manifest.findings import KEY, Finding, Schema, locate, path
from scaffolder.manifest.positions import Document
from scaffolder.manifest.wording import (
    WANTED,
    closest,
    code,
    either,
    flow,
    found,
    is_plain,
    listed,
    quote_it,
    reading,
    repaired,
)

_IN_WORDS = {
    "string_type": "string",
    "string_unicode": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
}

# What is asked for by name, and why it is no choice.
_NO_CHOICE = dict.fromkeys(
    ("websocket", "websockets", "ws", "wss"),
    "a WebSocket is not a transport of MCP, and no edge keeps one open",
)


def explain(document: Document, schema: Schema, faults: Iterable[Fault]) -> list[Diagnostic]:
    """Turn faults into diagnostics, leaving out those that another one explains."""
    findings = [locate(document, schema, fault) for fault in faults if not _is_odd_key(fault)]
    unknown = [finding for finding in findings if finding.fault.kind == "extra_forbidden"]
    meant = {(*finding.place[:-1], _meant(finding)) for finding in unknown}
    return [
        _EXPLAINERS.get(finding.fault.kind, _other)(finding)
        for finding in findings
        # A misspelt key is also a missing one.
        if not (finding.fault.kind == "missing" and finding.place in meant)
    ]


def _is_odd_key(fault: Fault) -> bool:
    """Leave the keys that are not text to the walk over the document, which knows where they stand."""
    return fault.kind in {"invalid_key", "key_not_text"} or (
        fault.kind == "string_type" and fault.place[-1:] == (KEY,)
    )


def _meant(finding: Finding) -> str | None:
    allowed = finding.rules(finding.place[:-1]).get("properties", {})
    return closest(str(finding.place[-1]), allowed)


def _example(name: str, rules: Schema) -> str | None:
    examples = rules.get("examples")
    return f"`{flow({name: examples[0]})[1:-1]}`" if examples else None


def _advice(rules: Schema, name: str | int = "") -> str | None:
    """Say what the place is for, with an example if its name is given."""
    purpose = str(rules.get("description", "")).removesuffix(".")
    if purpose[1:2].islower():  # not MCP or JSON
        purpose = purpose[:1].lower() + purpose[1:]
    example = _example(name, rules) if isinstance(name, str) and name else None
    return "; ".join(part for part in (purpose, example and f"for example {example}") if part) or None


def _missing(finding: Finding) -> Diagnostic:
    *above, key = finding.place
    name, rules = str(key), finding.rules()
    if not above:
        span = Span(finding.document.file)
        return Diagnostic("missing-key", f"{code(name)} is missing", span, None, _advice(rules, name))
    owner = Finding(finding.fault, finding.document, finding.schema, tuple(above), finding.entry)
    subject = owner.name
    tool = finding.fault.value.get("name") if isinstance(finding.fault.value, dict) else None
    if isinstance(tool, str) and above[0] == "tools":
        subject = f"the tool {code(tool)}"
    return Diagnostic(
        "missing-key", f"{subject} has no {code(name)}", owner.span(key=True), None, _advice(rules, name)
    )


def _unknown(finding: Finding) -> Diagnostic:
    *above, key = finding.place
    rules = finding.rules(tuple(above))
    allowed = rules.get("properties", {})
    unsupported = rules.get("x-unsupported", {}).get(key)
    meant = None if unsupported else _meant(finding)
    where = f" of {code(path(tuple(above)))}" if above else " of the manifest"
    return Diagnostic(
        "unsupported-key" if unsupported else "unknown-key",
        f"{code(str(key))} is not a key{where}",
        finding.span(key=True),
        f"did you mean `{meant}`?" if meant else None,
        unsupported or f"allowed here: {listed(allowed)}",
    )


def _wrong_type(finding: Finding) -> Diagnostic:
    rules, node, value = finding.rules(), finding.node, finding.fault.value
    wanted = _IN_WORDS[finding.fault.kind]
    label, name = None, finding.place[-1] if finding.place else ""
    if value is None:
        empty = isinstance(node, yaml.ScalarNode) and not node.value
        message = f"{finding.name} {'has no value' if empty else 'is null'}"
        advice = f"write {WANTED[wanted]}, or leave the key out" if name else None
        return Diagnostic("wrong-type", message, finding.span(), label, advice)
    message = f"{finding.name} must be {WANTED[wanted]}, found {found(node, value)}"
    if wanted == "string" and is_plain(node) and isinstance(node, yaml.ScalarNode):
        message = f"{finding.name} must be text, but YAML reads {code(node.value)} as {reading(value)}"
        return Diagnostic("wrong-type", message, finding.span(), quote_it(node.value))
    if wanted in {"integer", "number"} and isinstance(value, int) and not isinstance(value, bool):
        return _out_of_range(finding)
    if wanted == "array" and isinstance(value, str):
        label = f"make it a list: `[{value}]`"
    elif isinstance(value, str) and wanted in {"integer", "number", "boolean"}:
        unquoted = yaml.safe_load(value) if value.isalnum() else None
        fits = isinstance(unquoted, bool if wanted == "boolean" else int)
        label = "remove the quotes" if fits else None
    return Diagnostic("wrong-type", message, finding.span(), label, _advice(rules, "" if label else name))


def _not_one_of(finding: Finding) -> Diagnostic:
    rules, value = finding.rules(), finding.fault.value
    allowed = rules.get("enum") or [rules["const"]]
    if not isinstance(value, str) and is_plain(finding.node):
        label = f"YAML reads this as {reading(value)}"
    else:
        meant = closest(value, allowed) if isinstance(value, str) else None
        label = f"did you mean `{meant}`?" if meant else ""
    return Diagnostic(
        "unknown-value",
        f"{finding.name} must be {either(allowed)}, found {found(finding.node, value)}",
        finding.span(),
        label or None,
        _NO_CHOICE.get(str(value).lower()) or (None if len(allowed) > 1 else _advice(rules)),
    )


def _wrong_form(finding: Finding) -> Diagnostic:
    rules, value = finding.rules(), str(finding.fault.value)
    is_key = finding.fault.place[-1] == KEY
    node = finding.entry.key if is_key and finding.entry else finding.node
    subject = f"a key of {code(path(finding.place[:-1]))}" if is_key else finding.name
    meant = repaired(value, rules["pattern"])
    return Diagnostic(
        "wrong-form",
        f"{subject} must be {rules['patternErrorMessage']}, found {found(node, value)}",
        finding.span(key=is_key),
        f"did you mean {code(meant)}?" if meant else None,
        None if is_key else _advice(rules),
    )


def _out_of_range(finding: Finding) -> Diagnostic:
    rules, value = finding.rules(), finding.fault.value
    low, high = rules.get("minimum"), rules.get("maximum")
    above = f"greater than {rules.get('exclusiveMinimum')}" if low is None else f"at least {low}"
    return Diagnostic(
        "out-of-range",
        f"{finding.name} must be {above} and at most {high}, found {found(finding.node, value)}",
        finding.span(),
        None,
        _advice(rules),
    )


def _too_long(finding: Finding) -> Diagnostic:
    length = len(str(finding.fault.value))
    message = f"{finding.name} must be at most {finding.rules()['maxLength']} characters long, found {length}"
    return Diagnostic("too-long", message, finding.span())


def _too_short(finding: Finding) -> Diagnostic:
    items = finding.rules().get("items", {}).get("enum")
    return Diagnostic(
        "empty-list",
        f"{finding.name} must hold at least one item",
        finding.span(),
        None,
        f"choose from {listed(items)}" if items else None,
    )


def _reserved(finding: Finding) -> Diagnostic:
    value = code(str(finding.fault.value))
    message = f"{value} is reserved for {finding.fault.context['reason']}"
    return Diagnostic(
        "reserved-name", message, finding.span(key=finding.fault.place[-1] == KEY), "choose another"
    )


def _added_property(finding: Finding) -> Diagnostic:
    return Diagnostic(
        "reserved-name",
        f"{finding.name} stands in a tool with `state: session`, to which the generator adds it",
        finding.span(key=True),
        "delete it, or choose another name",
    )


def _weak_store(finding: Finding) -> Diagnostic:
    strong = finding.rules(finding.place[:-1])["then"]["properties"]["store"]["enum"]
    return Diagnostic(
        "weak-store",
        f"{finding.name} must be {either(strong)} with `consistency: strong`, "
        f"found {found(finding.node, finding.fault.value)}",
        finding.span(),
        "eventually consistent, never more",
        "name another store, or none to get the default; or write `consistency: eventual`",
    )


def _boolean_schema(finding: Finding) -> Diagnostic:
    instead = "{}" if finding.fault.value else "{ not: {} }"
    return Diagnostic(
        "wrong-type",
        f"{finding.name} must be a mapping, found {found(finding.node, finding.fault.value)}",
        finding.span(),
        f"write `{instead}`, which says the same",
        "JSON Schema allows true and false, but some clients refuse a list of tools that holds them here",
    )


def _repeated(finding: Finding) -> Diagnostic:
    message = f"{finding.name} repeats {code(str(finding.fault.value))}"
    return Diagnostic("duplicate-item", message, finding.span(), None, "delete one of the two")


def _repeated_name(finding: Finding) -> Diagnostic:
    first = finding.document.find(("tools", finding.fault.context["first"], "name"))
    line = first.value.start_mark.line + 1 if first else 0
    return Diagnostic(
        "duplicate-tool",
        f"two tools are named {code(str(finding.fault.value))}",
        finding.span(),
        f"first on line {line}",
        "each name becomes a file, so upper and lower case count as one",
    )


def _undeclared(finding: Finding) -> Diagnostic:
    name = str(finding.fault.value)
    data = finding.document.data.get("secrets")
    declared = [key for key in data if isinstance(key, str)] if isinstance(data, dict) else []
    meant = closest(name, declared)
    return Diagnostic(
        "undeclared-secret",
        f"{code(name)} is not declared under `secrets`",
        finding.span(),
        f"did you mean `{meant}`?" if meant else None,
        f"declare it there, with what it is for: `{name}: ...`",
    )


def _shared_name(finding: Finding) -> Diagnostic:
    first = finding.document.find(("secrets", str(finding.fault.value)))
    line = first.key.start_mark.line + 1 if first and first.key else 0
    return Diagnostic(
        "duplicate-variable",
        f"{code(str(finding.fault.value))} stands under both `secrets` and `vars`",
        finding.span(key=True),
        f"a secret on line {line}",
        "both become variables of one environment: delete one, or rename it",
    )


def _not_json(finding: Finding) -> Diagnostic:
    node, value = finding.node, finding.fault.value
    if is_plain(node) and isinstance(node, yaml.ScalarNode):
        message = f"but YAML reads {code(node.value)} as {reading(value)}"
        label = quote_it(node.value)
    else:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!") if node else type(value).__name__
        message, label = f"which has no {code(tag)}", None
    message = f"{finding.name} must be a value of JSON, {message}"
    return Diagnostic("not-json", message, finding.span(), label)


def _infinite(finding: Finding) -> Diagnostic:
    message = f"{finding.name} must be a number of JSON, which has no {found(finding.node, None)}"
    return Diagnostic("not-json", message, finding.span())


def _unsafe(finding: Finding) -> Diagnostic:
    return Diagnostic(
        "unsafe-integer",
        f"{finding.name} must lie within {LARGEST_INTEGER} of zero, found {found(finding.node, None)}",
        finding.span(),
        None,
        "JavaScript rounds larger integers, so clients would read another number",
    )


def _too_deep(finding: Finding) -> Diagnostic:
    message = f"{finding.name} nests more than {MAX_DEPTH} lists and mappings in each other"
    return Diagnostic("nested-too-deep", message, finding.span(key=True))


def _other(finding: Finding) -> Diagnostic:
    message = f"{finding.name} cannot be {found(finding.node, finding.fault.value)}"
    return Diagnostic("invalid-value", message, finding.span(), None, _advice(finding.rules()))


_EXPLAINERS: dict[str, Callable[[Finding], Diagnostic]] = {
    **dict.fromkeys(_IN_WORDS, _wrong_type),
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _not_one_of,
    "string_pattern_mismatch": _wrong_form,
    "string_too_long": _too_long,
    "greater_than_equal": _out_of_range,
    "greater_than": _out_of_range,
    "less_than_equal": _out_of_range,
    "too_short": _too_short,
    "reserved": _reserved,
    "added_property": _added_property,
    "weak_store": _weak_store,
    "boolean_schema": _boolean_schema,
    "repeated": _repeated,
    "repeated_name": _repeated_name,
    "undeclared": _undeclared,
    "shared_name": _shared_name,
    "not_json": _not_json,
    "finite_number": _infinite,
    "unsafe_integer": _unsafe,
    "too_deep": _too_deep,
}
