"""What a session promises: one contract, on every real store from every real runtime that has it."""

from __future__ import annotations

import json
import re
import resource
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from e2e import stores
from e2e.handles import mint
from e2e.stores import CASES, NAME, NOTHING, Case, Fleet, Server, Session, Update

from scaffolder import probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from toolchain import Toolchain

pytestmark = pytest.mark.slow

BY_NAME = {case.name: case for case in CASES}
STRONG = [case for case in CASES if case.strong]

MAYBE = "The change may or may not have been kept."
UNCHANGED = "Nothing was changed."
NO_HELP = "Trying again will not help"

ROUNDS = 20
CALLS = 50

DEEP: Any = "at the bottom"
for _ in range(100):
    DEEP = {"down": [DEEP]}

VALUES: Mapping[str, Any] = {
    "the empty string": "",
    "null": None,
    "false": False,
    "zero": 0,
    "the largest safe integer": 2**53 - 1,
    "a small fraction": 5e-324,
    "the empty list": [],
    "the empty object": {},
    "spaces": "  \t\r\n ",
    "all of latin-1": "".join(map(chr, range(256))),
    "bytes that are no UTF-8, as text": "\x00\x80\xff\xfe\xc3\x28",
    "line separators": "\u2028\u2029\x85\x0b",
    "emoji and a byte order mark": "\ufeff👩‍👩‍👧‍👦 e\u0301 𐍈",
    "a lone surrogate": "high \ud800, low \udfff, swapped \udc00\ud83d",
    "noncharacters": "\ufffe\uffff\ufdd0\U0010ffff",
    "text that looks like JSON": '{"a": "\\u0000"}',
    "text that looks like a stored one": "99999999999999 00000000-0000-4000-8000-000000000000 1",
    "text that looks like a reply of Redis": "$-1\r\n*0\r\n+OK\r\n",
    "deep": DEEP,
    "keys that mean something": {"__proto__": {"a": 1}, "constructor": 1, "toJSON": 2, "": 3, "\u0000": 4},
    "long": "0123456789abcdef" * 2000,
}

KEYS = (
    "",
    " ",
    "a",
    "A",
    "a ",
    "a:",
    "a:b",
    "a/b",
    "a.b",
    "a*",
    "a%",
    "a%00",
    "a\u0000",
    "a\u0000b",
    "a\\u0000",
    "a\nb",
    'a"b',
    "a\\",
    "á",
    "a\u0301",
    "\u2028",
    "😀",
    "\ud83d",
    "\ude00",
    "\ufffd",
    "\\ud83d",
    "constructor",
    "__proto__",
    "undefined",
    "readyz",
    "..",
    "?",
    "[a-z]",
    "x" * 300,
    "x" * 301,
)


