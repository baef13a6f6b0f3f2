"""Rules about tools that were renamed."""

from collections.abc import Iterator

from scaffolder.manifest import Loaded
from scaffolder.manifest.wording import code
from scaffolder.rules.remarks import Remark


def idle_rename(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a `renamed_from` that carries no handler over.

    Why: `regenerate` moves a tool's handler from its old name to its new one. A tool that is still declared
    under the old name keeps its own, and a handler can go to one tool only.

    What to do: name what the tool was called. When `regenerate` has run, the key may be deleted.
    """
    sources = {tool.name: tool.renamed_from for tool in loaded.manifest.tools}
    claimed: dict[str, str] = {}
    for index, tool in enumerate(loaded.manifest.tools):
        source = tool.renamed_from
        if source is None:
            continue
        # Two tools may swap their names: then the other one has come from elsewhere too.
        stays = source == tool.name or (source in sources and sources[source] is None)
        other = claimed.setdefault(source, tool.name)
        if stays or other != tool.name:
            why = f"which {code(other)} says too" if not stays else "which is still a tool"
            yield Remark(
                ("tools", index, "renamed_from"),
                f"{code(tool.name)} says that it was {code(source)}, {why}",
                None,
                "name what the tool was called, or delete the key",
            )
