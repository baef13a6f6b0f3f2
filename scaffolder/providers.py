"""Profiles of the providers: a typed reading of `templates/_data/providers.yml`, which alone knows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from scaffolder.bundle import bundle

T = TypeVar("T")
Command = list[str]
Consistency = Literal["strong", "eventual"]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Source(_Record):
    """Where a fact was read, and when."""

    url: str = Field(pattern=r"^https://")
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class Fact(_Record, Generic[T]):
    """A value and the key of its source."""

    value: T
    source: str


class Range(_Record):
    """What lies between two measured values, and the key of their source."""

    start: float = Field(alias="from", ge=0)
    end: float = Field(alias="to", ge=0)
    source: str


class Runtime(_Record):
    """What runs the code of a target, and how long it may take to answer."""

    title: str
    process: Fact[Literal["isolate", "instance", "function", "server"]]
    cold_start_ms: Range
    timeout_ms: Fact[int]
    down_ms: Fact[int]
    deprecated: Fact[str] | None = None

    @property
    def stays(self) -> bool:
        """Whether one process serves all requests, with its memory, its files and its network."""
        return self.process.value == "server"


class Plan(_Record):
    """The limits that a provider sets on one of its plans; None where it sets none."""

    cpu_ms: Fact[int | None]
    duration_seconds: Fact[int | None]
    memory_mb: Fact[int | None]
    body_bytes: Fact[int | None]


class Quota(_Record):
    """How much of something a store gives for nothing, and the key of the source."""

    count: int
    of: str
    per: Literal["day", "month"]
    source: str


class StoreVerify(_Record):
    """The services that stand for a store on this machine, and how a server is led to them."""

    services: list[str]
    environment: dict[str, str]


class Store(_Record):
    """Where sessions are kept."""

    title: str
    consistency: Fact[Consistency]
    """The most that it gives: one that is strong also serves where eventual is asked for."""
    value_bytes: Fact[int]
    key_bytes: Fact[int]
    free: list[Quota]
    """None where nobody else runs it, or where that is no matter of counting."""
    variables: dict[str, list[str]]
    """What it takes from the environment, each with the other names that it may have there."""
    verify: StoreVerify


class Stores(_Record):
    """The stores of one provider: those that are bound unless another is chosen, and the others."""

    strong: str
    eventual: str
    others: list[str]

    @property
    def ids(self) -> list[str]:
        """All that can be chosen."""
        return list(dict.fromkeys((self.strong, self.eventual, *self.others)))


class Packages(_Record):
    """The npm packages that a provider's files need, under npm's own keys."""

    dependencies: list[str]
    dev_dependencies: list[str] = Field(alias="devDependencies")


class Workflow(_Record):
    """How a workflow deploys: what its environment holds, what it installs, and the lines of its script."""

    secrets: list[str]
    variables: list[str]
    tools: list[str]
    run: Fact[list[str]]


class Protection(_Record):
    """The header that lets a monitor past a vendor's wall, and the variable that holds its value."""

    header: str
    variable: str
    source: str


class Serve(_Record):
    """How a built target is started, and what a request to it has to carry."""

    directory: str
    command: Command
    environment: dict[str, str]
    headers: dict[str, str]


class Verify(_Record):
    """The vendor's own checks, and how its runtime is started."""

    tools: list[str]
    environment: dict[str, str]
    files: dict[str, str]
    check: list[Command]
    build: list[Command]
    version: Command
    serve: Serve


class Profile(_Record):
    """Everything that is known of one provider."""

    title: str
    docs: str
    entry: str
    hosts: list[str]
    default_runtime: str
    runtimes: dict[str, Runtime]
    default_plan: str
    plans: dict[str, Plan]
    stores: Stores
    packages: Packages
    engines: dict[str, str]
    tool: str | None
    dev_origin: str
    scripts: dict[str, str]
    workflow: Workflow
    protection: Protection | None
    secrets_file: str
    ignore: list[str]
    identity: dict[str, dict[str, str]]
    """For each file, the lists of objects in it (dotted) and the key that tells their elements apart."""
    reserved: list[str]
    """Names of variables that the platform or the generated server on it has a use for; `X_*` is a prefix."""
    verify: Verify

    @model_validator(mode="after")
    def _defaults_exist(self) -> Self:
        if self.default_runtime not in self.runtimes or self.default_plan not in self.plans:
            message = f"{self.title}: a default is not among its runtimes or plans"
            raise ValueError(message)
        return self

    @property
    def options(self) -> dict[str, list[str]]:
        """The provider's own choices in `target_options`: a runtime, where it has several."""
        return {"runtime": list(self.runtimes)} if len(self.runtimes) > 1 else {}


