"""Rules about settings: values that mean something on one machine, or in one network, and nowhere else."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from scaffolder.manifest import Loaded
from scaffolder.manifest.wording import code
from scaffolder.rules.remarks import Remark, both, on_demand

# Patterns as text, for few manifests need any of them compiled.
# A path that means something on one machine alone. Paths of URLs look the same, hence the well-known folders.
_LOCAL_FILE = (
    r"file:/|~/|\.{1,2}[/\\]|[A-Za-z]:[\\/]"
    r"|/(?:etc|var|home|root|opt|usr|srv|mnt|run|proc|Users|Volumes)/"
    r"|[^:?#\s]*\.(?:pem|key|crt|cer|p12|pfx|jks|sqlite3?|db)$"
)
_URL = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s,]+"
_HOST = r"\[?([0-9A-Za-z_.:-]+?)\]?(?::\d+)?"
_PRIVATE_NAME = r"(?i:localhost|.*\.(?:localhost|local|internal|intranet|lan|home\.arpa))"
# Where a name of one label is that of a machine nearby; that of a bucket or of a namespace is not.
_SCHEMES = {"http", "https", "ws", "wss", "redis", "rediss", "postgres", "postgresql", "mysql", "mongodb"}
_SCHEMES |= {"amqp", "amqps", "nats", "kafka", "mqtt", "ldap", "tcp", "grpc", "memcached"}
# RFC 1918, 4193, 6598 and those of one machine or one link.
_NETWORKS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


def local_file(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a setting that names a file of one machine, for a target that has no such machine.

    Why: an edge runtime has no file system of yours. What is there is the bundle; a configuration
    file, a certificate or a database beside it is not.

    What to do: put what the file holds into a variable or a secret, or fetch it from where it is
    stored; or deploy on a server.
    """
    edges = on_demand(loaded.manifest)
    for name, value in (loaded.manifest.vars or {}).items() if edges else ():
        if re.match(_LOCAL_FILE, value):
            yield Remark(
                ("vars", name),
                f"`{name}` names a file of one machine, which is not there on "
                f"{both(one.title for one in edges)}",
                None,
                "put what it holds into a variable or a secret, or fetch it from where it is stored",
            )


def private_address(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a setting that names a private address, for a target outside of that network.

    Why: an edge runtime calls from the provider's network. It cannot reach an address of RFC 1918,
    a name that only your own resolver knows, or anything on `localhost`.

    What to do: give the service a public address behind authentication, or a tunnel; or deploy on
    a server inside the network (see `mcp-scaffold check --explain edge-or-server`).
    """
    edges = on_demand(loaded.manifest)
    for name, value in (loaded.manifest.vars or {}).items() if edges else ():
        host = next(_private_hosts(value), None)
        if host:
            yield Remark(
                ("vars", name),
                f"`{name}` names {code(host)}, a private address that {both(one.title for one in edges)} "
                "cannot reach",
                None,
                "give the service a public address behind authentication, or deploy inside its network",
            )


def without_address(loaded: Loaded) -> Iterator[Remark]:
    """Warn of monitors, or of an entry in a registry, for a server that has no address yet.

    Why: what is chosen under `monitor.outputs` calls the URL of each target, and an entry in the
    MCP Registry names those that are public. As long as no target has one, nothing is generated.

    What to do: once the server is deployed, set `target_options.TARGET.url`.
    """
    manifest = loaded.manifest
    options = manifest.target_options or {}
    urls = [one.url for name, one in options.items() if one.url and name in manifest.targets]
    advice = f"set `target_options.{manifest.targets[0]}.url` once the server is deployed there"
    if manifest.monitor and manifest.monitor.outputs and not urls:
        yield Remark(
            ("monitor", "outputs"), "no target has a `url` for these to watch", None, advice, key=True
        )
    if manifest.registry and manifest.registry.name and not any(url.startswith("https:") for url in urls):
        yield Remark(
            ("registry", "name"), "no target has a public `url` for the entry", None, advice, key=True
        )


def _private_hosts(value: str) -> Iterator[str]:
    """Find the private hosts that a setting names: in URLs, or in a list with or without ports."""
    urls = re.findall(_URL, value)
    for url in urls:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            continue
        alone = host.isidentifier() or host.replace("-", "").isalnum()
        if _is_private(host) or (host and alone and parts.scheme.lower() in _SCHEMES):
            yield host
    for item in re.split(r"[,\s]+", value) if not urls else ():
        match = re.fullmatch(_HOST, item)
        yield from (host for host in {item, match[1] if match else item} if _is_private(host))


def _is_private(host: str) -> bool:
    import ipaddress  # noqa: PLC0415 - for the few manifests with settings

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(_PRIVATE_NAME, host))
    return any(address in ipaddress.ip_network(network) for network in _NETWORKS)
