"""What is wrong with a manifest as YAML, before any rule of the manifest is asked: as diagnostics."""

import re
from collections.abc import Iterator

import yaml

from scaffolder.diagnostics import Diagnostic, Span
from scaffolder.manifest.positions import EXPONENT, MERGE, STRING, Document, is_recursive, scalar
from scaffolder.manifest.wording import LONGEST, code, in_quotes, quote_it, quoted, reading

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN_END = re.compile(r"\s+#|[\],}]|\s*$")

_SPECIAL = re.compile("undefined alias|cannot start any token|the tag 'tag:yaml.org")
_UNCLOSED = re.compile("unexpected end of stream|did not find expected ','")

_PLAIN_VALUE = re.compile(r"""\s*(?:-\s+)*[\w$.-]+:\s+([^\s"'\[{|>&*!].*?: .*?)\s*$""")

# What the parser says, what it means, and what to do.
_PROBLEMS = (
    (
        "mapping values are not allowed",
        "a `: ` stands where no key can be",
        "quote the text if the colon belongs to it, or check the indentation of this line",
    ),
    (
        "found a tab character",
        "a tab indents this line",
        "YAML is indented with spaces",
    ),
    (
        "could not find expected ':'",
        "this line is neither a key with a `:` nor part of the text before it",
        "a key ends with a colon and a space; a text of several lines needs `|` or quotes",
    ),
    (
        "did not find expected '-' indicator",
        "this line does not belong to the list above it",
        "start each item of a list with `- `, all equally indented",
    ),
    (
        "did not find expected key",
        "this does not fit what stands before it",
        "check the indentation, and that nothing follows a closing quote or bracket",
    ),
    (
        "but found another document",
        "a second document starts here",
        "a manifest is one document: remove the `---`",
    ),
    (
        "did not find expected <document start>",
        "the document has ended above",
        "remove the `...`",
    ),
    (
        "found unhashable key",
        "a list or a mapping cannot be a key",
        "quote the text if the brackets belong to it",
    ),
    (
        "mappings for merging",
        "`<<` takes in a mapping, or a list of mappings",
        "refer to one with `*name`, or quote the key",
    ),
)


def explain(file: str, text: str, error: Exception) -> Diagnostic:
    """Turn an exception of the parser into a diagnostic."""
    document = Document(file, text, None)
    for number, written in enumerate(document.lines):
        if written.startswith(("<<<<<<< ", ">>>>>>> ")):
            message = "version control has left a conflict of a merge here"
            advice = "decide between the two sides, and delete the lines that mark them"
            return Diagnostic("yaml-syntax", message, document.between(number, 0, number, 7), help=advice)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return _marked(document, error, error.problem_mark)
    if isinstance(error, RecursionError):
        return Diagnostic("nested-too-deep", "the lists and mappings nest too deep to be read", Span(file))
    if bad := _UNPRINTABLE.search(text):
        before = text[: bad.start()]
        line = before.count("\n")
        span = document.between(line, bad.start() - (before.rfind("\n") + 1))
        message = f"the control character {quoted(bad[0])} cannot stand in YAML"
        return Diagnostic("yaml-syntax", message, span, help="delete it, or write it as an escape in quotes")
    return next(_unreadable(document), Diagnostic("yaml-syntax", str(error), Span(file)))


def surprises(document: Document) -> Iterator[Diagnostic]:
    """Find what YAML reads without a word, but not as it was meant."""
    endless = document.root and is_recursive(document.root)
    if endless:
        message = "an alias makes the document hold itself, or grow beyond measure"
        yield Diagnostic(
            "recursive-alias", message, document.span(endless), help="write the value out where it is needed"
        )
        return
    for node in document.nodes():
        if isinstance(node, yaml.MappingNode):
            yield from _repeated_keys(document, node)
        elif isinstance(node, yaml.ScalarNode) and node.tag == STRING and not node.style:
            yield from _ambiguous_number(document, node)


def _ambiguous_number(document: Document, node: yaml.ScalarNode) -> Iterator[Diagnostic]:
    written = EXPONENT.fullmatch(node.value)
    if written:
        digits, point, sign, exponent = written.groups(default="")
        yield Diagnostic(
            "ambiguous-number",
            f"YAML reads {code(node.value)} as text, JSON as a number",
            document.span(node),
            f"for a number write `{digits}{point or '.0'}e{sign or '+'}{exponent}`",
            f"for text write {in_quotes(node.value)}",
        )