@pytest.fixture(scope="module")
def fleet(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Serve every store on every runtime that has it, all at once."""
    with stores.fleet(tmp_path_factory.mktemp("stores"), toolchain) as serving:
        yield serving


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Give each store and runtime."""
    given: Case = request.param
    return given


@pytest.fixture(params=STRONG, ids=lambda case: case.name)
def strong(request: pytest.FixtureRequest) -> Case:
    """Give each that is strongly consistent."""
    given: Case = request.param
    return given


@pytest.fixture
def session(case: Case, fleet: Fleet) -> Session:
    """Begin a session."""
    return fleet.first(case).session()


@pytest.fixture
def strong_session(strong: Case, fleet: Fleet) -> Session:
    """Begin a session in a strong store."""
    return fleet.first(strong).session()


def keep_all(session: Session, values: Mapping[str, Any]) -> None:
    """Keep values at once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: session.set(key, values[key]), values))


def read_all(session: Session, keys: Any) -> dict[str, Any]:
    """Read keys at once."""
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(keys, pool.map(session.get, keys), strict=True))


def test_a_value_comes_back_as_it_was(session: Session) -> None:
    """Whatever JSON can say is read as it was written, and what was never written is nothing."""
    keep_all(session, VALUES)
    assert read_all(session, VALUES) == VALUES
    assert session.get("never written") is NOTHING


def test_a_value_takes_the_place_of_another(session: Session) -> None:
    """The last write counts, be it shorter or of another type."""
    for value in ("long" * 100, [1, 2], None, "x"):
        session.set("key", value)
        assert session.get("key") == value


def test_keys_do_not_meet(session: Session) -> None:
    """Two keys that differ in anything are two, and deleting one leaves the others."""
    values = {key: f"{number} {key!a}" for number, key in enumerate(KEYS)}
    keep_all(session, values)
    assert read_all(session, KEYS) == values
    gone = KEYS[::2]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: session.call("delete", key=key), gone))
    assert read_all(session, KEYS) == values | dict.fromkeys(gone, NOTHING)


def test_sessions_do_not_meet(session: Session) -> None:
    """The same keys in two sessions are two each, and clearing one session leaves the other."""
    other = session.server.session()
    for one in (session, other):
        keep_all(one, {key: f"{one.id} {key}" for key in ("a", "b", "a:b")})
    session.call("clear")
    assert set(read_all(session, ["a", "b", "a:b"]).values()) == {NOTHING}
    assert other.get("a:b") == f"{other.id} a:b"
    session.set("a", "again")
    assert (session.get("a"), other.get("a")) == ("again", f"{other.id} a")


def test_principals_do_not_meet(session: Session) -> None:
    """Another's handle is no handle, and one forged of it leads nowhere."""
    server = session.server
    session.set("key", "of nobody in particular")
    owners = [Session(server, mint(NAME, name, session.id), name) for name in ("alice", "bob", "alice.bob")]
    for owner in owners:
        assert "session_id is not a handle" in Session(server, session.id, owner.principal).refused(
            "get", key="key"
        )
        assert owner.get("key") is NOTHING
        owner.set("key", owner.principal)
    alice, bob, both = owners
    bob.call("clear")
    assert [one.get("key") for one in (session, alice, bob, both)] == [
        "of nobody in particular",
        "alice",
        NOTHING,
        "alice.bob",
    ]
    session.call("clear")
    assert alice.get("key") == "alice"


def test_a_handle_is_all_or_nothing(session: Session) -> None:
    """What is a part of a handle, or more than one, is refused before the store is asked."""
    session.set("key", "value")
    for handle in (
        session.id[:-1],
        f"{session.id}:",
        f"{session.id}:key",
        f"{session.id}\u0000",
        f"{session.id}\n",
        f" {session.id}",
        session.id.upper(),
        f"mcp.{session.id}",
        str(uuid.uuid4()),
        "*",
        "",
    ):
        assert "session_id is not a handle" in Session(session.server, handle).refused("get", key="key")
    assert Session(session.server, mint(NAME)).get("key") is NOTHING


def test_delete_and_clear(session: Session) -> None:
    """What is deleted is gone, deleting nothing is no error, and a cleared session can be used again."""
    session.call("delete", key="never written")
    session.call("clear")
    keep_all(session, {"a": 1, "b": 2, "c": 3})
    session.call("delete", key="a")
    assert read_all(session, "abc") == {"a": NOTHING, "b": 2, "c": 3}
    session.call("clear")
    assert read_all(session, "abc") == {"a": NOTHING, "b": NOTHING, "c": NOTHING}
    session.set("a", "again")
    assert session.get("a") == "again"


def test_clear_reaches_every_key(case: Case, session: Session) -> None:
    """However many keys a session has, none of them is left."""
    # More than a page of a list, or one atomic operation, has; Redis and SQLite know neither.
    count = 1010 if case.store in {"workers-kv", "deno-kv"} else 150
    session.call("scatter", count=count)
    some = [f"scattered {at}" for at in (0, 99, 100, count - 50, count - 1)]
    assert read_all(session, some) == {key: key for key in some}
    session.call("clear")
    assert set(read_all(session, some).values()) == {NOTHING}


@dataclass(frozen=True, slots=True)
class Timed:
    """Sessions in which some keys end, and when it is that they have ended."""

    sessions: Mapping[str, Session]
    due: float

    def wait(self) -> None:
        """Wait for it."""
        time.sleep(max(0.0, self.due - time.monotonic()))


@pytest.fixture(scope="module")
def timed(fleet: Fleet) -> Timed:
    """Write what will end everywhere, so that the waiting is done once."""
    sessions = {case.name: fleet.first(case).session() for case in CASES}

    def write(case: Case) -> None:
        session = sessions[case.name]
        session.set("long", "lives", ttlSeconds=600)
        session.set("default", "lives")
        session.set("short", "ends", ttlSeconds=1)
        session.set("shorter", "ends", ttlSeconds=0.25)
        session.set("shortened", "lives", ttlSeconds=600)
        session.set("shortened", "ends", ttlSeconds=1)
        session.set("renewed", "ends", ttlSeconds=2)
        session.set("renewed", "lives", ttlSeconds=600)
        session.set("renewed by default", "ends", ttlSeconds=2)
        session.set("renewed by default", "lives")
        if case.strong:
            session.set("updated", 1, ttlSeconds=2)
            session.update("updated", ttlSeconds=600)
            session.set("counted", 41, ttlSeconds=1)
            session.update("begun", ttlSeconds=1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, CASES))
    return Timed(sessions, time.monotonic() + 2.1)


