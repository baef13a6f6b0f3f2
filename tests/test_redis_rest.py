"""The local REST face of Redis answers as the vendor's service does, to HTTP and to the vendor's client."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from toolchain import Toolchain

from scaffolder.processes import Processes
from scaffolder.redis_rest import MAX_REQUEST_BYTES, redis_server, rest_server
from scaffolder.toolchain import find_redis

TOKEN = "a-token"

# What the generated session store uses, and what later stores will: values, expiry, scripts, transactions.
CLIENT = """
import { Redis } from "@upstash/redis";
const redis = new Redis({ url: process.argv[2], token: process.argv[3], retry: false });
const bare = { automaticDeserialization: false, responseEncoding: false, enableAutoPipelining: false };
const plain = new Redis({ url: process.argv[2], token: process.argv[3], retry: false, ...bare });
const stranger = new Redis({ url: process.argv[2], token: "wrong", retry: false });
const message = (promise) => promise.then(() => "no error", (error) => error.message);
const text = "draft \\u2028 \\u{1F600} \\u00e9";
const out = {};
out.set = await redis.set("key", { text, number: 1.5 }, { ex: 60 });
out.get = await redis.get("key");
out.plain = await plain.get("key");
out.ttl = await redis.ttl("key");
out.missing = await redis.get("missing");
out.type = await redis.type("key");
out.ping = await redis.ping();
// The client may send these in one request or in several, so that no one depends on another.
out.together = await Promise.all([redis.set("a", "1"), redis.incr("n"), redis.get("key")]);
out.pipeline = await redis.pipeline().set("b", "x").get("b").del("b").exec();
out.multi = await redis.multi().set("c", 1).incr("c").lrange("none", 0, -1).exec();
out.hash = await redis.hset("h", { one: 1, two: "zwei" }).then(() => redis.hgetall("h"));
out.list = await redis.rpush("l", "x", "y").then(() => redis.lrange("l", 0, -1));
out.eval = await redis.eval("return {KEYS[1], ARGV[1], 7, false}", ["k"], ["v"]);
// What a session in a hash needs, with a script that compares before it writes.
const swap = `if (redis.call("HGET", KEYS[1], "v") or "") ~= ARGV[1] then return 0 end
redis.call("HSET", KEYS[1], "v", ARGV[2]); redis.call("PEXPIRE", KEYS[1], ARGV[3]); return 1`;
out.sha = await redis.scriptLoad(swap);
out.swaps = [
  await plain.evalsha(out.sha, ["s"], ["", "1", "60000"]),
  await plain.evalsha(out.sha, ["s"], ["", "2", "60000"]),
  await plain.eval(swap, ["s"], ["1", "2", "60000"]),
  await plain.hget("s", "v"),
  (await redis.pttl("s")) > 50000,
  await redis.hdel("s", "v"),
  await plain.hget("s", "v"),
];
out.noscript = await message(redis.evalsha("0".repeat(40), ["s"], []));
out.script = await redis.createScript(swap + " -- another").exec(["t"], ["", "1", "60000"]);
out.scan = await redis.scan(0, { match: "h" });
out.error = await message(redis.lpush("key", "x"));
out.kept = await redis.pipeline().get("c").lpush("key", "x").exec({ keepErrors: true });
out.stranger = await message(stranger.get("key"));
out.deleted = await redis.del("key");
console.log(JSON.stringify(out));
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a new, empty Redis."""
    folder = tmp_path_factory.mktemp("redis")
    with (
        Processes() as processes,
        redis_server(find_redis(), folder, processes) as port,
        rest_server(port, TOKEN) as served,
    ):
        yield served


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """Return a client that has the token."""
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        client.post("/", json=["FLUSHALL"])
        yield client


def encoded(text: str) -> str:
    """Return a text as the service encodes it on demand."""
    return base64.b64encode(text.encode()).decode()


def test_a_command_in_the_body(http: httpx.Client) -> None:
    """Numbers, texts and nothing at all come back as JSON."""
    assert http.post("/", json=["SET", "k", 'v "é" \u2028']).json() == {"result": "OK"}
    assert http.post("/", json=["GET", "k"]).json() == {"result": 'v "é" \u2028'}
    assert http.post("/", json=["APPEND", "n", 12]).json() == {"result": 2}
    assert http.post("/", json=["GET", "none"]).json() == {"result": None}


def test_a_command_in_the_path(http: httpx.Client) -> None:
    """A body is the last argument but those of the query."""
    assert http.post("/set/a%2Fb?EX=100", content="a value").json() == {"result": "OK"}
    assert http.get("/get/a%2Fb").json() == {"result": "a value"}
    assert http.get("/ttl/a%2Fb").json() == {"result": 100}


def test_replies_in_base64(http: httpx.Client) -> None:
    """Every string but the word OK is encoded, also within lists."""
    headers = {"upstash-encoding": "base64"}
    assert http.post("/", json=["RPUSH", "l", "é", "x"], headers=headers).json() == {"result": 2}
    listed = http.post("/", json=["LRANGE", "l", "0", "-1"], headers=headers)
    assert listed.json() == {"result": [encoded("é"), encoded("x")]}
    assert http.post("/", json=["PING"], headers=headers).json() == {"result": encoded("PONG")}
    assert http.post("/", json=["SET", "k", "v"], headers=headers).json() == {"result": "OK"}


def test_a_pipeline_goes_on_after_an_error(http: httpx.Client) -> None:
    """Each command has a result or an error of its own."""
    answer = http.post("/pipeline", json=[["SET", "k", "v"], ["LPUSH", "k", "x"], ["GET", "k"]])
    done, failed, read = answer.json()
    assert answer.status_code == 200
    assert (done, read) == ({"result": "OK"}, {"result": "v"})
    assert failed["error"].startswith("WRONGTYPE")


def test_scripts_run_by_text_or_by_hash(http: httpx.Client) -> None:
    """What one sets another reads; a hash that Redis has not seen is an error that says so."""
    script = 'return redis.call("HSET", KEYS[1], "v", ARGV[1])'
    sha = http.post("/", json=["SCRIPT", "LOAD", script]).json()["result"]
    assert http.post("/", json=["EVALSHA", sha, 1, "s", "1"]).json() == {"result": 1}
    assert http.post("/", json=["EVAL", script, 1, "s", "2"]).json() == {"result": 0}
    assert http.post("/", json=["PEXPIRE", "s", 60000]).json() == {"result": 1}
    assert http.post("/", json=["HGET", "s", "v"]).json() == {"result": "2"}
    assert http.post("/", json=["DEL", "s"]).json() == {"result": 1}
    unknown = http.post("/", json=["EVALSHA", "0" * 40, 1, "s"])
    assert unknown.status_code == 400
    assert unknown.json()["error"].startswith("NOSCRIPT")
    failed = http.post("/", json=["EVAL", 'return redis.error_reply("ERR own")', 0])
    assert (failed.status_code, failed.json()) == (400, {"error": "ERR own"})


def test_a_transaction_is_all_or_nothing(http: httpx.Client) -> None:
    """A command that Redis cannot even queue undoes the whole."""
    answer = http.post("/multi-exec", json=[["SET", "k", "1"], ["INCR", "k"]])
    assert answer.json() == [{"result": "OK"}, {"result": 2}]
    refused = http.post("/multi-exec", json=[["SET", "k", "9"], ["NOSUCH"]])
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("EXECABORT")
    assert http.post("/", json=["GET", "k"]).json() == {"result": "2"}


def test_transactions_do_not_mix(url: str) -> None:
    """Many clients at once count to exactly what they added."""

    def add(number: int) -> None:
        with httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False
        ) as client:
            for _ in range(20):
                commands = [["INCR", "sum"], ["INCR", f"sum:{number}"]]
                assert client.post("/multi-exec", json=commands).json()[1]["result"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    headers = {"authorization": f"Bearer {TOKEN}"}
    total = httpx.post(url, json=["GET", "sum"], headers=headers, trust_env=False)
    assert total.json() == {"result": "160"}


@pytest.mark.parametrize("path", ["/", "/pipeline", "/multi-exec", "/get/k"])
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}])
def test_only_the_token_opens(url: str, path: str, headers: dict[str, str]) -> None:
    """Whoever has not got it is told so, and nothing else."""
    answer = httpx.post(url + path, json=["GET", "k"], headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.json() == {"error": "Unauthorized"}


def test_the_token_may_be_in_the_query(url: str) -> None:
    """As the service allows where no header can be set."""
    answer = httpx.get(f"{url}/ping?_token={TOKEN}", trust_env=False)
    assert answer.json() == {"result": "PONG"}


@pytest.mark.parametrize(
    "body", ["", "{", "{}", "[]", '"GET"', "[[]]", '["SUBSCRIBE", "x"]', '["multi"]', '["NOSUCH"]']
)
def test_what_is_no_command_is_refused(body: str, http: httpx.Client) -> None:
    """With a status and a message, and the connection goes on."""
    answer = http.post("/", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("ERR")
    assert http.post("/", json=["PING"]).json() == {"result": "PONG"}


def test_a_request_over_the_documented_limit_is_refused(http: httpx.Client) -> None:
    """The limit is the service's, so that a value that does not fit is noticed here."""
    fits = "x" * (MAX_REQUEST_BYTES - 100)
    assert http.post("/", json=["SET", "k", fits]).json() == {"result": "OK"}
    assert http.post("/", json=["STRLEN", "k"]).json() == {"result": len(fits)}
    assert http.post("/", json=["SET", "k", fits + "x" * 100]).status_code == 413


