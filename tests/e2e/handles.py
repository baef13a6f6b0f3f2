"""Makes handles as a generated server does, for tests that need one before a server has minted it."""

import uuid

RANDOM_LENGTH = 28


def mint(server: str, principal: str | None = None, random: str | None = None) -> str:
    """Make a handle of a server, by its name; `random` is the part that is not worked out from the rest."""
    chosen = (random or str(uuid.uuid4()))[:RANDOM_LENGTH]
    value = 0x811C9DC5
    parts = [server, chosen] if principal is None else [server, chosen, principal]
    for byte in " ".join(parts).encode():
        value = (value ^ byte) * 0x01000193 % 2**32
    return f"{chosen}{value:08x}"
