"""Rules about where a server runs: what its runtimes and plans cannot give to what it declares."""

from collections.abc import Iterator, Sequence

from scaffolder.manifest import Loaded
from scaffolder.manifest.findings import Place, path
from scaffolder.manifest.wording import code
from scaffolder.providers import Bound, bound_store, facts, keeps_sessions, profiles
from scaffolder.rules.remarks import (
    Deployment,
    Limit,
    Remark,
    both,
    deployments,
    on_demand,
    seconds,
    servers,
)

_ADVICE = "start the work in one tool and fetch its result with another"


def deprecated_runtime(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a target that runs on what its vendor has deprecated.

    Why: it works until the vendor removes it, and gets no better before.

    What to do: choose another runtime under `target_options`, or leave the key out to get the
    provider's default.
    """
    for one in deployments(loaded.manifest):
        if one.runtime.deprecated:
            yield Remark(
                ("target_options", one.target, "runtime"),
                f"the runtime {code(one.runtime_id)} of `{one.target}` is deprecated",
                f"the default is `{one.profile.default_runtime}`",
                one.runtime.deprecated.value.removesuffix("."),
            )


def deprecations() -> Iterator[Limit]:
    """Say which runtimes are deprecated."""
    for profile in profiles().values():
        for runtime in profile.runtimes.values():
            if runtime.deprecated:
                yield Limit(f"{profile.title}, {runtime.title}", "deprecated", runtime.deprecated.source)


def over_time_limit(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a tool whose `max_seconds` passes the time that a target's plan gives a call.

    Why: the platform ends the call at its limit, whatever the tool still has to do, and the client
    sees a gateway error instead of an answer.

    What to do: choose a plan that allows it under `target_options`; or lower `max_seconds`; or
    start the work in one tool and fetch its result with another; or deploy the tool where a process
    stays (see `mcp-scaffold check --explain edge-or-server`).
    """
    targets = list(deployments(loaded.manifest))
    for index, tool in enumerate(loaded.manifest.tools):
        wanted = tool.max_seconds or 0
        over = [one for one in targets if (one.plan.duration_seconds.value or wanted) < wanted]
        if over:
            ends = [
                f"{one.title} ends it after {seconds(limit)} on the plan `{one.plan_id}`"
                for one in over
                if (limit := one.plan.duration_seconds.value)
            ]
            fits = [
                f"{one.title}'s plan `{name}` allows it"
                for one in over
                for name, plan in one.profile.plans.items()
                if (plan.duration_seconds.value or wanted) >= wanted
            ]
            yield Remark(
                ("tools", index, "max_seconds"),
                f"a call of `{tool.name}` may take {seconds(wanted)}, but {both(ends)}",
                None,
                "; or ".join([*fits, _ADVICE]),
            )


def durations() -> Iterator[Limit]:
    """Say how long a call may take, by plan."""
    for profile in profiles().values():
        for name, plan in profile.plans.items():
            limit = plan.duration_seconds
            value = seconds(limit.value) if limit.value else "no limit"
            yield Limit(f"{profile.title}, plan {name}", value, limit.source)


def long_call(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a tool that may take longer than what suits an edge runtime.

    Why: where no process stays, what runs long is ended when its processor time is used up or its
    instance is replaced, and then all of it is lost. Most clients also give up on a call after a
    minute unless they were told otherwise.

    What to do: start the work in one tool and fetch its result with another; or deploy the tool
    where a process stays (see `mcp-scaffold check --explain edge-or-server`). A target whose plan
    sets a time for a call is left to `over-time-limit`.
    """
    longest = facts().edge.call_seconds.value
    edges = on_demand(loaded.manifest)
    for index, tool in enumerate(loaded.manifest.tools):
        wanted = tool.max_seconds or 0
        if wanted <= longest:
            continue
        slow = [one.title for one in edges if one.plan.duration_seconds.value is None]
        if slow:
            yield Remark(
                ("tools", index, "max_seconds"),
                f"a call of `{tool.name}` may take {seconds(wanted)}, but no process stays on {both(slow)}",
                f"an edge runtime suits calls of up to {seconds(longest)}",
                f"{_ADVICE}, or deploy it on a server such as {both(servers())}",
            )


def call_times() -> Iterator[Limit]:
    """Say what a call should keep to at the edge, and what processor time it gets there."""
    edge, clients = facts().edge.call_seconds, facts().clients.call_seconds
    yield Limit("an edge runtime", seconds(edge.value), edge.source)
    yield Limit("a client on the TypeScript SDK", seconds(clients.value), clients.source)
    for profile in profiles().values():
        for name, plan in profile.plans.items():
            if plan.cpu_ms.value:
                limit = f"{seconds(plan.cpu_ms.value / 1000)} of processor time"
                yield Limit(f"{profile.title}, plan {name}", limit, plan.cpu_ms.source)


def session_on_eventual_store(loaded: Loaded) -> Iterator[Remark]:
    """Warn of a tool that keeps state where it is only eventually consistent.

    Why: no process stays at the edge to hold the state of a session, so the generated server keeps
    it in a store. Where that is eventually consistent, a call may read what an earlier call has
    replaced already; a tool that reads a value, changes it and writes it back can lose the change,
    and `session.update`, which would not, is missing from its type on every target.

    What to do: set `session.consistency: strong`, which is the default, or choose a store that is
    strong; what `target_options.<target>.session` says goes first. Otherwise write each key once,
    or let a late change be harmless. If the state fits in the arguments and the results of the
    tools, a tool without state needs no store at all.
    """
    stateful = [index for index, tool in enumerate(loaded.manifest.tools) if tool.state == "session"]
    late = _late(loaded)
    if not stateful or not late:
        return
    first, *others = stateful
    names = [f"`{loaded.manifest.tools[first].name}`"]
    if others:
        more = f"{len(others)} other tools"
        names.append(f"`{loaded.manifest.tools[others[0]].name}`" if len(others) == 1 else more)
    yield Remark(
        ("tools", first, "state"),
        f"{both(names)} may read state that an earlier call has replaced",
        _lateness(late),
        f"{_cure(loaded, late)}; or write each key once",
    )


def protocol_session_on_eventual_store(loaded: Loaded) -> Iterator[Remark]:
    """Warn of `legacy: sessions` where sessions are only eventually consistent.

    Why: a client begins a session, and sends its next request within milliseconds. Where that one
    reaches another location, the store may not know the session there yet; the server has to
    answer with 404, and clients exist that never begin anew. What a client has ended may live on
    for as long.

    What to do: set `session.consistency: strong`, which is the default, or choose a store that is
    strong; what `target_options.<target>.session` says goes first. Or choose `legacy: stateless`,
    with which the handles of session tools work as well.
    """
    transport, late = loaded.manifest.transport, _late(loaded)
    if transport and transport.legacy == "sessions" and late:
        yield Remark(
            ("transport", "legacy"),
            "a session that a client has just begun may be unknown to its next request",
            _lateness(late),
            f"{_cure(loaded, late)}; or choose `stateless`",
        )


def _late(loaded: Loaded) -> list[tuple[Deployment, Bound]]:
    """Give the targets where sessions are eventually consistent, each with its store."""
    bound = [(one, bound_store(loaded.raw, one.target)) for one in deployments(loaded.manifest)]
    return [(one, store) for one, store in bound if store.consistency == "eventual"]


def _lateness(late: Sequence[tuple[Deployment, Bound]]) -> str:
    where = both(f"{bound.store.title} ({one.title})" for one, bound in late)
    return f"consistency is `eventual` in {where}"


def _cure(loaded: Loaded, late: Sequence[tuple[Deployment, Bound]]) -> str:
    """Say what to set for strong consistency, next to what asks for less, and what that binds."""
    options = loaded.manifest.target_options or {}
    cures, binds = [], []
    for one, bound in late:
        own = options[one.target].session if one.target in options else None
        place, store = f"target_options.{one.target}.session", bound.store
        if store.consistency.value == "eventual":
            store = facts().stores[one.profile.stores.strong]
        if own and own.store and store != bound.store:
            cures.append(f"`{place}: {{ consistency: strong }}`")
        elif own and own.consistency:
            cures.append(f"`{place}.consistency: strong`")
        else:
            cures.append("`session.consistency: strong`")
        binds.append(f"{store.title} ({one.title})")
    return f"set {both(dict.fromkeys(cures))} for {both(binds)}"


def consistencies() -> Iterator[Limit]:
    """Say how consistent each store is, and where it is bound or can be."""
    for name, store in facts().stores.items():
        where = [profile.title for profile in profiles().values() if name in profile.stores.ids]
        consistency = store.consistency
        yield Limit(f"{store.title} on {both(where)}", consistency.value, consistency.source)


def unused_session(loaded: Loaded) -> Iterator[Remark]:
    """Warn of what is said of sessions where nothing keeps state.

    Why: without a tool that has `state: session`, and without `legacy: sessions`, no store is
    generated and nothing is kept, so how long, how consistently and where has no effect.

    What to do: give the tool that is to keep state `state: session`, or delete what is said.
    """
    manifest = loaded.manifest
    if keeps_sessions(loaded.raw):
        return
    places: list[Place] = [("session",)] if manifest.session and manifest.session.model_fields_set else []
    for target, options in (manifest.target_options or {}).items():
        if target in manifest.targets and options.session and options.session.model_fields_set:
            places.append(("target_options", target, "session"))
    for place in places:
        yield Remark(
            place,
            f"{code(path(place))} has no effect: no tool has `state: session`",
            None,
            "give it to the tool that is to keep state, or delete this",
            key=True,
        )


def stream_on_edge(loaded: Loaded) -> Iterator[Remark]:
    """Warn of event streams that are asked of a runtime where no process stays.

    Why: with `response: sse` every answer is a stream, and a connection stays open for each call.
    Instances that come and go cut long streams, and some platforms bill the time. A WebSocket
    would last no longer; it is not a transport of MCP, and no value of `response`.

    What to do: choose `auto`, which streams only where a request needs it, or `json`. For clients
    that know nothing but streams, deploy on a server.
    """
    transport = loaded.manifest.transport
    edges = on_demand(loaded.manifest)
    if transport and transport.response == "sse" and edges:
        yield Remark(
            ("transport", "response"),
            f"every answer is an event stream, but no process stays on {both(one.title for one in edges)}",
            None,
            f"choose `auto` or `json`; long streams belong on a server such as {both(servers())}",
        )


def options_without_target(loaded: Loaded) -> Iterator[Remark]:
    """Warn of options, or of measured cold starts, for what is not among the targets.

    Why: nothing is generated for them, so they say something that is not so.

    What to do: add the provider to `targets`, or delete what is said of it.
    """
    manifest = loaded.manifest
    observed = manifest.monitor.observed if manifest.monitor else None
    for place, what, mapping in (
        (("target_options",), "options", manifest.target_options or {}),
        (("monitor", "observed"), "measured cold starts", observed or {}),
    ):
        for name in mapping:
            if name not in manifest.targets:
                yield Remark(
                    (*place, name),
                    f"`{name}` has {what}, but is not among the `targets`",
                    None,
                    "add it there, or delete this",
                    key=True,
                )
