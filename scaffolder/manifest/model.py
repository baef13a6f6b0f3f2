"""The models of `mcp.yaml`: strict and frozen; they refuse unknown keys and never fill anything in."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from scaffolder.manifest.fields import (
    MAX_DEPTH,
    REPLACED,
    TEXT,
    ByTarget,
    Json,
    JsonObject,
    Maybe,
    OneOf,
    Text,
    Unique,
    refuse,
    shallow,
)
from scaffolder.manifest.names import (
    Date,
    EnvironmentName,
    Hostname,
    Name,
    Path,
    PropertyName,
    RegistryName,
    TokenName,
    ToolName,
    Url,
    Version,
)
from scaffolder.providers import Consistency, Profile, facts, profiles


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def _only_strong(schema: dict[str, Any]) -> None:
    """Say for editors, and for the messages, which stores can be named together with `strong`."""
    stores = schema["properties"]["store"]["enum"]
    strong = [store for store in stores if facts().stores[store].consistency.value == "strong"]
    if strong != stores:
        schema["if"] = {"properties": {"consistency": {"const": "strong"}}, "required": ["consistency"]}
        schema["then"] = {"properties": {"store": {"enum": strong}}}


class SessionOptions(_Part):
    """Where one target keeps sessions, and how consistently. Each provider has its own stores."""

    model_config = ConfigDict(json_schema_extra=_only_strong)

    consistency: Maybe[Consistency] = Field(
        default=None,
        description="How soon a write is read here, if not as the top-level `session` says.",
        examples=["eventual"],
    )
    store: Maybe[str] = Field(default=None)

    @model_validator(mode="after")
    def _strong_enough(self) -> Self:
        weak = self.store and facts().stores[self.store].consistency.value != "strong"
        if weak and self.consistency == "strong":
            problem = PydanticCustomError("weak_store", "only eventually consistent")
            refuse([InitErrorDetails(type=problem, loc=("store",), input=self.store)])
        return self


def _session_of(provider: str, profile: Profile) -> type[SessionOptions]:
    stores = profile.stores.ids
    described = "; ".join(f"`{store}`, {facts().stores[store].title}" for store in stores)
    return create_model(
        f"{provider.title()}Session",
        __base__=SessionOptions,
        __doc__=f"Where sessions are kept on {profile.title}, and how consistently.",
        store=(
            Annotated[str, OneOf(stores)],
            Field(
                default=None,
                description=f"The store of sessions on {profile.title}: {described}.",
                examples=[stores[-1]],
            ),
        ),
    )


class TargetOptions(_Part):
    """How one target is deployed. Each provider adds its own plans, stores and choices."""

    url: Maybe[Url] = Field(
        default=None,
        description="Where it is deployed: the URL of the MCP endpoint, for the monitor.",
        examples=["https://notes.example.com/mcp"],
    )
    plan: Maybe[str] = Field(default=None)
    session: Maybe[SessionOptions] = Field(default=None)

    def choice(self, option: str) -> str | None:
        """Give what was chosen for an option of the provider's own, or None."""
        chosen: str | None = getattr(self, option, None)
        return chosen


def _options_of(provider: str, profile: Profile) -> type[TargetOptions]:
    choices = {"plan": list(profile.plans), **profile.options}
    fields: dict[str, Any] = {
        name: (
            Annotated[str, OneOf(values)],
            Field(default=None, description=f"The {name} on {profile.title}.", examples=[values[0]]),
        )
        for name, values in choices.items()
    }
    fields["session"] = (
        _session_of(provider, profile),
        Field(
            default=None,
            description="Where sessions are kept here, and how consistently.",
            examples=[{"store": profile.stores.ids[-1]}],
        ),
    )
    return create_model(
        f"{provider.title()}Options",
        __base__=TargetOptions,
        __doc__=f"How it is deployed to {profile.title}.",
        **fields,
    )


class Observed(_Part):
    """Cold starts as they were measured; they calibrate the timeout of the monitor."""

    p95_ms: float = Field(
        gt=0, le=600_000, description="The 95th percentile of observed cold starts.", examples=[420]
    )
    samples: Maybe[Annotated[int, Field(ge=1, le=1_000_000_000)]] = Field(
        default=None, description="How many were observed.", examples=[50]
    )
    date: Maybe[Date] = Field(default=None, description="When, as a quoted date.", examples=["2026-11-22"])


_PROVIDERS = list(profiles())
Target = Annotated[str, OneOf(_PROVIDERS)]
OptionsByTarget = Annotated[
    dict[str, TargetOptions],
    ByTarget({provider: _options_of(provider, profile) for provider, profile in profiles().items()}),
]
ObservedByTarget = Annotated[dict[str, Observed], ByTarget(dict.fromkeys(_PROVIDERS, Observed))]