def test_a_value_ends_with_its_time(case: Case, timed: Timed) -> None:
    """A value is gone when its time is up, and one that lives longer is not taken with it."""
    timed.wait()
    assert read_all(timed.sessions[case.name], ["short", "shorter", "shortened", "long", "default"]) == {
        "short": NOTHING,
        "shorter": NOTHING,
        "shortened": NOTHING,
        "long": "lives",
        "default": "lives",
    }


def test_a_write_renews_the_time(case: Case, timed: Timed) -> None:
    """A value lives for its time since it was last written, whatever it had before."""
    timed.wait()
    session = timed.sessions[case.name]
    assert read_all(session, ["renewed", "renewed by default"]) == {
        "renewed": "lives",
        "renewed by default": "lives",
    }


def test_an_update_sees_what_has_ended_as_nothing(strong: Case, timed: Timed) -> None:
    """It starts anew from what has ended, and renews what has not."""
    timed.wait()
    session = timed.sessions[strong.name]
    assert session.get("updated") == 2
    assert session.get("begun") is NOTHING
    assert session.update("counted") == Update(1, NOTHING, 1)
    assert session.update("begun") == Update(1, NOTHING, 1)


def test_a_time_that_is_none(session: Session) -> None:
    """A value lives neither longer than its session nor for no time, and is refused before it is written."""
    session.set("key", "before")
    for seconds in (stores.TTL_SECONDS + 1, 0, -1, 1e300):
        assert "ttlSeconds" in session.refused("set", key="key", value="after", ttlSeconds=seconds)
    assert session.get("key") == "before"


def read_limit(session: Session, tool: str, **arguments: Any) -> int:
    """Ask for more than any store takes, and read the limit from the refusal."""
    found = re.search(r"the most is (\d+)", session.refused(tool, **arguments))
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("unit", ["x", "é", "€", "😀"])
def test_a_value_of_the_largest_size(unit: str, case: Case, session: Session) -> None:
    """One of exactly the limit is kept, one byte more is refused with both numbers and changes nothing."""
    documented = stores.documented_limit(case.store)
    most = read_limit(session, "fill", key="large", bytes=documented + 1, unit=unit)
    # What the store needs beside the value is no more than a key and a half of it.
    assert documented * 0.9 <= most <= documented
    session.call("fill", key="large", bytes=most, unit=unit)
    assert session.call("fill", key="large", bytes=most, unit=unit, check=True) == "intact"
    refusal = session.refused("fill", key="large", bytes=most + 1, unit=unit)
    assert f"a value has {most + 1} bytes, the most is {most}" in refusal
    assert UNCHANGED in refusal
    if unit == "€":
        far = session.refused("fill", key="large", bytes=most * 3, unit=unit)
        assert f"a value has {most * 3} bytes, the most is {most}" in far
    assert session.call("fill", key="large", bytes=most, unit=unit, check=True) == "intact"
    session.call("clear")


