"""Rules about settings: values that mean something on one machine, or in one network, and nowhere else."""

import re
from collections.abc import Iterator

from scaffolder.manifest import Loaded
from scaffolder.manifest.wording import code
from scaffolder.rules.networks import private_hosts
from scaffolder.rules.remarks import Remark, both, on_demand

# A path that means something on one machine alone. Paths of URLs look the same, hence the well-known folders.
# As text, for few manifests need it compiled.
_LOCAL_FILE = (
    r"file:/|~/|\.{1,2}[/\\]|[A-Za-z]:[\\/]"
    r"|/(?:etc|var|home|root|opt|usr|srv|mnt|run|proc|Users|Volumes)/"
    r"|[^:?#\s]*\.(?:pem|key|crt|cer|p12|pfx|jks|sqlite3?|db)$"
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
        host = next(private_hosts(value), None)
        if host:
            yield Remark(
                ("vars", name),
                f"`{name}` names {code(host)}, a private address that {both(one.title for one in edges)} "
                "cannot reach",
                None,
                "give the service a public address behind authentication, or deploy inside its network",
            )