def test_a_redis_that_is_down_is_an_error_and_comes_back(tmp_path: Path) -> None:
    """The service answers that it cannot, for as long as it cannot."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    with Processes() as processes, redis_server(find_redis(), tmp_path, processes) as port:
        pass
    with rest_server(port, TOKEN) as served:
        answer = httpx.post(served, json=["PING"], headers=headers, trust_env=False)
        assert answer.status_code == 500
        assert answer.json()["error"].startswith("ERR Redis cannot be reached")


def test_what_stands_between_may_refuse_wait_and_count(tmp_path: Path) -> None:
    """A test sees each request, and may answer as the vendor does to whom it refuses, or late."""
    seen: list[Sequence[Sequence[bytes]]] = []
    instead: list[tuple[int, Any]] = []

    def between(
        commands: Sequence[Sequence[bytes]], execute: Callable[[], tuple[int, Any]]
    ) -> tuple[int, Any]:
        seen.append(commands)
        return instead.pop() if instead else execute()

    def late(_: Sequence[Sequence[bytes]], execute: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
        answer = execute()
        time.sleep(0.5)
        return answer

    headers = {"authorization": f"Bearer {TOKEN}"}
    with (
        Processes() as processes,
        redis_server(find_redis(), tmp_path, processes) as port,
        rest_server(port, TOKEN, between) as served,
        rest_server(port, TOKEN, late) as slow,
        httpx.Client(headers=headers, trust_env=False) as http,
    ):
        instead.append((429, {"error": "too many"}))
        refused = http.post(served, json=["SET", "k", "v"])
        assert (refused.status_code, refused.json()) == (429, {"error": "too many"})
        assert http.post(served, json=["GET", "k"]).json() == {"result": None}
        assert http.post(f"{served}/pipeline", json=[["GET", "k"], ["PING"]]).status_code == 200
        assert seen == [[[b"SET", b"k", b"v"]], [[b"GET", b"k"]], [[b"GET", b"k"], [b"PING"]]]
        with pytest.raises(httpx.ReadTimeout):
            http.post(slow, json=["SET", "k", "v"], timeout=0.2)
        # It was written all the same: only the answer was late.
        assert http.post(served, json=["GET", "k"]).json() == {"result": "v"}


@pytest.mark.slow
def test_the_vendors_own_client(url: str, toolchain: Toolchain, tmp_path: Path) -> None:
    """What it sends is understood, and it understands what comes back."""
    (tmp_path / "node_modules").symlink_to(toolchain.node_modules)
    script = tmp_path / "client.mjs"
    script.write_text(CLIENT)
    done = subprocess.run(
        [toolchain.node, script, url, TOKEN],
        cwd=tmp_path,
        env=dict(toolchain.env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out: dict[str, Any] = json.loads(done.stdout)
    value = {"text": "draft \u2028 \N{GRINNING FACE} é", "number": 1.5}
    assert json.loads(out.pop("plain")) == value
    assert "WRONGTYPE" in out.pop("error")
    assert "Unauthorized" in out.pop("stranger")
    assert "NOSCRIPT" in out.pop("noscript")
    assert len(out.pop("sha")) == 40
    kept, failed = out.pop("kept")
    assert kept["result"] == 2
    assert "WRONGTYPE" in failed["error"]
    assert out == {
        "set": "OK",
        "get": value,
        "ttl": 60,
        "missing": None,
        "type": "string",
        "ping": "PONG",
        "together": ["OK", 1, value],
        "pipeline": ["OK", "x", 1],
        "multi": ["OK", 2, []],
        "hash": {"one": 1, "two": "zwei"},
        "list": ["x", "y"],
        "eval": ["k", "v", 7, None],
        "swaps": [1, 0, 1, "2", True, 1, None],
        "script": 1,
        "scan": ["0", ["h"]],
        "deleted": 1,
    }