def test_a_key_of_the_largest_size(case: Case, session: Session) -> None:
    """One of exactly the limit holds the largest value, one byte more is refused by every operation."""
    key = "k" * 100_000
    too_large = stores.documented_limit(case.store) + 1
    if not session.server.call("get", session_id=session.id, key=key).result.get("isError"):
        # A store that takes any key is asked for no more than a request can hold.
        session.set(key, "kept")
        assert session.get(key) == "kept"
        return
    most = read_limit(session, "get", key=key)
    for unit in ("k", "€"):
        longest = unit * (most // len(unit.encode())) + "-" * (most % len(unit.encode()))
        session.set(longest, "kept")
        assert session.get(longest) == "kept"
        value = read_limit(session, "fill", key=longest, bytes=too_large, unit="x")
        session.call("fill", key=longest, bytes=value, unit="x")
        assert session.call("fill", key=longest, bytes=value, unit="x", check=True) == "intact"
        for tool, arguments in (("get", {}), ("set", {"value": 1}), ("delete", {})):
            refusal = session.refused(tool, key=longest + "-", **arguments)
            assert f"a key has {most + 1} bytes, the most is {most}" in refusal
    session.call("clear")


def test_parallel_writers_of_different_keys(case: Case, fleet: Fleet) -> None:
    """All that is written at once, through whichever instance, is there."""
    first = fleet.first(case).session()
    # Workers KV is not shared between instances on one machine.
    second = first.at(fleet.second(case)) if case.strong else first
    keys = [f"key {number}" for number in range(40)]
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda at: (first, second)[at % 2].set(keys[at], at), range(40)))
    assert read_all(first, keys) == {key: at for at, key in enumerate(keys)}


def test_a_session_goes_on_at_another_instance(strong: Case, fleet: Fleet) -> None:
    """What one instance has written, deleted or cleared is so for the other at once."""
    first = fleet.first(strong).session()
    second = first.at(fleet.second(strong))
    assert first.server.endpoint.origin != second.server.endpoint.origin
    for turn in range(5):
        first.set("a", {"turn": turn})
        assert second.get("a") == {"turn": turn}
        for session in (second, first):
            count = session.update("n")
            assert count.attempts == 1
        assert count.value == 2 * turn + 2
        second.set("b", turn)
        assert first.get("b") == turn
        first.call("delete", key="b")
        assert second.get("b") is NOTHING
    second.call("clear")
    assert read_all(first, "abn") == {"a": NOTHING, "b": NOTHING, "n": NOTHING}


@pytest.mark.parametrize("store", dict.fromkeys(case.store for case in STRONG))
def test_no_update_is_lost(store: str, fleet: Fleet) -> None:
    """Fifty parallel updates through two instances end with fifty applied, twenty times over."""
    cases = [case for case in STRONG if case.store == store]

    def contend(number: int) -> None:
        # Where several runtimes have a store, they take turns.
        case = cases[number % len(cases)]
        first = fleet.first(case).session()
        second = first.at(fleet.second(case))
        with ThreadPoolExecutor(CALLS) as pool:
            answers = list(pool.map(lambda at: (first, second)[at % 2].update("n"), range(CALLS)))
        assert sorted(answer.value for answer in answers) == list(range(1, CALLS + 1))
        assert first.get("n") == second.get("n") == CALLS

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(contend, range(ROUNDS)))


def test_updates_that_begin_and_remove(strong: Case, fleet: Fleet) -> None:
    """Of a value that comes and goes under many hands, what is removed in the end is all that was added."""
    first = fleet.first(strong).session()
    sessions = (first, first.at(fleet.second(strong)))
    hows = [{}, {}, {"how": "remove"}] * 12
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda at: sessions[at % 2].update("n", **hows[at]), range(len(hows))))
    removals = [answer for answer in answers if answer.value is NOTHING]
    assert len(removals) == 12
    answers.append(first.update("n", how="remove"))
    assert sum(answer.before for answer in [*removals, answers[-1]] if answer.before is not NOTHING) == 24
    assert first.get("n") is NOTHING
    assert first.update("n", how="remove") == Update(NOTHING, NOTHING, 1)


