"""The stores of providers.yml: what binds one, and that the program and the templates bind the same."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from scaffolder import render
from scaffolder.bundle import bundle
from scaffolder.providers import Facts, bound_store, facts, keeps_sessions, profiles
from scaffolder.serving import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL = {"name": "a", "inputSchema": {"type": "object"}}
STATEFUL = {**TOOL, "state": "session"}


def answers(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what the templates work out from a manifest."""
    return render._templates(bundle())._answers(manifest)  # noqa: SLF001 - what the files are printed from


def choices(provider: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """List every valid choice for all targets together with every one for the provider."""
    consistencies: list[dict[str, str]] = [{}, {"consistency": "strong"}, {"consistency": "eventual"}]
    stores = [{}, *({"store": store} for store in profiles()[provider].stores.ids)]
    for session, consistency, store in product(consistencies, consistencies, stores):
        weak = store and facts().stores[store["store"]].consistency.value != "strong"
        if not (weak and consistency.get("consistency") == "strong"):
            yield session, {**consistency, **store}


@pytest.mark.parametrize("provider", profiles())
def test_the_templates_bind_the_same_store(provider: str) -> None:
    """Whatever is chosen, `verify` and the rules speak of the store that is generated."""
    for session, own in choices(provider):
        options = {provider: {"session": own}} if own else {}
        manifest = {
            "name": "a",
            "targets": list(profiles()),
            "target_options": options,
            "session": session,
            "tools": [STATEFUL],
        }
        worked_out = answers(manifest)
        deployments = worked_out["deployments"]
        assert [(one["id"], one["store"]["id"], one["store"]["consistency"]) for one in deployments] == [
            (target, bound.id, bound.consistency)
            for target in profiles()
            for bound in [bound_store(manifest, target)]
        ]
        weakest = min(one["store"]["consistency"] for one in deployments)
        assert worked_out["server"]["session"]["consistency"] == weakest
        bare = {key: value for key, value in manifest.items() if value}
        assert bound_store(bare, provider) == bound_store(manifest, provider)


@pytest.mark.parametrize("legacy", ["stateless", "sessions", "reject", None])
@pytest.mark.parametrize("tools", [[], [TOOL], [TOOL, STATEFUL]], ids=["none", "stateless", "stateful"])
def test_the_templates_keep_sessions_for_the_same_reasons(
    legacy: str | None, tools: list[dict[str, Any]]
) -> None:
    """A store is generated for tools that keep state or for the protocol's sessions, and else for nothing."""
    transport = {"transport": {"legacy": legacy}} if legacy else {}
    manifest = {"name": "a", "targets": list(profiles()), "tools": tools, **transport}
    worked_out = answers(manifest)
    assert (
        keeps_sessions(manifest)
        == worked_out["server"]["stateful"]
        == (STATEFUL in tools or legacy == "sessions")
    )
    assert all((one["store"] is not None) == keeps_sessions(manifest) for one in worked_out["deployments"])


def test_strong_is_the_default() -> None:
    """Who says nothing gets sessions that hold, on every provider."""
    manifest = {"name": "a", "targets": list(profiles()), "tools": [STATEFUL]}
    for provider, profile in profiles().items():
        bound = bound_store(manifest, provider)
        assert (bound.id, bound.consistency) == (profile.stores.strong, "strong")


def test_every_store_is_some_providers_and_what_it_needs_can_be_started() -> None:
    """Nothing is listed that cannot be chosen, or that `verify` cannot serve."""
    assert {store for profile in profiles().values() for store in profile.stores.ids} == set(facts().stores)
    for store in facts().stores.values():
        assert set(store.verify.services) <= SERVICES
        assert store.verify.environment.keys() <= store.variables.keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strong": "nowhere"}, "names stores that are not listed: nowhere"),
        ({"others": ["upstash", "elsewhere"]}, "names stores that are not listed: elsewhere"),
        ({"strong": "workers-kv"}, "its strong store is not strong"),
    ],
)
def test_a_provider_binds_stores_that_there_are(changes: dict[str, Any], message: str) -> None:
    """A slip in providers.yml is found when it is read."""
    data = facts().model_dump(by_alias=True)
    data["providers"]["cloudflare"]["stores"] |= changes
    with pytest.raises(ValidationError, match=message):
        Facts.model_validate(data)