class Transport(_Part):
    """The HTTP endpoint, and who may use it."""

    path: Maybe[Path] = Field(default=None, description="Path of the endpoint.", examples=["/mcp"])
    response: Maybe[Literal["auto", "json", "sse"]] = Field(
        default=None,
        description="Answer with JSON, with an event stream, or with what the request asks for.",
        examples=["auto"],
    )
    legacy: Maybe[Literal["stateless", "sessions", "reject"]] = Field(
        default=None,
        description=(
            "What clients of the 2025 revisions get: answers without a session, "
            "a session that each of them begins and ends, or a refusal."
        ),
        examples=["stateless"],
    )
    allowed_origins: Maybe[Annotated[list[Hostname], *Unique]] = Field(
        default=None,
        description="Hostnames of the web pages whose scripts may call it.",
        examples=[["app.example.com"]],
    )
    allowed_hosts: Maybe[Annotated[list[Hostname], *Unique]] = Field(
        default=None,
        description="Hostnames it answers to, beside those that the provider gives it.",
        examples=[["notes.example.com"]],
    )
    max_body_bytes: Maybe[Annotated[int, Field(ge=1024, le=104_857_600)]] = Field(
        default=None, description="The largest request that is read.", examples=[1_048_576]
    )


class Session(_Part):
    """The state that is kept from call to call: by tools with `state: session`, and by `legacy: sessions`."""

    ttl_seconds: Maybe[Annotated[int, Field(ge=60, le=31_536_000)]] = Field(
        default=None,
        description="How long a value of a session is kept after it was last written; a minute at least.",
        examples=[1800],
    )
    consistency: Maybe[Consistency] = Field(
        default=None,
        description=(
            "How soon a write is read: `strong`, the default, by every call that starts after it; "
            "`eventual`, in other places up to a minute later, in a cheaper store if there is one."
        ),
        examples=["strong"],
    )


Output = Literal["github-actions", "gatus", "prometheus", "openstatus", "checkly"]


class Monitor(_Part):
    """How the deployed server is watched."""

    interval_seconds: Maybe[Annotated[int, Field(ge=10, le=86_400)]] = Field(
        default=None, description="Time between two probes.", examples=[60]
    )
    failures: Maybe[Annotated[int, Field(ge=1, le=100)]] = Field(
        default=None, description="How many failed probes in a row make an outage.", examples=[3]
    )
    outputs: Maybe[Annotated[list[Output], *Unique]] = Field(
        default=None,
        description="The monitors that a configuration is generated for, beside `monitor.json`.",
        examples=[["github-actions", "gatus"]],
    )
    bearer: Maybe[TokenName] = Field(
        default=None,
        description=(
            "The variable of the monitor's own environment that holds the bearer token it sends, "
            "where the server or something in front of it asks for one: a call without it then has to get "
            "HTTP 401 with a challenge (`WWW-Authenticate`)."
        ),
        examples=["MONITOR_TOKEN"],
    )
    observed: Maybe[ObservedByTarget] = Field(
        default=None,
        description="Measured cold starts, by target.",
        examples=[{_PROVIDERS[0]: {"p95_ms": 420, "samples": 50, "date": "2026-11-22"}}],
    )


class Registry(_Part):
    """The entry of the server in the MCP Registry; with it `server.json` is generated."""

    name: Maybe[RegistryName] = Field(
        default=None,
        description=(
            "Its name there, in a namespace that is yours: `io.github.USER/NAME`, or a domain backwards."
        ),
        examples=["io.github.octocat/notes"],
    )


class ObjectSchema(BaseModel):
    """A JSON Schema of an object, as MCP asks for; everything in it is passed on as it stands."""

    __pydantic_extra__: dict[str, Json]
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="allow",
        json_schema_extra={
            "x-max-depth": MAX_DEPTH,
            "propertyNames": {"type": "string", "pattern": TEXT},
            "additionalProperties": {REPLACED: "JsonValue"},
        },
    )

    type: Literal["object"] = Field(
        description="MCP asks for `object` at the root of a tool's schema.", examples=["object"]
    )
    properties: Maybe[dict[PropertyName, JsonObject]] = Field(
        default=None, description="Schema of each property.", examples=[{"id": {"type": "string"}}]
    )
    required: Maybe[Annotated[list[PropertyName], *Unique]] = Field(
        default=None, description="Properties that have to be there.", examples=[["id"]]
    )

    _shallow = model_validator(mode="before")(shallow)


class Annotations(_Part):
    """What a client may assume of a tool, in MCP's own words; hints, not promises."""

    title: Maybe[Text] = Field(default=None, description="Title for people.")
    read_only: Maybe[bool] = Field(
        default=None, alias="readOnlyHint", description="It changes nothing.", examples=[True]
    )
    destructive: Maybe[bool] = Field(
        default=None,
        alias="destructiveHint",
        description="It may destroy or overwrite something.",
        examples=[False],
    )
    idempotent: Maybe[bool] = Field(
        default=None,
        alias="idempotentHint",
        description="Calling it twice changes no more than once.",
        examples=[True],
    )
    open_world: Maybe[bool] = Field(
        default=None,
        alias="openWorldHint",
        description="It reaches things outside the server.",
        examples=[False],
    )