def test_a_change_that_throws(strong_session: Session) -> None:
    """An update whose own code fails is an error in its words, and leaves the value as it was."""
    session = strong_session
    session.set("n", 1)
    assert session.refused("update", key="n", how="throw") == "no change after all"
    assert "ttlSeconds" in session.refused("update", key="n", ttlSeconds=stores.TTL_SECONDS + 1)
    assert session.get("n") == 1


# What a model is told: what happened, what became of a write, and what to do.
REPORTS: Mapping[str, tuple[str, str, str]] = {
    "unavailable": ("cannot be reached", MAYBE, "Try again in a minute."),
    "slow": ("did not answer in time", MAYBE, "Try again in a minute."),
    "throttled": ("takes no more requests for the moment", UNCHANGED, "Try again in a few seconds."),
    "quota": ("quota of the session store is spent", UNCHANGED, NO_HELP),
    "misconfigured": ("is not set up as it has to be", UNCHANGED, NO_HELP),
}


def readiness(server: Server) -> tuple[int, str]:
    """Ask /readyz; return its status, and what it says of the store."""
    answer = probe.get(f"{server.endpoint.origin}/readyz", server.endpoint.headers, timeout=30)
    assert answer is not None
    status, text = answer
    return status, json.loads(text).get("store", "")


def healthy(server: Server) -> bool:
    """Ask /healthz."""
    answer = probe.get(f"{server.endpoint.origin}/healthz", server.endpoint.headers)
    return answer is not None and answer[0] == 200


def assert_refusals(session: Session, trouble: str, *, strong: bool, writes_only: bool = False) -> None:
    """Check what the tools answer while a store is in trouble, and that the server goes on."""
    what, effect, advice = REPORTS[trouble]
    if not writes_only:
        read = session.refused("get", key="n")
        assert what in read
        assert advice in read
    write = session.refused("set", key="n", value="overwritten")
    assert what in write
    assert effect in write
    assert advice in write
    if strong:
        assert advice in session.refused("update", key="n")
    assert healthy(session.server)
    assert session.server.call("ping").text == "pong"


def assert_recovered(session: Session, *, strong: bool) -> None:
    """Check that all is well again."""
    assert readiness(session.server) == (200, "")
    session.set("after", "kept")
    assert session.get("after") == "kept"
    if strong:
        assert session.update("after", how="remove") == Update(NOTHING, "kept", 1)


@contextmanager
def fault(server: Server, how: str) -> Iterator[None]:
    """Let the store of a server fail."""
    server.call("fault", how=how)
    try:
        yield
    finally:
        server.call("fault")


@pytest.mark.parametrize("trouble", [trouble for trouble in REPORTS if trouble != "slow"])
def test_a_store_that_refuses(trouble: str, case: Case, session: Session) -> None:
    """Tools and /readyz say what is wrong and whether to try again, nothing is changed, and it passes."""
    server = session.server
    session.set("n", 7)
    with fault(server, trouble):
        assert_refusals(session, trouble, strong=case.strong)
        status, said = readiness(server)
        assert status == 503
        assert REPORTS[trouble][0] in said
    assert session.get("n") == 7
    assert_recovered(session, strong=case.strong)


def test_a_store_whose_answer_is_lost(case: Case, session: Session) -> None:
    """A write that may have been done is called that, and is never done twice."""
    session.set("n", 7)
    with fault(session.server, "lost"):
        assert MAYBE in session.refused("set", key="n", value=8)
    assert session.get("n") == 8
    if case.strong:
        with fault(session.server, "lost"):
            assert session.refused("update", key="n")
        assert session.get("n") in {8, 9}
    assert_recovered(session, strong=case.strong)


