"""Rules about addresses: where clients and monitors are told that the server is."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from scaffolder.manifest import Loaded
from scaffolder.manifest.wording import code
from scaffolder.rules.networks import is_private
from scaffolder.rules.remarks import Remark, both

# The template's defaults; tests compare them.
DEFAULT_PATH = "/mcp"
DEFAULT_OUTPUTS = ("github-actions",)

# The monitors that run in somebody else's network.
HOSTED = {"github-actions", "openstatus", "checkly"}


def path_mismatch(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a URL whose path is not the one at which the server answers.

    Why: the URL of a target is what the monitor calls, and what its clients are given. The server
    answers at `transport.path`, `/mcp` unless it says otherwise, and with 404 anywhere else.

    What to do: let the two agree. Where a proxy in front of the server rewrites the path, ignore
    this.
    """
    transport = loaded.manifest.transport
    wanted = (transport and transport.path) or DEFAULT_PATH
    for name, url in _urls(loaded):
        found = unquote(urlsplit(url).path) or "/"
        if found != wanted:
            yield Remark(
                ("target_options", name, "url"),
                f"the path of this URL is {code(found)}, but the server answers at {code(wanted)}",
                None,
                f"end the URL in {code(wanted)}, or set `transport.path`",
            )


def private_url(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a URL that monitors outside of your network are to call, and cannot.

    Why: what `monitor.outputs` generates for GitHub Actions, OpenStatus and Checkly runs in their
    networks, where an address of RFC 1918 or `localhost` is a machine of theirs, or none.

    What to do: set the public URL of the deployed server, or choose under `monitor.outputs` what
    you run beside it (`gatus`, `prometheus`, or `[]`). A server on this machine can be probed by its
    URL alone: `mcp-scaffold probe URL`.
    """
    manifest = loaded.manifest
    outputs = manifest.monitor.outputs if manifest.monitor else None
    outside = [name for name in (DEFAULT_OUTPUTS if outputs is None else outputs) if name in HOSTED]
    for name, url in _urls(loaded) if outside else ():
        host = urlsplit(url).hostname or ""
        if is_private(host):
            yield Remark(
                ("target_options", name, "url"),
                f"{both(map(code, outside))} cannot reach {code(host)}, which is private",
                None,
                "set the public URL, or choose other `monitor.outputs`",
            )


def shared_url(loaded: Loaded) -> Iterator[Remark]:
    """Warn of two targets with one URL: a probe of both sees only the one that answers.

    Why: each target is a deployment of its own. With one URL for two of them, a monitor calls the same
    server twice, and says that the other is healthy as well.

    What to do: give each target the URL at which it answers by itself. What routes clients to one or
    the other needs no entry here.
    """
    first: dict[str, str] = {}
    for name, url in _urls(loaded):
        other = first.setdefault(url.lower().rstrip("/"), name)
        if other != name:
            yield Remark(
                ("target_options", name, "url"),
                f"{code(name)} has the same URL as {code(other)}, so that one of them is never probed",
                None,
                "give each target the URL at which it answers by itself",
            )


def without_address(loaded: Loaded) -> Iterator[Remark]:
    """Warn of monitors, or of an entry in a registry, for a server that has no address yet.

    Why: what is chosen under `monitor.outputs` calls the URL of each target, and an entry in the
    MCP Registry names those that are public: with `https:`, and not of a private network. As long
    as no target has one, nothing is generated but the workflow that checks and deploys.

    What to do: once the server is deployed, set `target_options.TARGET.url`.
    """
    manifest = loaded.manifest
    urls = [url for _, url in _urls(loaded)]
    advice = f"set `target_options.{manifest.targets[0]}.url` once the server is deployed there"
    if manifest.monitor and manifest.monitor.outputs and not urls:
        yield Remark(
            ("monitor", "outputs"), "no target has a `url` for these to watch", None, advice, key=True
        )
    public = (
        url for url in urls if url.startswith("https:") and not is_private(urlsplit(url).hostname or "")
    )
    if manifest.registry and manifest.registry.name and not any(public):
        yield Remark(
            ("registry", "name"), "no target has a public `url` for the entry", None, advice, key=True
        )


def _urls(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Give the URL of each target that has one."""
    for name, options in (loaded.manifest.target_options or {}).items():
        if options.url and name in loaded.manifest.targets:
            yield name, options.url