class Edge(_Record):
    """Where what comes and goes with the requests is no longer enough."""

    call_seconds: Fact[int]
    memory_mb: Fact[int]


class Registry(_Record):
    """What a public list of servers asks of an entry."""

    title: str
    address: Fact[str] = Field(alias="schema")
    title_characters: Fact[int]
    description_characters: Fact[int]


class ClientNames(_Record):
    """What a client calls a tool, and how long that may be."""

    title: str
    form: str
    characters: Fact[int]


class ClientAlphabet(_Record):
    """The characters that a client takes in the name of a tool, as a set of a regular expression."""

    title: str
    characters: Fact[str]


class ClientTexts(_Record):
    """How much of a description a client reads."""

    title: str
    characters: Fact[int]


class ClientSchemas(_Record):
    """The keywords that the API behind a client refuses at the root of an input schema."""

    title: str
    refused: Fact[list[str]]


class Clients(_Record):
    """What common clients make of a server, beyond what the protocol says."""

    names: list[ClientNames]
    alphabets: list[ClientAlphabet]
    texts: list[ClientTexts]
    schemas: list[ClientSchemas]
    tools: Fact[int]
    call_seconds: Fact[int]


class Facts(_Record):
    """All that `providers.yml` knows: of the providers, and of those who call what is deployed there."""

    sources: dict[str, Source]
    edge: Edge
    registry: Registry
    clients: Clients
    stores: dict[str, Store]
    providers: dict[str, Profile]

    @model_validator(mode="after")
    def _sources_exist(self) -> Self:
        unknown = {source for source in _sources(self) if source not in self.sources}
        if unknown:
            message = f"facts name sources that are not listed: {', '.join(sorted(unknown))}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _stores_exist(self) -> Self:
        for profile in self.providers.values():
            unknown = [store for store in profile.stores.ids if store not in self.stores]
            if unknown:
                message = f"{profile.title} names stores that are not listed: {', '.join(unknown)}"
                raise ValueError(message)
            if self.stores[profile.stores.strong].consistency.value != "strong":
                message = f"{profile.title}: its strong store is not strong"
                raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Bound:
    """The store that holds the sessions of a target, and how consistent they are there."""

    id: str
    store: Store
    consistency: Consistency


def _sources(value: object) -> Iterator[str]:
    """Find the source of every fact, wherever it stands."""
    if isinstance(value, (Fact, Range, Quota, Protection)):
        yield value.source
    elif isinstance(value, BaseModel):
        for _, field in value:
            yield from _sources(field)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _sources(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sources(item)


@cache
def versions() -> Mapping[str, Any]:
    """Read `templates/_data/versions.yml` once: every version that is generated, installed or spoken."""
    text = (bundle() / "templates/_data/versions.yml").read_bytes()
    pins: Mapping[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return pins


@cache
def facts() -> Facts:
    """Read `templates/_data/providers.yml` once."""
    text = (bundle() / "templates/_data/providers.yml").read_bytes()
    return Facts.model_validate(yaml.load(text, yaml.CSafeLoader))


def profiles() -> Mapping[str, Profile]:
    """Give the profiles by provider, in the order of the file."""
    return facts().providers


def bound_store(manifest: Mapping[str, Any], target: str) -> Bound:
    """Give the store of a target of a valid manifest, as `compute_store` of the templates does."""
    own = manifest.get("target_options", {}).get(target, {}).get("session", {})
    wanted = own.get("consistency", manifest.get("session", {}).get("consistency", "strong"))
    stores = profiles()[target].stores
    found = own.get("store", stores.strong if wanted == "strong" else stores.eventual)
    store = facts().stores[found]
    # One that is never strong makes its target eventual, whatever the rest of the manifest asks for.
    return Bound(found, store, wanted if store.consistency.value == "strong" else "eventual")


def keeps_sessions(manifest: Mapping[str, Any]) -> bool:
    """Tell whether a valid manifest needs a store: for tools that keep state, or for the protocol."""
    legacy = manifest.get("transport", {}).get("legacy")
    return legacy == "sessions" or any(tool.get("state") == "session" for tool in manifest["tools"])