def test_a_store_that_does_not_answer(case: Case, session: Session) -> None:
    """A tool is left the time to say so, and the next call is none the worse for it."""
    session.set("n", 7)
    what, effect, advice = REPORTS["slow"]
    tools: dict[str, dict[str, Any]] = {"hurried_get": {}, "hurried_set": {"value": 8}}
    if case.strong:
        tools["hurried_update"] = {}
    with fault(session.server, "hang"), ThreadPoolExecutor(3) as pool:
        answers = dict(
            zip(
                tools,
                pool.map(lambda name: session.refused(name, key="n", **tools[name]), tools),
                strict=True,
            )
        )
        assert healthy(session.server)
    assert all(what in answer and advice in answer for answer in answers.values())
    assert effect in answers["hurried_set"]
    assert session.get("n") == 7
    assert_recovered(session, strong=case.strong)


def test_readyz_does_not_wait_for_ever(fleet: Fleet) -> None:
    """Of a store that does not answer, it says so after a while."""
    servers = [fleet.first(case) for case in CASES]
    with ExitStack() as stack, ThreadPoolExecutor(len(servers)) as pool:
        for server in servers:
            stack.enter_context(fault(server, "hang"))
        answers = list(pool.map(readiness, servers))
    for status, said in answers:
        assert status == 503
        assert REPORTS["slow"][0] in said


# From here on nothing is pretended: what breaks is the store itself.


OVER_REDIS = [case for case in CASES if case.store in {"redis", "upstash"}]


@pytest.fixture(params=OVER_REDIS, ids=lambda case: case.name)
def over_redis(request: pytest.FixtureRequest) -> Case:
    """Give each that keeps its sessions in Redis."""
    given: Case = request.param
    return given


def redis_of(case: Case, fleet: Fleet) -> stores.RedisServer:
    """Return the Redis that a case keeps its sessions in."""
    return fleet.redis if case.store == "redis" else fleet.redis_behind_rest


def settle(fleet: Fleet) -> None:
    """Use up what the local REST service has of connections to a Redis that is no more."""

    def answers(server: Server) -> bool:
        with ThreadPoolExecutor(CALLS) as pool:
            return {status for status, _ in pool.map(readiness, [server] * CALLS)} == {200}

    for case in OVER_REDIS:
        if case.store == "upstash":
            stores.wait_until(partial(answers, fleet.first(case)))


@pytest.mark.parametrize("store", ["redis", "upstash"])
def test_redis_is_down(store: str, fleet: Fleet) -> None:
    """It is said of a server that has connections to it, and over with the first call that gets through."""
    cases = [case for case in OVER_REDIS if case.store == store]
    sessions = [fleet.first(case).session() for case in cases]
    with redis_of(cases[0], fleet).down():
        for session in sessions:
            assert_refusals(session, "unavailable", strong=True)
            status, said = readiness(session.server)
            assert status == 503
            assert REPORTS["unavailable"][0] in said
    if store == "upstash":
        settle(fleet)
    for session in sessions:
        assert_recovered(session, strong=True)


def test_redis_is_frozen(over_redis: Case, fleet: Fleet) -> None:
    """What waits for an answer is told so in time, and one key holds the old value or the new one."""
    session = fleet.first(over_redis).session()
    session.set("n", 7)
    with redis_of(over_redis, fleet).frozen():
        with ThreadPoolExecutor(2) as pool:
            reading = pool.submit(session.refused, "hurried_get", key="n")
            written = session.refused("hurried_set", key="n", value=8)
        assert REPORTS["slow"][0] in reading.result()
        assert REPORTS["slow"][0] in written
        assert MAYBE in written
        assert healthy(session.server)
    stores.wait_until(lambda: readiness(session.server)[0] == 200)
    assert session.get("n") in {7, 8}
    assert_recovered(session, strong=True)


def test_redis_is_full(over_redis: Case, fleet: Fleet) -> None:
    """Writes are refused, what is there can be read, and an update leaves it as it was."""
    session = fleet.first(over_redis).session()
    session.set("n", 7)
    with redis_of(over_redis, fleet).configured("maxmemory", "1", "0"):
        assert_refusals(session, "quota", strong=True, writes_only=True)
    assert session.get("n") == 7
    assert_recovered(session, strong=True)


