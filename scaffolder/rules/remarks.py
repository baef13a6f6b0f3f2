"""What rules are made of: a remark about a place, a limit with its source, a target with its facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scaffolder.diagnostics import Span
from scaffolder.manifest import Manifest
from scaffolder.manifest.findings import Place
from scaffolder.providers import Plan, Profile, Runtime, profiles


@dataclass(frozen=True, slots=True)
class Remark:
    """What a rule has to say, and of which place: the keys and indexes that lead there."""

    place: Place
    message: str
    label: str | None = None
    help: str | None = None
    key: bool = False
    """Whether the key is meant, and not its value."""
    span: Span | None = None
    """Where it stands, if no place of the manifest says so."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a rule goes by: of whom it is said, what, and the key of the source."""

    of: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """One target of a manifest, with the facts that hold for what was chosen there."""

    target: str
    profile: Profile
    runtime_id: str
    plan_id: str

    @property
    def runtime(self) -> Runtime:
        """What runs the code."""
        return self.profile.runtimes[self.runtime_id]

    @property
    def plan(self) -> Plan:
        """The limits of the plan."""
        return self.profile.plans[self.plan_id]

    @property
    def title(self) -> str:
        """The name of the target, for people."""
        return self.profile.title


def deployments(manifest: Manifest) -> Iterator[Deployment]:
    """Give the targets in their order, with what was chosen for them or else the defaults."""
    options = manifest.target_options or {}
    for target in manifest.targets:
        profile = profiles()[target]
        chosen = options.get(target)
        runtime = chosen.choice("runtime") if chosen else None
        plan = chosen.choice("plan") if chosen else None
        yield Deployment(target, profile, runtime or profile.default_runtime, plan or profile.default_plan)


def on_demand(manifest: Manifest) -> list[Deployment]:
    """Give the targets at the edge, whose process comes and goes with the requests."""
    return [one for one in deployments(manifest) if not one.runtime.stays]


def servers() -> list[str]:
    """Name the providers where a process stays."""
    return [
        profile.title for profile in profiles().values() if profile.runtimes[profile.default_runtime].stays
    ]


def processes() -> Iterator[Limit]:
    """Say of every runtime what runs the code."""
    for profile in profiles().values():
        for runtime in profile.runtimes.values():
            of = profile.title if len(profile.runtimes) == 1 else f"{profile.title}, {runtime.title}"
            yield Limit(of, runtime.process.value, runtime.process.source)


def both(names: Iterable[str]) -> str:
    """Join what holds for all of them, as a sentence does."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def seconds(value: float) -> str:
    """Write a time without needless decimals."""
    return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", " ") + " s"
