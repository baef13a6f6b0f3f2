"""What only one machine, or one network, can reach."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

# As text, for few manifests need any of them compiled.
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


def private_hosts(value: str) -> Iterator[str]:
    """Find the private hosts that a setting names: in URLs, or in a list with or without ports."""
    urls = re.findall(_URL, value)
    for url in urls:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            continue
        alone = host.isidentifier() or host.replace("-", "").isalnum()
        if is_private(host) or (host and alone and parts.scheme.lower() in _SCHEMES):
            yield host
    for item in re.split(r"[,\s]+", value) if not urls else ():
        match = re.fullmatch(_HOST, item)
        yield from (host for host in {item, match[1] if match else item} if is_private(host))


def is_private(host: str) -> bool:
    """Tell whether a host, by name or by address, is none of the public internet's."""
    import ipaddress  # noqa: PLC0415 - for the few manifests with settings

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(_PRIVATE_NAME, host))
    return any(address in ipaddress.ip_network(network) for network in _NETWORKS)