def test_redis_wants_a_password(fleet: Fleet) -> None:
    """A server that has none is told that trying again will not help, until it is as it was."""
    case = BY_NAME["redis"]
    session = fleet.first(case).session()
    session.set("n", 7)
    with fleet.redis.configured("requirepass", "secret", ""):
        fleet.redis.disconnect("secret")
        assert_refusals(session, "misconfigured", strong=True)
        status, said = readiness(session.server)
        assert status == 503
        assert REPORTS["misconfigured"][0] in said
        assert "secret" not in said
    assert session.get("n") == 7
    assert_recovered(session, strong=True)


# What Upstash says, by its own documentation.
REFUSALS: Mapping[str, tuple[int, str, str]] = {
    "a wrong token": (401, "WRONGPASS invalid or missing auth token", "misconfigured"),
    "no token": (401, "Unauthorized", "misconfigured"),
    "a read-only token": (
        400,
        "NOPERM this user has no permissions to run the 'eval' command",
        "misconfigured",
    ),
    "too many requests": (429, "ERR max concurrent connections exceeded", "throttled"),
    "a proxy's 429": (429, "", "throttled"),
    "a day's requests": (
        400,
        "ERR max requests limit exceeded. Limit: 500000, Usage: 500000. See https://upstash.com/docs/redis",
        "quota",
    ),
    "a month's bandwidth": (400, "ERR max bandwidth limit exceeded", "quota"),
    "an outage": (503, "", "unavailable"),
    "a database that is gone": (404, "", "misconfigured"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.store == "upstash"], ids=lambda case: case.name
)
def test_upstash_refuses(refusal: str, case: Case, fleet: Fleet) -> None:
    """Each refusal of the vendor is told as what it is, and changes nothing."""
    status, text, trouble = REFUSALS[refusal]
    session = fleet.first(case).session()
    session.set("n", 7)
    with fleet.rest.refusing(status, text):
        assert_refusals(session, trouble, strong=True)
        ready, said = readiness(session.server)
        assert ready == 503
        assert REPORTS[trouble][0] in said
    assert session.get("n") == 7
    assert_recovered(session, strong=True)


@contextmanager
def locked(folder: Path, pattern: str) -> Iterator[None]:
    """Let another process write to the database of a store, and not come to an end."""
    (file,) = folder.glob(pattern)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


# Where the databases are that other processes can write to, and what becomes of those who wait too long.
DATABASES = {
    "sqlite": ("sessions.sqlite", "throttled"),
    "deno-kv": ("location_data/*/kv.sqlite3", "slow"),
}