def odd_keys(document: Document) -> Iterator[Diagnostic]:
    """Find the keys that YAML reads as something else than text."""
    for node in document.nodes():
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag in {STRING, MERGE}:
                continue
            written = key.value if isinstance(key, yaml.ScalarNode) else "this"
            yield Diagnostic(
                "key-not-text",
                f"a key must be text, but YAML reads {code(written) if written else 'nothing'} as "
                + reading(scalar(key) if isinstance(key, yaml.ScalarNode) else ...),
                document.span(key),
                quote_it(written),
            )


def _repeated_keys(document: Document, node: yaml.MappingNode) -> Iterator[Diagnostic]:
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
            continue
        before = first.setdefault((key.tag, key.value), key)
        if before is not key:
            yield Diagnostic(
                "duplicate-key",
                f"the key {code(key.value)} stands twice in one mapping; YAML would keep only the last",
                document.span(key),
                f"first on line {before.start_mark.line + 1}",
                "delete one of the two",
            )


def _unreadable(document: Document) -> Iterator[Diagnostic]:
    """Find the scalar that looks like a date or a number but is none."""
    for node in document.nodes():
        if isinstance(node, yaml.ScalarNode):
            try:
                scalar(node)
            except ValueError:
                kind = "date" if node.tag.endswith("timestamp") else "number"
                yield Diagnostic(
                    "yaml-syntax",
                    f"YAML takes {code(node.value)} for a {kind}, but there is no such {kind}",
                    document.span(node),
                    quote_it(node.value),
                )
            except yaml.YAMLError:
                continue


def _marked(document: Document, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> Diagnostic:
    problem, context, opening = error.problem or "", error.context or "", error.context_mark
    line = document.lines[mark.line] if mark.line < len(document.lines) else ""
    here, message, label, advice = document.between(mark.line, mark.column), problem, None, None
    if line[mark.column :].startswith("\t"):
        message, advice = "a tab indents this line", "YAML is indented with spaces"
    elif "an alias" in context or _SPECIAL.search(problem):
        here, message, label = _special(document, opening if opening and "alias" in context else mark)
    elif "mapping values are not allowed" in problem and (value := _PLAIN_VALUE.match(line)):
        message = "a text that holds a `: ` needs quotes"
        here = document.between(mark.line, value.start(1), mark.line, value.end(1))
        label = quote_it(value[1]) if len(value[1]) < LONGEST else None
    elif "unknown escape" in problem:
        message = f"{code(line[mark.column : mark.column + 2])} is no escape of a text in double quotes"
        advice = "use single quotes, in which a backslash is a backslash, or double it"
    elif "Unicode character escape" in problem:
        message, advice = "YAML has no halves of surrogate pairs", _character(line)
    elif "constructor for the tag" in problem:
        tag = problem.split("'")[1]
        message, advice = f"the tag {code(tag)} means nothing here", "delete it, or quote the whole value"
    elif opening and _UNCLOSED.search(problem):
        here = document.between(opening.line, opening.column)
        message = (
            f"the {code(here.source[opening.column] if here.source else '')} that opens here is not closed"
        )
        label = f"or a comma is missing before line {mark.line + 1}" if "," in problem else None
    else:
        message, advice = next(
            ((said, help_) for part, said, help_ in _PROBLEMS if part in problem), (problem, None)
        )
    if opening and "could not find expected ':'" in problem:
        end = len(document.lines[opening.line].rstrip())
        here = document.between(opening.line, opening.column, opening.line, end)
    return Diagnostic("yaml-syntax", message, here, label, advice)


def _special(document: Document, mark: yaml.Mark) -> tuple[Span, str, str]:
    """Explain a value that starts with a character that means something to YAML."""
    line = document.lines[mark.line]
    end = _PLAIN_END.search(line, mark.column + 1)
    text = line[mark.column : end.start() if end else len(line)].rstrip()
    stop = mark.column + len(text)
    span = document.between(mark.line, mark.column, mark.line, stop)
    return span, f"a text that starts with {code(text[0])} needs quotes", quote_it(text)


def _character(line: str) -> str:
    """Name the character that two escapes of JSON stand for."""
    pair = re.search(r"\\u([dD][89aAbB]\w\w)\\u([dD][c-fC-F]\w\w)", line)
    if not pair:
        return "write the character itself"
    char = (bytes.fromhex(pair[1]) + bytes.fromhex(pair[2])).decode("utf-16-be")
    return f"write {char} itself, or `\\U{ord(char):08X}`"