HANDLE = "session_id"
"""The property that the generator adds to the schemas of a tool with `state: session`."""

_NOT_SERVED = "it may stand in a pasted `tools/list`, but the generated server does not send it: delete it"


class Tool(_Part):
    """One tool, under the names that MCP gives its parts: an entry of `tools/list` can be pasted."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-adds": {"session": HANDLE},
            "x-unsupported": {
                "_meta": _NOT_SERVED,
                "icons": _NOT_SERVED,
                "execution": _NOT_SERVED,
            },
        }
    )

    name: ToolName = Field(description="What clients call it.", examples=["lookup_user"])
    title: Maybe[Text] = Field(default=None, description="Title for people.", examples=["Look up a user"])
    description: Maybe[Text] = Field(
        default=None,
        description="What it does, for the model that decides to call it.",
        examples=["Look up a user by ID."],
    )
    input_schema: ObjectSchema = Field(
        alias="inputSchema",
        description="JSON Schema of its arguments.",
        examples=[{"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}],
    )
    output_schema: Maybe[ObjectSchema] = Field(
        default=None,
        alias="outputSchema",
        description="JSON Schema of its structured result.",
        examples=[{"type": "object", "properties": {"name": {"type": "string"}}}],
    )
    annotations: Maybe[Annotations] = Field(
        default=None, description="What a client may assume of it.", examples=[{"readOnlyHint": True}]
    )
    secrets: Maybe[Annotated[list[EnvironmentName], *Unique]] = Field(
        default=None,
        description="The secrets that it reads, of those declared under `secrets`.",
        examples=[["USERS_API_TOKEN"]],
    )
    state: Maybe[Literal["none", "session"]] = Field(
        default=None,
        description="Whether it keeps something between calls; `session` adds a `session_id` argument.",
        examples=["session"],
    )
    max_seconds: Maybe[Annotated[float, Field(gt=0, le=86_400)]] = Field(
        default=None, description="How long a call may take.", examples=[5]
    )
    renamed_from: Maybe[ToolName] = Field(
        default=None,
        description="The name that it had before, from which `regenerate` carries its handler over.",
        examples=["find_user"],
    )


class Manifest(_Part):
    """One MCP server: its tools, its state, its secrets and the runtimes it is deployed to."""

    model_config = ConfigDict(
        title="mcp.yaml",
        json_schema_extra={
            "x-references": {"secrets": "tools"},
            "x-disjoint": ["secrets", "vars"],
        },
    )

    name: Name = Field(
        description="Name of the server; it names the worker, the app and the service.", examples=["notes"]
    )
    version: Maybe[Version] = Field(
        default=None, description="Version of the server, quoted if it has one dot.", examples=["0.1.0"]
    )
    title: Maybe[Text] = Field(default=None, description="Title for people.", examples=["Notes"])
    description: Maybe[Text] = Field(
        default=None,
        description="What the server does, in a sentence.",
        examples=["Draft and look up notes from any MCP client."],
    )
    instructions: Maybe[Text] = Field(
        default=None,
        description="How to use the tools together; clients hand it to the model.",
        examples=["Look a note up before changing it."],
    )
    targets: Annotated[list[Target], Field(min_length=1), *Unique] = Field(
        description="The runtimes it is generated for.", examples=[_PROVIDERS[:2]]
    )
    target_options: Maybe[OptionsByTarget] = Field(
        default=None,
        description="How each target is deployed.",
        examples=[{_PROVIDERS[0]: {"url": "https://notes.example.com/mcp"}}],
    )
    transport: Maybe[Transport] = Field(default=None, examples=[{"path": "/mcp"}])
    session: Maybe[Session] = Field(default=None, examples=[{"ttl_seconds": 1800}])
    secrets: Maybe[dict[EnvironmentName, Text]] = Field(
        default=None,
        description="Secrets by name, each with what it is for; never a value.",
        examples=[{"USERS_API_TOKEN": "Token for the users API."}],
    )
    vars: Maybe[dict[EnvironmentName, Text]] = Field(
        default=None,
        description="Settings by name, each with its value; text, so quote numbers.",
        examples=[{"LOG_LEVEL": "info"}],
    )
    tools: list[Tool] = Field(
        description="The tools that it serves.",
        examples=[[{"name": "lookup_user", "inputSchema": {"type": "object"}}]],
        json_schema_extra={"x-unique-by": "name"},
    )
    monitor: Maybe[Monitor] = Field(default=None, examples=[{"interval_seconds": 60}])
    registry: Maybe[Registry] = Field(default=None, examples=[{"name": "io.github.octocat/notes"}])