def test_a_database_is_locked(fleet: Fleet) -> None:
    """Who writes meanwhile waits, and is told so in time where that does not help."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: hold(fleet.first(BY_NAME[name]), *DATABASES[name]), DATABASES))


def hold(server: Server, pattern: str, trouble: str) -> None:
    """Lock the database of a server for a moment, and then for too long."""
    what, effect, _ = REPORTS[trouble]
    session = server.session()
    session.set("n", 7)
    with ThreadPoolExecutor(1) as pool:
        with locked(server.state, pattern):
            waiting = pool.submit(session.set, "waited", "kept")
            time.sleep(0.3)
            assert not waiting.done()
        waiting.result()
        assert session.get("waited") == "kept"
        with locked(server.state, pattern):
            lasting = pool.submit(session.refused, "set", key="n", value=8)
            hurried = session.refused("hurried_set", key="n", value=9)
            assert REPORTS["slow"][0] in hurried
            assert MAYBE in hurried
            assert healthy(server)
            refusal = lasting.result()
            assert what in refusal
            assert effect in refusal
    assert_recovered(session, strong=True)
    assert session.get("n") in {7, 8, 9}


@contextmanager
def another(server: Server, **environment: str) -> Iterator[Server]:
    """Serve the same project elsewhere."""
    made = Server(
        server.folder,
        server.target,
        {**server.environment, **environment},
        server.state.with_name(str(uuid.uuid4())),
        server.services,
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_a_database_is_locked_when_it_is_opened(fleet: Fleet) -> None:
    """Of servers that start at once, the second to come waits for the first to lay out the file."""
    with another(fleet.first(BY_NAME["sqlite"])) as server, ThreadPoolExecutor(1) as pool:
        (server.state / DATABASES["sqlite"][0]).touch()
        with locked(server.state, DATABASES["sqlite"][0]):
            waiting = pool.submit(server.session)
            time.sleep(0.3)
            assert not waiting.done()
        session = waiting.result()
        assert session.update("n").value == 1


def test_a_disk_takes_no_more(fleet: Fleet) -> None:
    """Writes fail and change nothing, reads go on, and so do writes when there is room again."""
    session = fleet.first(BY_NAME["sqlite"]).session()
    session.set("n", 7)
    process, unlimited = session.server.endpoint.pid, resource.RLIM_INFINITY
    resource.prlimit(process, resource.RLIMIT_FSIZE, (0, unlimited))
    try:
        assert_refusals(session, "unavailable", strong=True, writes_only=True)
        assert session.get("n") == 7
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    assert session.get("n") == 7
    assert_recovered(session, strong=True)


def test_a_database_cannot_be_opened(fleet: Fleet) -> None:
    """A server whose folder takes no file says so, and that trying again will not help."""
    with another(fleet.first(BY_NAME["sqlite"]), STATE_DIRECTORY="/proc") as server:
        refusal = Session(server, mint(NAME)).refused("set", key="n", value=1)
        assert REPORTS["misconfigured"][0] in refusal
        assert NO_HELP in refusal
        status, said = readiness(server)
        assert status == 503
        assert REPORTS["misconfigured"][0] in said
        assert healthy(server)


@pytest.mark.parametrize("how", ["throws", "aborts"])
def test_an_object_breaks(how: str, fleet: Fleet) -> None:
    """A Durable Object that throws, or is reset by the platform, fails that call and keeps what it has."""
    # What leads wrangler from one instance to the other's objects does not survive a reset.
    session = fleet.first(BY_NAME["durable-object"]).session()
    session.set("n", 7)
    assert REPORTS["unavailable"][0] in session.refused("get", key=f"the object {how}")
    assert session.get("n") == 7
    assert session.update("n") == Update(8, 7, 1)


def test_a_session_outlives_its_server(fleet: Fleet) -> None:
    """A server that is killed in the middle of its work goes on with all that it had confirmed."""
    sessions = {case.name: fleet.first(case).session() for case in CASES}

    def restart(case: Case) -> None:
        session = sessions[case.name]
        keep_all(session, {"a": case.name, "b": VALUES["deep"]})
        begun = Barrier(5)
        with ThreadPoolExecutor(4) as pool:
            under_way = [pool.submit(_write_on, session, begun) for _ in range(4)]
            # However busy the machine is, each has something confirmed before the end comes.
            begun.wait(timeout=60)
            time.sleep(0.2)
            session.server.kill()
            confirmed = [future.result() for future in under_way]
        if case.store == "durable-object":
            # The objects were in that process: another can reach them only when it is back.
            refusal = session.at(fleet.second(case)).refused("get", key="a")
            assert REPORTS["unavailable"][0] in refusal
        session.server.start()
        assert session.get("a") == case.name
        assert session.get("b") == VALUES["deep"]
        for key, least in confirmed:
            # What was not confirmed may have been kept all the same.
            assert session.get(key) in {least, least + 1}
        assert_recovered(session, strong=case.strong)
        if case.strong and not case.other:
            second = fleet.second(case)
            stores.wait_until(lambda: readiness(second)[0] == 200)
            assert session.at(second).get("a") == case.name

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(restart, CASES))


def _write_on(session: Session, begun: Barrier) -> tuple[str, int]:
    """Count up until the server is gone; return what was confirmed last."""
    key = str(uuid.uuid4())
    session.set(key, 0)
    begun.wait(timeout=60)
    headers = session.server.endpoint.headers
    with probe.Client(session.server.endpoint.url, headers) as client:
        for count in range(1, 100_000):
            arguments = {"session_id": session.id, "key": key, "value": count}
            report = client.call("set", arguments)
            if report.failure is not None:
                return key, count - 1
            assert not report.result.get("isError"), report.text
    raise AssertionError("the server was not killed")
