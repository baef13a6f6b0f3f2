"""Rules about what clients see of a server: its names, its texts and how many tools it has."""

import re
from collections.abc import Iterator

from scaffolder.manifest import Loaded
from scaffolder.manifest.wording import code
from scaffolder.providers import facts
from scaffolder.rules.remarks import Limit, Remark, both


def missing_description(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a server or a tool that does not say what it does.

    Why: the description of a tool is what a model decides by whether to call it, and how. That of
    the server is what people choose it by, and registries ask for one.

    What to do: say it in a sentence, of the server under `description` and of each tool under its
    own.
    """
    manifest = loaded.manifest
    if not (manifest.description or "").strip():
        yield _nameless((), "the server", manifest.description, "people and registries choose a server by it")
    for index, tool in enumerate(manifest.tools):
        if not (tool.description or "").strip():
            subject = f"the tool `{tool.name}`"
            advice = "models decide by it whether to call the tool, and how"
            yield _nameless(("tools", index), subject, tool.description, advice)


def _nameless(place: tuple[str | int, ...], subject: str, text: str | None, advice: str) -> Remark:
    if text is None:
        return Remark((*place, "name"), f"{subject} has no `description`", None, advice)
    return Remark((*place, "description"), f"the `description` of {subject} is blank", None, advice)


def long_description(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a text that is longer than what reads it.

    Why: the registry refuses a server whose description is too long. Clients cut the description
    of a tool, and the instructions of the server, without telling anyone: the model gets the
    beginning, and you wonder why it ignores the rest.

    What to do: say what matters first, and shorten it. What belongs to one argument goes into the
    `description` of that property.
    """
    manifest, registry = loaded.manifest, facts().registry
    length = len((manifest.description or "").strip())
    if length > registry.description_characters.value:
        most = registry.description_characters.value
        message = f"the server's description has {length} characters, but {registry.title} takes {most}"
        advice = "say here what it does, and under `instructions` how to use it"
        yield Remark(("description",), message, None, advice)
    texts = [(("instructions",), "the server's instructions have", manifest.instructions)]
    texts += [
        (("tools", index, "description"), f"the description of `{tool.name}` has", tool.description)  # type: ignore[misc] # a place holds an index
        for index, tool in enumerate(manifest.tools)
    ]
    for place, subject, text in texts:
        length = len(text.strip()) if text else 0
        cut = [one for one in facts().clients.texts if length > one.characters.value]
        if cut:
            ends = both(f"{one.title} cuts off what comes after {one.characters.value}" for one in cut)
            advice = "say what matters first; what is about one argument belongs to its property"
            yield Remark(place, f"{subject} {length} characters, but {ends}", None, advice)


def text_limits() -> Iterator[Limit]:
    """Say how long a text may be."""
    registry = facts().registry
    limit = registry.description_characters
    yield Limit(f"{registry.title}, the server's description", f"{limit.value} characters", limit.source)
    for one in facts().clients.texts:
        of = f"{one.title}, a tool's description or the instructions"
        yield Limit(of, f"{one.characters.value} characters", one.characters.source)


def unportable_tool_name(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a tool whose name some clients refuse, though the protocol allows it.

    Why: the interfaces of the large models take letters, digits, `_` and `-` in the name of a tool.
    Some clients put something else in the place of a dot; others refuse the whole list of tools.

    What to do: rename the tool, with `_` in the place of the dot; with `renamed_from` it keeps its
    handler.
    """
    refusing = [(one.title, re.compile(f"[^{one.characters.value}]")) for one in facts().clients.alphabets]
    for index, tool in enumerate(loaded.manifest.tools):
        found = [(title, match[0]) for title, pattern in refusing if (match := pattern.search(tool.name))]
        if found:
            yield Remark(
                ("tools", index, "name"),
                f"{both(title for title, _ in found)} refuse{'s' * (len(found) == 1)} the "
                f"{code(found[0][1])} in {code(tool.name)}",
                f"such as `{re.sub('[^A-Za-z0-9_-]', '_', tool.name)}`",
                "use letters, digits, `_` and `-` alone",
            )


def alphabets() -> Iterator[Limit]:
    """Say which characters a name may have."""
    for one in facts().clients.alphabets:
        yield Limit(one.title, one.characters.value, one.characters.source)


def long_tool_name(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a tool whose name is too long once a client has put the server's before it.

    Why: clients that serve several servers tell their tools apart by a longer name, and the
    interfaces of the models limit its length. A client drops such a tool, shortens its name, or
    fails with every request.

    What to do: shorten the name of the tool, which keeps its handler with `renamed_from`, or that
    of the server. (A client goes by what its user calls the server, which is the manifest's `name`
    unless they chose otherwise.)
    """
    manifest = loaded.manifest
    for index, tool in enumerate(manifest.tools):
        over = [
            (one, length)
            for one in facts().clients.names
            if (length := len(one.form.format(server=manifest.name, tool=tool.name))) > one.characters.value
        ]
        if over:
            spare = max(length - one.characters.value for one, length in over)
            parts = "; ".join(
                f"{length} for {one.title}, which takes {one.characters.value}" for one, length in over
            )
            yield Remark(
                ("tools", index, "name"),
                f"with the server's name before it, this name has too many characters: {parts}",
                None,
                f"shorten it, or the `name` of the server, by {spare}",
            )


def name_lengths() -> Iterator[Limit]:
    """Say how long a name may become."""
    for one in facts().clients.names:
        shown = one.form.format(server="SERVER", tool="TOOL")
        yield Limit(f"{one.title}, {shown}", f"{one.characters.value} characters", one.characters.source)


def too_many_tools(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a server with more tools than a model chooses well from.

    Why: every definition takes room in the model's context, and the more there are, the more often
    the wrong one is called. Some clients pass on no more than a certain number.

    What to do: make several servers, each for one kind of work; or let one tool do what several
    do, with an argument that tells them apart.
    """
    number, most = len(loaded.manifest.tools), facts().clients.tools.value
    if number > most:
        message = f"{number} tools are more than models choose well from, which is about {most}"
        advice = "make several servers, each for one kind of work"
        yield Remark(("tools",), message, None, advice, key=True)


def tool_numbers() -> Iterator[Limit]:
    """Say how many tools are too many."""
    limit = facts().clients.tools
    yield Limit("a model", f"about {limit.value} tools", limit.source)
